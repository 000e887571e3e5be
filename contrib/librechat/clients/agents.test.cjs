// SPDX-License-Identifier: Apache-2.0
// The tools of LibreChat as they are published, three generations of them, against a running adapter.
const assert = require('node:assert/strict')
const { after, before, describe, test } = require('node:test')
const { GENERATIONS, load } = require('./host.cjs')

let help
let server
let withKey

before(async () => {
  help = await import('../test/help.js')
  server = await help.adapter()
  withKey = `http://${help.KEY}@127.0.0.1:${server.port}/v1`
  // The first two read their base URL once, when they are loaded.
  process.env.LIBRECHAT_CODE_BASEURL = withKey
  delete process.env.PROXY
})
after(() => server?.close())

const invoke = (tool, args, more = {}) => tool.invoke({ type: 'tool_call', id: 'call_1', name: tool.name, args, ...more })
const said = (message) => (typeof message.content === 'string' ? message.content : JSON.stringify(message.content))

const toolDefs = [
  { name: 'get-weather', description: 'Weather of a city', parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] }, allowed_callers: ['code_execution'] },
  { name: 'fails', description: 'Always fails', parameters: { type: 'object', properties: {} }, allowed_callers: ['code_execution'] },
]
function toolMap(calls) {
  const make = (name, run) => [name, { name, invoke: async (input) => { calls.push([name, input.args ?? input]); return run(input.args ?? input) } }]
  return new Map([make('get-weather', ({ city }) => ({ city, t: city.length })), make('fails', () => { throw new Error('no such city') })])
}

