// SPDX-License-Identifier: Apache-2.0
// The doors beside LibreChat's: /api/v1 and the Model Context Protocol.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { adapter, call, get, isReal, KEY, post } from './help.js'

let server
before(async () => { server = await adapter() })
after(() => server.close())
const execute = async (body) => (await post(server, '/api/v1/execute', body)).json

describe('/api/v1', () => {
  // S4-28, S4-29, S4-30, S4-31, S4-32, S4-33, S4-34, S4-35, S4-36, S4-37, S4-38, S4-41, S4-42, S4-43
  test('Python and JavaScript print what they should', async () => {
    const py = await execute({ language: 'python', code: "print('Hello from secure sandbox!')\nprint(2 + 2)", timeout: 10 })
    assert.deepEqual([py.status, py.stdout, py.stderr, py.exit_code, py.error], ['success', 'Hello from secure sandbox!\n4\n', '', 0, null])
    assert.match(py.execution_id, /^[\w-]{21}$/)
    assert.equal(typeof py.execution_time_ms, 'number')
    if (!isReal) assert.equal(py.memory_used_mb, 9)
    assert.ok(py.memory_used_mb === null || py.memory_used_mb > 0)
    assert.deepEqual(Object.keys(py).sort(), ['error', 'execution_id', 'execution_time_ms', 'exit_code', 'memory_used_mb', 'status', 'stderr', 'stdout'])
    assert.match((await execute({ language: 'javascript', code: 'console.log("hi"); console.log(3*7)' })).stdout, /^hi\n21\n$/)
    assert.equal((await execute({ language: 'javascript', code: 'console.log(JSON.stringify(JSON.parse(\'{"b":[1,2]}\').b))' })).stdout, '[1,2]\n')
    assert.match((await execute({ language: 'shell', code: 'echo here; ls -la; date +%Y' })).stdout, /^here\ntotal [^]*\n20\d\d\n$/)
  })
  test('failures and time limits have an error text', async () => {
    const failed = await execute({ language: 'python', code: 'import sys; sys.exit(3)' })
    assert.deepEqual([failed.status, failed.exit_code, typeof failed.error], ['error', 3, 'string'])
    const late = await execute({ language: 'python', code: 'while True: pass', timeout: 1 })
    assert.deepEqual([late.status, late.error], ['timeout', 'Time limit of 1 s exceeded; the program was stopped.'])
  })
  test('a wrong request is 400', async () => {
    for (const body of [{}, { language: 'cobol', code: 'x' }, { language: 'python' }, { language: 'python', code: '1', timeout: '5' }, { language: 'python', code: '1', timeout: -1 }]) assert.equal((await post(server, '/api/v1/execute', body)).status, 400)
  })
  test('health, settings and counters', async () => { // S4-62 to S4-64, S4-17, S4-63
    assert.deepEqual((await get(server, '/api/v1/health', { key: null })).json, { status: 'ok' })
    const config = await get(server, '/api/v1/config')
    assert.equal(config.status, 200)
    assert.ok(!config.text.includes(server.dir))
    assert.deepEqual((await get(server, '/api/v1/stats')).json.adapter, { running: 0, waiting: 0 })
  })
})

test('each line of the log is one JSON object with a time and a level', async () => { // S1-09, S1-43
  await execute({ language: 'python', code: 'print(1)' })
  assert.ok(server.logged.length > 0)
  for (const line of server.logged) {
    assert.match(line, /^\{[^\n]*\}\n$/)
    const { time, level } = JSON.parse(line)
    assert.ok(Number.isFinite(new Date(time).getTime()) && level !== undefined, line)
  }
})

const texts = (result) => result.content.filter(({ type }) => type === 'text').map(({ text }) => text).join('\n')
const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='

