// SPDX-License-Identifier: Apache-2.0
// A client that means harm or is broken: every field of every endpoint with what does not belong there, and
// sockets that behave badly. No answer may be a 5xx other than 503, no request may hang, the server stays up.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { addKey } from '../src/keys.js'
import { adapter, call, exec, form, get, isReal, KEY, post, raw, sbxJson, settleStorage, stored, traces, until, upload } from './help.js'

const HARD = { SBX_ADAPTER_REQUEST_MS: '2500', SBX_ADAPTER_BODY_MAX: '2000000', SANDBOX_MAX_CONCURRENT_EXECUTIONS: '20', SBX_ADAPTER_QUEUE_MAX: '1000', MAX_CONCURRENT_EXECUTIONS: '20', SBX_ADAPTER_QUEUE_WAIT_MS: '60000', SBX_ADAPTER_PREVIEW_ORIGIN: 'http://preview.test', SBX_ADAPTER_PAUSE_MS: '8000' }
let server
let atFirst
before(async () => {
  server = await adapter(HARD)
  // Whatever is opened once and kept is open by now.
  await exec(server, { lang: 'bash', code: 'true' })
  const up = (await upload(server, [['file', 'a', '1']])).json
  await get(server, `/download/${up.session_id}/${up.files[0].fileId}`)
  atFirst = await until(() => steady(), 'quiet')
})
after(() => server?.close())

/** The traces, as soon as nothing runs. */
function steady() {
  const now = traces()
  return now.processes.length === 0 && now
}
/** Nothing may stay behind: no descriptor, no process, no file outside of the storage, none half stored inside. */
async function leavesNothing() {
  assert.deepEqual(server.app.load(), { running: 0, waiting: 0 })
  await until(() => {
    const now = traces()
    return now.processes.length === 0 && now.descriptors <= atFirst.descriptors
  }, `the end of ${JSON.stringify(traces())} (at first: ${JSON.stringify(atFirst)})`, 30_000)
  assert.deepEqual(traces().temporary, atFirst.temporary)
  settleStorage(server)
}