for (const [generation, { hasBash, hasHeader }] of Object.entries(GENERATIONS)) {
  describe(`generation ${generation}`, () => {
    let agents
    let auth
    let fetch
    before(() => {
      ({ agents, fetch } = load(generation))
      // Up to A the key is a parameter and a header; later it is the user part of the URL.
      auth = hasHeader ? { apiKey: help.KEY } : { baseUrl: withKey }
    })

    test('execute_code runs, and its file comes back in the next call', async () => { // S1-05
      const tool = agents.createCodeExecutionTool(auth)
      const first = await invoke(tool, { lang: 'py', code: 'open("/mnt/data/notes.txt","w").write("one")\nprint("wrote")' })
      assert.match(said(first), /stdout:\nwrote/)
      assert.equal(first.artifact.files[0].name, 'notes.txt')
      assert.equal(first.artifact.files[0].storage_session_id ?? first.artifact.session_id, first.artifact.session_id)
      const files = first.artifact.files.map((file) => ({ ...file, session_id: first.artifact.session_id }))
      const second = await invoke(tool, { lang: 'py', code: 'print(open("/mnt/data/notes.txt").read())' }, { session_id: first.artifact.session_id, _injected_files: files })
      assert.match(said(second), /stdout:\none/)
    })

    test('execute_code passes arguments and shows a failing program', async () => {
      const tool = agents.createCodeExecutionTool(auth)
      const result = await invoke(tool, { lang: 'py', code: 'import sys\nprint(sys.argv[1:])\nsys.exit("no")', args: ['a b', '$HOME'] })
      assert.match(said(result), /\['a b', '\$HOME'\]/)
      assert.match(said(result), /stderr:\nno/)
    })

    test('a key in the URL opens, a wrong one does not', async () => {
      const body = JSON.stringify({ lang: 'bash', code: 'echo in' })
      const ask = (url) => fetch(`${url}/exec`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body })
      assert.equal((await (await ask(withKey)).json()).stdout, 'in\n')
      assert.equal((await ask(withKey.replace(help.KEY, 'wr0ngwr0ng'))).status, 401)
    })

    test('programmatic Python runs its tools in one round where it can', async () => {
      const calls = []
      const tool = agents.createProgrammaticToolCallingTool(auth)
      const code = 'import asyncio\nrs = await asyncio.gather(*[get_weather(city=c) for c in ("Brno","Oslo","Rome")])\nprint([r["t"] for r in rs])'
      const result = await invoke(tool, { code, timeout: 10_000 }, { toolMap: toolMap(calls), toolDefs })
      assert.match(said(result), /\[4, 4, 4\]/)
      assert.equal(calls.length, 3)
    })

    test('a tool that fails is an exception in the program', async () => {
      const tool = agents.createProgrammaticToolCallingTool(auth)
      const code = 'try:\n  await fails()\nexcept Exception as e:\n  print("caught", e)'
      const result = await invoke(tool, { code, timeout: 10_000 }, { toolMap: toolMap([]), toolDefs })
      assert.match(said(result), /caught .*no such city/s)
    })

    test('a programmatic program that fails says why', async () => {
      const tool = agents.createProgrammaticToolCallingTool(auth)
      await assert.rejects(
        async () => {
          const message = await invoke(tool, { code: 'await get_weather(city="x")\nraise ValueError("broken")', timeout: 10_000 }, { toolMap: toolMap([]), toolDefs })
          if (message.status === 'error') throw new Error(said(message))
        },
        /ValueError: broken/,
      )
    })

    if (hasBash) {
      test('bash_tool runs a command', async () => {
        const tool = agents.createBashExecutionTool(auth)
        const result = await invoke(tool, { command: 'echo "$1-$2"; echo x > /mnt/data/b.txt', args: ['p', 'q'] })
        assert.match(said(result), /p-q/)
        assert.equal(result.artifact.files[0].name, 'b.txt')
      })

      test('programmatic Bash runs jobs, pipelines and substitutions', async () => {
        const calls = []
        const tool = agents.createBashProgrammaticToolCallingTool(auth)
        const code = 'set -euo pipefail\nfor c in Brno Oslo; do get_weather "{\\"city\\":\\"$c\\"}" > "/tmp/$c.$$" & done\nwait\ncat /tmp/Brno.$$ /tmp/Oslo.$$\nx=$(get_weather \'{"city":"Rome"}\' | tr -d " ")\necho "sub: $x"\nfails || echo "failed as it should"'
        const result = await invoke(tool, { code, timeout: 15_000 }, { toolMap: toolMap(calls), toolDefs })
        assert.match(said(result), /"city":"Brno","t":4[^]*"city":"Oslo"[^]*sub: \{"city":"Rome","t":4\}[^]*failed as it should/)
        assert.equal(calls.length, 4)
      })
    }

    if (generation === 'd') {
      test('a program without tools runs as an ordinary execution', async () => {
        const tool = agents.createProgrammaticToolCallingTool(auth)
        const result = await invoke(tool, { code: 'print("plain")', timeout: 5000, tool_manifest: [] }, { toolMap: toolMap([]), toolDefs })
        assert.match(said(result), /plain/)
      })
      test('an input that a program removes is told to the client', async () => {
        const tool = agents.createCodeExecutionTool(auth)
        const first = await invoke(tool, { lang: 'py', code: 'open("/mnt/data/gone.txt","w").write("1")' })
        const second = await invoke(tool, { lang: 'bash', code: 'rm /mnt/data/gone.txt' }, { _injected_files: first.artifact.files })
        assert.deepEqual(second.artifact.deleted_files, ['gone.txt'])
      })
      test('an aborted programmatic run leaves no process behind', async () => {
        const tool = agents.createProgrammaticToolCallingTool(auth)
        const gone = new AbortController()
        setTimeout(() => gone.abort(), 1000)
        await assert.rejects(tool.invoke(
          { type: 'tool_call', id: 'c', name: tool.name, args: { code: 'import time\nwhile True: time.sleep(0.1)', timeout: 60_000 }, toolMap: toolMap([]), toolDefs },
          { signal: gone.signal },
        ))
        await help.until(() => server.app.load().running === 0, 'the end of the run')
      })
    }
  })
}