function suite(name, connect) {
  describe(name, () => {
    let client
    let stop
    before(async () => { ({ client, stop } = await connect()) })
    after(() => stop())
    const run = (tool, args) => client.callTool({ name: tool, arguments: args })

    test('lists its tools', async () => {
      const { tools } = await client.listTools()
      assert.deepEqual(tools.map((tool) => tool.name), ['run_python', 'run_javascript', 'run_shell', 'list_files', 'get_file', 'upload_text_file'])
    })
    test('runs programs and keeps their files in a session', async () => {
      const first = texts(await run('run_python', { code: 'print("hi"); open("/mnt/data/a.txt","w").write("kept")' }))
      assert.match(first, /status: success[^]*stdout:\nhi/)
      const [, session] = /session: (\S+)/.exec(first)
      assert.match(texts(await run('run_shell', { code: 'cat a.txt; echo " $1"', args: ['arg'], session })), /kept arg/)
      assert.match(texts(await run('run_javascript', { code: 'console.log(6*7)' })), /42/)
      const list = texts(await run('list_files', { session }))
      assert.match(list, /^a\.txt\t4 bytes/m)
      assert.equal(texts(await run('get_file', { id: /id (\S+)/.exec(list)[1] })), 'kept')
    })
    test('an image comes back as one', async () => {
      const { content } = await run('run_python', { code: `import base64; open("/mnt/data/p.png","wb").write(base64.b64decode("${PNG}"))` })
      const image = content.find(({ type }) => type === 'image')
      assert.deepEqual([image.mimeType, image.data], ['image/png', PNG])
    })
    test('stores a text for later', async () => {
      const stored = texts(await run('upload_text_file', { name: 'in/ü.csv', content: 'a,b\nü\n' }))
      assert.match(texts(await run('run_shell', { code: 'cat in/ü.csv', session: /session: (\S+)/.exec(stored)[1] })), /a,b\nü/)
    })
    test('mistakes are errors of the tool, not of the protocol', async () => {
      for (const [tool, args] of [['run_python', {}], ['run_python', { code: 7 }], ['run_python', { code: 'x', session: '../x' }], ['run_shell', { code: 'true', session: 'AAAAAAAAAAAAAAAAAAAAA' }], ['get_file', { id: 'AAAAAAAAAAAAAAAAAAAAA' }], ['get_file', {}], ['upload_text_file', { name: '..', content: 'x' }], ['upload_text_file', { name: 'a' }], ['nothing', {}]]) {
        const result = await run(tool, args)
        assert.equal(result.isError, true, `${tool} ${JSON.stringify(args)}`)
      }
      assert.match(texts(await run('run_python', { code: 'raise ValueError("no")' })), /status: error \(1\)[^]*ValueError: no/)
    })
  })
}

suite('MCP over HTTP', async () => {
  const transport = new StreamableHTTPClientTransport(new URL(`${server.base}/mcp`), { requestInit: { headers: { authorization: `Bearer ${KEY}` } } })
  const client = new Client({ name: 'test', version: '1' })
  await client.connect(transport)
  return { client, stop: () => client.close() }
})

suite('MCP over stdio', async () => {
  const program = fileURLToPath(new URL('../server.mjs', import.meta.url))
  const transport = new StdioClientTransport({ command: process.execPath, args: [program, 'mcp'], env: { ...server.env, SANDBOX_LOG_LEVEL: 'error' }, stderr: 'pipe' })
  const client = new Client({ name: 'test', version: '1' })
  await client.connect(transport)
  return { client, stop: () => client.close() }
})

test('/mcp wants a key, and only POST', async () => {
  assert.equal((await post(server, '/mcp', {}, { key: null })).status, 401)
  assert.equal((await get(server, '/mcp')).status, 405)
  assert.ok((await post(server, '/mcp', 'x')).status < 500)
  assert.ok((await post(server, '/mcp', [{ jsonrpc: '2.0' }])).status < 500)
  assert.ok((await call(server, 'POST', '/mcp', { raw: '{', headers: { 'content-type': 'application/json' } })).status < 500)
})