const deep = (n) => '['.repeat(n) + ']'.repeat(n)
const ODD = [
  null, true, 0, -1, 1.5, 1e308, '', ' ', '\0', 'a\0b', '\ud800', '\u202e', '../../etc/passwd', '/etc/passwd', 'C:\\x', '$(id)', '`id`', "'; rm -rf / #", '%00', '-rf', '--help', '{{7*7}}', '__proto__', 'constructor',
  'x'.repeat(100_000), '😀'.repeat(1000), [], [[]], [null], {}, { id: 1 }, { toString: 1, length: -1 }, Array(1000).fill(0), { a: { b: { c: [] } } },
]
const FEW = [null, 0, -1, '', '\0', '\ud800', '../../etc/passwd', '--help', '__proto__', 'x'.repeat(100_000), [], {}]
const FIELDS = {
  '/exec': { base: { lang: 'bash', code: 'true' }, fields: ['lang', 'code', 'args', 'files', 'session_id', 'user_id', 'entity_id', 'runtime_session_hint', 'timeout', 'apiKey'] },
  '/exec/programmatic': { base: { code: 'pass', tools: [] }, fields: ['lang', 'code', 'tools', 'session_id', 'timeout', 'files', 'continuation_token', 'tool_results'] },
  '/exec/programmatic/cancel': { base: {}, fields: ['request_id'] },
  '/preview': { base: { file: 'AAAAAAAAAAAAAAAAAAAAA' }, fields: ['file', 'session_id', 'name', 'kind', 'id'] },
  '/api/v1/execute': { base: { language: 'bash', code: 'true' }, fields: ['language', 'code', 'timeout', 'args'] },
}
const inTurns = async (jobs, width = 12) => {
  const queue = [...jobs]
  await Promise.all(Array.from({ length: width }, async () => { while (queue.length) await queue.shift()() }))
}
function harmless({ status, text, json }, what) {
  assert.ok(status < 500 || status === 503, `${what}: ${status} ${text.slice(0, 200)}`)
  assert.notEqual(status, 503, `${what}: ${text}`)
  if (status >= 400) assert.equal(typeof json?.error, 'string', what)
  assert.ok(!/node_modules|at .*\.js:|\/src\//.test(text), `${what}: tells of the host`)
}

describe('every field of every JSON endpoint', () => {
  for (const [path, { base, fields }] of Object.entries(FIELDS)) {
    test(path, async () => {
      await inTurns(fields.flatMap((field) => ODD.map((value) => async () => {
        const what = `${path} ${field}=${JSON.stringify(value).slice(0, 60)}`
        harmless(await post(server, path, { ...base, [field]: value }), what)
      })))
    })
  }
  test('every member of a file reference', async () => {
    const good = { id: 'AAAAAAAAAAAAAAAAAAAAA', storage_session_id: 'AAAAAAAAAAAAAAAAAAAAA', session_id: 'x', name: 'n', kind: 'user', resource_id: 'r', version: 1, entity_id: 'e' }
    await inTurns(Object.keys(good).flatMap((key) => ODD.map((value) => async () => {
      const answer = await post(server, '/exec', { lang: 'bash', code: 'true', files: [{ ...good, [key]: value }] })
      harmless(answer, `${key}=${JSON.stringify(value).slice(0, 60)}`)
      assert.equal(answer.status, 200)
    })))
  })
  test('every member of a tool and of a tool result', async () => {
    const tool = { name: 'get', description: 'd', parameters: { type: 'object', properties: { a: {} }, required: ['a'] }, allowed_callers: [] }
    await inTurns([...Object.keys(tool).flatMap((key) => ODD.map((value) => async () => {
      harmless(await post(server, '/exec/programmatic', { code: 'pass', tools: [{ ...tool, [key]: value }], timeout: 5000 }), `tool ${key}`)
    })), ...['properties', 'required'].flatMap((key) => ODD.map((value) => async () => {
      harmless(await post(server, '/exec/programmatic', { code: 'pass', tools: [{ ...tool, parameters: { ...tool.parameters, [key]: value } }], timeout: 5000 }), `parameters ${key}`)
    }))], 4)
    await inTurns(['call_id', 'result', 'is_error', 'error_message'].flatMap((key) => ODD.map((value) => async () => {
      const first = (await post(server, '/exec/programmatic', { code: 'try: await get(a=1)\nexcept Exception: pass', tools: [tool], timeout: 8000 })).json
      assert.equal(first.status, 'tool_call_required')
      const result = { call_id: first.tool_calls[0].id, result: 1, is_error: key === 'error_message', [key]: value }
      harmless(await post(server, '/exec/programmatic', { continuation_token: first.continuation_token, tool_results: [result] }), `result ${key}`)
    })), 4)
  })
})

test('paths and queries', async () => {
  const odd = ['..', '.', '%2e%2e', '..%2f..%2fetc', '%00', '%', '%ff', '-', '--help', '-o', 'x'.repeat(600), '%F0%9F%98%80', "'", '"', '%0d%0aX:1', '*', '__proto__', 'AAAAAAAAAAAAAAAAAAAAA']
  await inTurns(odd.flatMap((a) => ['AAAAAAAAAAAAAAAAAAAAA', a].map((b) => async () => {
    for (const [method, path] of [['GET', `/download/${b}/${a}`], ['GET', `/v1/sessions/${a}/objects/${b}`], ['GET', `/files/${a}?detail=full`], ['DELETE', `/files/${a}/${b}`]]) harmless(await call(server, method, path), `${method} ${path}`)
  })))
  for (const query of ['detail=full&detail=x', 'kind=agent&id=../x', 'kind[]=a&id=1', 'kind=__proto__&id=constructor', 'detail=%ff', 'id=' + 'x'.repeat(9000), '&&&=', '%']) {
    harmless(await get(server, `/files/AAAAAAAAAAAAAAAAAAAAA?${query}`), query)
    harmless(await get(server, `/download/x/AAAAAAAAAAAAAAAAAAAAA?${query}`), query)
  }
  for (const method of ['PUT', 'PATCH', 'OPTIONS', 'HEAD', 'DELETE']) assert.ok((await call(server, method, '/exec')).status < 500)
})

test('bodies that are no JSON, or too much of it', async () => {
  const json = { 'content-type': 'application/json' }
  for (const [body, headers, status] of [['', json, 400], ['{', json, 400], ['"x"', json, 400], ['[1]', json, 400], ['null', json, 400], ['{"lang":"bash","code":"true"}', { 'content-type': 'text/plain' }, 400], ['{"a":1}', { 'content-type': 'application/xml' }, 400],
    ['\ufeff{"lang":"bash","code":"true"}', json, 200], [Buffer.from([0xff, 0xfe, 0x7b]), json, 400], [deep(100_000), json, 400], ['x'.repeat(2_100_000), json, 413], ['lang=bash', { 'content-type': 'application/x-www-form-urlencoded' }, 400]]) {
    for (const path of ['/exec', '/exec/programmatic', '/api/v1/execute', '/exec/programmatic/cancel']) {
      const answer = await call(server, 'POST', path, { raw: body, headers })
      harmless(answer, `${path} ${String(body).slice(0, 40)}`)
      if (status !== 200 && !path.endsWith('cancel')) assert.equal(answer.status, status, `${path} ${String(body).slice(0, 40)}`)
    }
  }
  const nested = `{"lang":"bash","code":"true","args":[${deep(20_000)}],"x":${deep(50_000)}}`
  harmless(await call(server, 'POST', '/exec', { raw: nested, headers: json }), 'deep args')
  harmless(await call(server, 'POST', '/exec/programmatic', { raw: `{"continuation_token":"x","tool_results":[{"call_id":"a","result":${deep(100_000)}}]}`, headers: json }), 'deep result')
})

test('forms that are broken', async () => {
  const type = { 'content-type': 'multipart/form-data; boundary=b' }
  const part = (head, body = 'x') => `--b\r\n${head}\r\n\r\n${body}\r\n`
  const file = 'Content-Disposition: form-data; name="file"; filename="a"'
  const bodies = [
    '', '--', '--b', '--b--', '--b\r\n', '--b--\r\n', 'nothing', part(file), `${part(file)}--b`, part('Content-Disposition: nothing') + '--b--\r\n', part('') + '--b--\r\n', part('x'.repeat(100_000)) + '--b--\r\n',
    part('Content-Disposition: form-data; name="file"; filename=""') + '--b--\r\n', part('Content-Disposition: form-data; filename="a"') + '--b--\r\n', part('Content-Disposition: form-data; name="__proto__"; filename="a"') + '--b--\r\n',
    part('Content-Disposition: form-data; name="__proto__"') + '--b--\r\n', part('Content-Disposition: form-data; name="constructor"') + part(file) + '--b--\r\n', part(`Content-Disposition: form-data; name="file"; filename="${'../'.repeat(2000)}x"`) + '--b--\r\n',
    part('Content-Disposition: form-data; name="file"; filename*=UTF-8\'\'%2e%2e%2fx') + '--b--\r\n', part('Content-Disposition: form-data; name="file"; filename="a\0b"') + '--b--\r\n', part(`${file}\r\nContent-Transfer-Encoding: base64`, '!!!!') + '--b--\r\n',
    part(`${file}\r\nContent-Type: application/json`) + '--b--\r\n', part('Content-Disposition: form-data; name="kind"\r\nContent-Type: application/json', '{bad') + part(file) + '--b--\r\n', part('Content-Disposition: form-data; name="kind"', 'x'.repeat(100_000)) + part(file) + '--b--\r\n',
    part('Content-Disposition: form-data; name="kind"', 'user').repeat(80) + part(file) + '--b--\r\n', part(file).repeat(3) + '--b--\r\n', `--b\r\n${file}\r\n\r\n--b\r\n--b--\r\n`, `${part(file, '--b\r\n--b')}--b--\r\n`, `${part(file)}--b--\r\ntrailing --b\r\n`,
    `${part(`${file}; filename="b"; name="kind"`)}--b--\r\n`, `${part('Content-Disposition: form-data; name=file; filename=a; filename=b')}--b--\r\n`,
  ]
  for (const path of ['/upload', '/upload/batch']) {
    await inTurns(bodies.map((body) => async () => harmless(await call(server, 'POST', path, { raw: body, headers: type }), `${path} ${body.slice(0, 80)}`)), 4)
    for (const boundary of ['', '; boundary=', '; boundary="', '; boundary=b; boundary=c', `; boundary=${'x'.repeat(300)}`, '; boundary=\u00e9']) {
      harmless(await call(server, 'POST', path, { raw: form([], [['file', 'a', 'b']], 'b'), headers: { 'content-type': `multipart/form-data${boundary}` } }), `${path}${boundary}`)
    }
    for (const key of ['kind', 'id', 'version', 'entity_id', 'read_only', 'x'.repeat(300)]) {
      for (const value of ['', 'x', '\0', '../..', 'skill', 'y'.repeat(5000), '😀', '-1', 'true']) {
        harmless(await call(server, 'POST', path, { raw: form([[key, value]], [['file', 'a', 'b']], 'b'), headers: type }), `${path} ${key}=${value.slice(0, 20)}`)
      }
    }
  }
})

describe('sockets', () => {
  const head = (path, more) => `POST ${path} HTTP/1.1\r\nhost: x\r\nx-api-key: ${KEY}\r\n${more}\r\n\r\n`
  const json = '{"lang":"bash","code":"echo ok"}'
  const ends = async (pieces, more) => {
    const text = await raw(server, pieces, { timeoutMs: 9000, ...more })
    assert.ok(!/^HTTP\/1.1 5(?!03)/.test(text), text.slice(0, 200))
    return text
  }
  test('a body that never comes ends by itself', async () => {
    assert.match(await ends([head('/exec', 'content-type: application/json\r\ncontent-length: 100')]), /^(HTTP\/1.1 408|$)/)
    await ends([head('/upload', 'content-type: multipart/form-data; boundary=b\r\ntransfer-encoding: chunked'), '5\r\n--b\r\n\r\n'])
    await ends(['GET /health HT'])
    await ends([''])
  })
  test('a body that drips does not hold others up', async () => {
    const slow = ends([head('/exec', `content-type: application/json\r\ncontent-length: ${json.length}`), json.slice(0, 5)])
    assert.equal((await exec(server, { lang: 'bash', code: 'echo quick' })).stdout, 'quick\n')
    await slow
  })
  test('half-closed, cut off and doubled requests', async () => {
    assert.match(await ends([head('/exec', `content-type: application/json\r\ncontent-length: ${json.length}`) + json], { half: true }), /^(HTTP\/1.1 200|$)/)
    for (const cutAt of [1, 20, 60, 120]) await ends([(head('/exec', `content-type: application/json\r\ncontent-length: ${json.length}`) + json).slice(0, cutAt)], { leaveAfterMs: 50 })
    const two = head('/exec', `content-type: application/json\r\ncontent-length: ${json.length}`) + json
    assert.equal((await ends([two + two])).match(/HTTP\/1.1 200/g).length, 1)
  })
  test('what is not HTTP', async () => {
    for (const piece of ['\x16\x03\x01\x02\x00', 'GET\r\n\r\n', 'GET / HTTP/9.9\r\n\r\n', `GET /${'x'.repeat(70_000)} HTTP/1.1\r\nhost: x\r\n\r\n`, 'POST /exec HTTP/1.1\r\nhost: x\r\ncontent-length: -5\r\n\r\n', 'POST /exec HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
      'POST /exec HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\n', `GET /health HTTP/1.1\r\nhost: x\r\nx: ${'y'.repeat(100_000)}\r\n\r\n`, 'GET http://[bad/ HTTP/1.1\r\nhost: x\r\n\r\n', 'CONNECT x:1 HTTP/1.1\r\nhost: x\r\n\r\n', 'GET /health HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n']) {
      await ends([piece])
    }
  })
  test('many that leave at once', async () => {
    await Promise.all(Array.from({ length: 60 }, (_, i) => raw(server, [head('/exec', `content-type: application/json\r\ncontent-length: ${json.length}`) + json], { leaveAfterMs: i * 3 })))
    assert.equal((await exec(server, { lang: 'bash', code: 'echo still' })).stdout, 'still\n')
  })
})

describe('uploads and downloads that go wrong on the way', () => {
  const head = (path, more = 'transfer-encoding: chunked') => `POST ${path} HTTP/1.1\r\nhost: x\r\nx-api-key: ${KEY}\r\ncontent-type: multipart/form-data; boundary=b0undary\r\n${more}\r\n\r\n`
  const chunk = (bytes) => Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')])
  const whole = form([['kind', 'user']], [['file', 'half.bin', Buffer.alloc(400_000, 'x')]])
  // Programs whose results were refused above wait for better ones until their time is over.
  before(() => until(() => steady(), 'the end of paused programs', 30_000))
  test('cut at any place, half-closed or dripping: nothing of them is stored', async () => {
    const before = stored(server).length
    const cuts = [0, 20, 90, 150, 200, 1000, 65_536, 200_000, whole.length - 60, whole.length - 14, whole.length - 5]
    await inTurns(cuts.flatMap((at) => ['/upload', '/upload/batch'].flatMap((path) => [{ leaveAfterMs: 150 }, { half: true }].map((how) => async () => {
      await raw(server, [head(path), chunk(whole.subarray(0, at || 1))], { timeoutMs: 9000, ...how })
    }))), 4)
    // A body that never goes on is ended by its time.
    await Promise.all([0, 1, 2].map((i) => raw(server, [head('/upload'), chunk(whole.subarray(0, 300 + i))], { timeoutMs: 9000 })))
    await until(() => steady(), 'the end of the uploads', 30_000)
    assert.deepEqual(stored(server).length, before)
  })
  test('a client that reads slowly, or no longer, holds nothing up', async () => {
    const up = (await upload(server, [['file', 'big.bin', Buffer.alloc(20_000_000, 7)]])).json
    assert.equal(up.message, 'success')
    const ask = `GET /download/${up.session_id}/${up.files[0].fileId} HTTP/1.1\r\nhost: x\r\nx-api-key: ${KEY}\r\n\r\n`
    const { connect } = await import('node:net')
    const sockets = Array.from({ length: 8 }, () => {
      const socket = connect(server.port, '127.0.0.1', () => socket.write(ask))
      socket.on('error', () => {})
      socket.once('data', () => socket.pause()) // from here on nobody reads
      return socket
    })
    await Promise.all(sockets.map((socket) => new Promise((resolve) => { socket.once('data', resolve) })))
    assert.equal((await exec(server, { lang: 'bash', code: 'echo quick' })).stdout, 'quick\n')
    for (const [i, socket] of sockets.entries()) if (i % 2) socket.resetAndDestroy(); else socket.destroy()
    await until(() => steady(), 'the end of the downloads', 30_000)
    assert.match(await raw(server, [ask.replace('GET', 'HEAD')]), /^HTTP\/1\.1 404 /)
  })
})

test('headers of every kind', async () => {
  const names = ['authorization', 'x-codeapi-expected-profile', 'x-librechat-code-request-id', 'x-librechat-code-worker-id', 'user-id', 'user-agent', 'x-forwarded-for', 'origin', 'range', 'if-none-match', 'expect', 'content-encoding', 'accept', 'cookie']
  const values = ['', ' ', 'x', 'bytes=0-', '-1', '../..', '"', "'; --", 'a'.repeat(7000), '\u00ff\u00fe', '%00', '{"a":1}', 'Basic', 'Bearer ', 'gzip', '100-continue', 'stateful']
  await inTurns(names.flatMap((name) => values.flatMap((value) => [...(value.length < 7 ? [['POST', '/exec', '{"lang":"bash","code":"true"}']] : []), ['GET', '/download/x/AAAAAAAAAAAAAAAAAAAAA', ''], ['POST', '/exec/programmatic/cancel', '{"request_id":"x"}']].map(([method, path, body]) => async () => {
    const text = await raw(server, [Buffer.from(`${method} ${path} HTTP/1.1\r\nhost: x\r\nx-api-key: ${KEY}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n${name}: ${value}\r\n\r\n${body}`, 'latin1')], { timeoutMs: 20_000 })
    assert.match(text, /^HTTP\/1\.1 [1234]\d\d /, `${name}: ${value.slice(0, 30)} ${path}: ${text.slice(0, 200)}`)
  }))))
})

test('links to previews that nobody signed', async () => {
  const words = ['', '.', '..', 'a.b', '%00', '%ff', '%', '-', '*', 'x'.repeat(400), 'x'.repeat(600), `${'A'.repeat(100)}.${'A'.repeat(43)}`, '..%2f..%2fetc', '__proto__', '\u0000']
  for (const word of words) {
    const text = await raw(server, [`GET /preview/${word} HTTP/1.1\r\nhost: preview.test\r\n\r\n`])
    assert.match(text, /^HTTP\/1\.1 4\d\d /, word)
    assert.ok(!/node_modules|at .*\.js:/.test(text))
  }
})

test('the other doors', async () => {
  const rpc = (method, params, more = {}) => ({ jsonrpc: '2.0', id: 1, method, params, ...more })
  const accept = { accept: 'application/json, text/event-stream' }
  const tools = ['run_python', 'list_files', 'get_file', 'upload_text_file']
  await inTurns([
    ...ODD.flatMap((value) => [rpc(value, {}), rpc('tools/call', value), rpc('tools/call', { name: value }), rpc('tools/list', {}, { id: value }), value]),
    ...tools.flatMap((name) => FEW.flatMap((value) => ['code', 'session', 'id', 'name', 'content', 'args', 'timeout_ms'].filter((key) => name === 'run_python' ? key === 'session' || key === 'timeout_ms' : true)
      .map((key) => rpc('tools/call', { name, arguments: { ...(name === 'run_python' && { code: 'pass' }), ...(name === 'upload_text_file' && { name: 'n', content: 'c' }), [key]: value } })))),
  ].map((body) => async () => {
    const answer = await post(server, '/mcp', body, { headers: accept })
    assert.ok(answer.status < 500, `${JSON.stringify(body)?.slice(0, 120)}: ${answer.status} ${answer.text.slice(0, 200)}`)
    assert.ok(!/node_modules|at .*\.js:/.test(answer.text), answer.text.slice(0, 300))
  }))
  for (const path of ['/api/v1/config', '/api/v1/stats', '/api/v1/health', '/health']) harmless(await get(server, `${path}?x=${'y'.repeat(5000)}&__proto__[a]=1`), path)
})

describe('what belongs to somebody else', () => { // S0-21 to S0-25
  const MARK = 'the-secret-of-the-other'
  let both
  let mine
  let theirs
  let loot
  let place
  before(async () => {
    place = mkdtempSync(join(tmpdir(), 'sbx-hostile-keys-'))
    const file = join(place, 'keys.json')
    both = await adapter({ ...HARD, SBX_ADAPTER_KEYS: file, SBX_ADAPTER_PAUSE_MS: '60000' })
    mine = addKey(file, 'mallory').key
    theirs = addKey(file, 'victim').key
    const up = (await upload(both, [['file', `${MARK}.txt`, MARK]], { key: theirs })).json
    const run = await exec(both, { lang: 'bash', code: `echo ${MARK} > made-${MARK}.txt; echo ${MARK}` }, { key: theirs })
    loot = { files: [up.files[0].fileId, run.files[0].id], sessions: [up.session_id, run.session_id] }
  })
  after(async () => {
    await both?.close()
    rmSync(place, { recursive: true, force: true })
  })

  test('a paused program goes on for its owner only, and nobody else can end it', async () => {
    const id = '0b8e2c1a-1111-4222-8333-944445555666'
    const program = { code: `await get(a="${MARK}")\nprint("${MARK}")`, tools: [{ name: 'get' }], timeout: 20_000 }
    const paused = (await post(both, '/exec/programmatic', program, { key: theirs, headers: { 'x-librechat-code-request-id': id } })).json
    const body = { continuation_token: paused.continuation_token, tool_results: [{ call_id: paused.tool_calls[0].id, result: 1 }] }
    assert.equal((await post(both, '/exec/programmatic', body, { key: mine })).status, 404)
    assert.deepEqual((await post(both, '/exec/programmatic/cancel', { request_id: id }, { key: mine })).json, { cancelled: false })
    const end = (await post(both, '/exec/programmatic', body, { key: theirs })).json
    assert.deepEqual([end.status, end.stdout], ['completed', `${MARK}\n`])
  })
  test('answers to no question of another, wherever its ids are put', async () => {
    const { files: [one, two], sessions: [session, other] } = loot
    const as = { key: mine }
    const seen = []
    const ask = async (what, promise, absent) => {
      const answer = await promise
      assert.ok(!answer.text.includes(MARK), `${what}: ${answer.text.slice(0, 300)}`)
      assert.ok(answer.status < 500, `${what}: ${answer.status}`)
      if (absent) seen.push([what, answer.status, answer.json?.error])
    }
    const none = 'AAAAAAAAAAAAAAAAAAAAA'
    const queries = ['', '?kind=user&id=victim', '?kind=agent&id=victim', '?kind=skill&id=victim&version=1', '?entity_id=victim', '?kind=user&id=victim&user=victim']
    for (const query of queries) {
      for (const [s, f] of [[session, one], [other, two], [none, one], [session, `${one}.txt`]]) {
        await ask(`download ${query}`, get(both, `/download/${s}/${f}${query}`, as), true)
        await ask(`probe ${query}`, get(both, `/sessions/${s}/objects/${f}${query}`, as), true)
        await ask(`delete ${query}`, call(both, 'DELETE', `/files/${s}/${f}${query}`, as), true)
      }
      for (const detail of ['summary', 'full', 'simple', '']) await ask(`list ${query}`, get(both, `/files/${session}${query || '?'}&detail=${detail}`, as))
    }
    for (const key of ['id', 'storage_session_id', 'session_id', 'resource_id']) {
      const ref = { id: one, storage_session_id: session, name: 'loot.txt', kind: 'user', resource_id: 'victim', user: 'victim', [key]: key === 'id' ? two : key === 'resource_id' ? one : other }
      for (const kind of key === 'id' ? ['user', 'agent', 'skill', undefined] : ['user']) {
        await ask(`run ${key}`, post(both, '/exec', { lang: 'bash', code: 'cat loot.txt; ls -la', files: [{ ...ref, kind }], session_id: session, user_id: 'victim', user: 'victim', entity_id: 'victim' }, as))
        await ask(`programmatic ${key}`, post(both, '/exec/programmatic', { code: 'import os\nprint(os.listdir())\nprint(open("loot.txt").read())', tools: [], files: [{ ...ref, kind }], session_id: session, user_id: 'victim' }, as))
      }
    }
    await ask('session', post(both, '/exec', { lang: 'bash', code: 'cat *; ls -laR / 2>/dev/null | grep -i secret', session_id: session }, as))
    for (const arguments_ of [{ session }, { session, id: one }, { id: one }, { id: two }]) {
      for (const name of ['list_files', 'get_file', 'run_shell']) {
        await ask(`mcp ${name}`, post(both, '/mcp', { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name, arguments: { code: 'cat *', ...arguments_ } } }, { ...as, headers: { accept: 'application/json, text/event-stream' } }))
      }
    }
    await ask('upload', upload(both, [['file', `${MARK.length}.txt`, 'mine']], { ...as, fields: [['kind', 'user'], ['id', 'victim'], ['session_id', session]] }))
    for (const body of [{ file: one }, { file: two, kind: 'agent', id: 'victim' }, { session_id: session, name: `${MARK}.txt` }]) await ask('preview', post(both, '/preview', body, as), true)
    for (const path of ['/api/v1/stats', '/api/v1/config']) await ask(path, get(both, path, as))
    // Absent and foreign are the same, to the letter.
    const absent = await get(both, `/download/${none}/${none}`, as)
    for (const [what, status, error] of seen) assert.deepEqual([status, error], [absent.status, absent.json.error], what)
  })
  test('is as it was, and its owner still has it', async () => {
    const { files: [one], sessions: [session] } = loot
    assert.equal((await get(both, `/download/${session}/${one}`, { key: theirs })).text, MARK)
    assert.deepEqual((await get(both, `/files/${session}?detail=full`, { key: theirs })).json.map((file) => file.id), [one])
  })
  test('and every try stands in the audit log as denied', { skip: isReal ? false : 'needs the real sbx' }, () => { // S0-24
    const { records } = sbxJson(both, 'audit', '-u', 'mallory', '--status', 'denied', '-n', '1000', '--json')
    assert.ok(records.length > 20, `${records.length}`)
  })
})

test('after all of it the server is as before', async () => {
  assert.equal((await get(server, '/health', { key: null })).status, 200)
  assert.ok(!server.logged.join('').includes(KEY))
  await leavesNothing()
})
