// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { adapter, call, exec, get, isReal, KEY, post, processes, raw, until, upload } from './help.js'

const ID = /^[A-Za-z0-9_-]{21}$/
const onlyFake = isReal ? 'needs the stand-in for sbx' : false
let server
before(async () => { server = await adapter() })
after(() => server.close())
/** Whether somebody writes to a file right now. */
async function isTouched(file) {
  writeFileSync(file, 'still')
  await new Promise((resolve) => { setTimeout(resolve, 300) })
  return readFileSync(file, 'utf8') !== 'still'
}
const py = (code, more = {}) => exec(server, { lang: 'py', code, ...more })
const ref = (file, more = {}) => ({ id: file.id, name: file.name, storage_session_id: file.storage_session_id, kind: 'user', resource_id: 'u', ...more })

describe('POST /exec', () => {
  test('answers with what LibreChat reads, and ids of 21 characters', async () => {
    const answer = await py('import sys; print("out"); print("err", file=sys.stderr); open("/mnt/data/o.txt","w").write("x")')
    assert.equal(answer.stdout, 'out\n')
    assert.equal(answer.stderr, 'err\n')
    assert.equal(answer.status, null)
    assert.match(answer.session_id, ID)
    const [file] = answer.files
    assert.match(file.id, ID)
    assert.deepEqual([file.name, file.storage_session_id, answer.files.length], ['o.txt', answer.session_id, 1])
  })
  test('serves both prefixes and doubled slashes, and closes the connection', async () => {
    for (const path of ['/exec', '/v1/exec', '//exec', '/v1//exec', '//v1///exec?x=1']) {
      const answer = await post(server, path, { lang: 'bash', code: 'echo ok' })
      assert.equal(answer.json?.stdout, 'ok\n', path)
      assert.equal(answer.headers.get('connection'), 'close')
    }
    assert.equal((await get(server, '/nowhere')).headers.get('connection'), 'close')
  })
  test('ignores what it does not know', async () => {
    const body = { lang: 'bash', code: 'echo ok', apiKey: KEY, user_id: 7, entity_id: {}, runtime_session_hint: [], codeSessionKey: 'x', intent: null, timeout: 'soon', session_id: 'unknown', __proto__x: 1, constructor: { prototype: 1 } }
    assert.equal((await post(server, '/exec?foo=bar', JSON.parse(`{"__proto__":{"a":1},${JSON.stringify(body).slice(1)}`), { headers: { 'x-librechat-code-worker-id': 'w', 'content-type': 'application/json; charset=utf-8' } })).json.stdout, 'ok\n')
    const text = await call(server, 'POST', '/exec', { raw: '{"lang":"bash","code":"echo ok","__proto__":{"a":1}}', headers: { 'content-type': 'application/json' } })
    assert.equal(text.json.stdout, 'ok\n')
  })
  test('arguments are words and never pass a shell', async () => {
    assert.equal((await exec(server, { lang: 'bash', code: 'printf "%s|" "$@"', args: ['a b', '$(id)', '-c', ';ls', '', 7] })).stdout, 'a b|$(id)|-c|;ls||7|')
  })
  test('every language that LibreChat needs, under all its names', async () => {
    for (const lang of ['py', 'python', 'js', 'javascript', 'node', 'nodejs', 'bun-js']) {
      assert.match((await exec(server, { lang, code: lang.startsWith('py') ? 'print(6*7)' : 'console.log(6*7)' })).stdout, /^42$/m, lang)
    }
    for (const lang of ['bash', 'sh']) assert.equal((await exec(server, { lang, code: 'echo $((6*7))' })).stdout, '42\n')
  })
  test('an unknown language is 400 and names the known ones', async () => {
    for (const lang of ['cobol', '', 7, null, ['py'], { a: 1 }, undefined, '__proto__', 'constructor', 'PY']) {
      const { status, json } = await post(server, '/exec', { lang, code: 'x' })
      assert.equal(status, 400)
      assert.ok(json.error.startsWith('Unsupported language') && json.supported.includes('py'))
    }
  })
  test('a language that is switched off is unknown', async () => { // S4-55
    const other = await adapter({ ENABLE_JAVASCRIPT: 'false' })
    try {
      const { status, json } = await post(other, '/exec', { lang: 'ts', code: 'x' })
      assert.deepEqual([status, json.supported.includes('js'), json.supported.includes('py')], [400, false, true])
    } finally { await other.close() }
  })
  test('no code is 400', async () => {
    for (const code of ['', null, 7, ['x'], undefined, 'a\0b']) assert.equal((await post(server, '/exec', { lang: 'py', code })).status, 400)
  })
  test('a program that fails is 200 with its words and its files', async () => {
    const answer = await py('open("/mnt/data/half","w").write("1"); raise ValueError("no")')
    assert.match(answer.stderr, /ValueError: no/)
    assert.deepEqual([answer.code, answer.files[0].name], [1, 'half'])
  })
  test('a timeout is 200 with TO and one line', async () => {
    const answer = await py('print("step 1", flush=True)\nwhile True: pass', { timeout: 1000 })
    assert.equal(answer.status, 'TO')
    assert.equal(answer.stdout, 'step 1\n')
    assert.match(answer.stderr, /^Time limit of 1 s exceeded; the program was stopped\.\n$/)
  })
  test('a limit above the ceiling is left to the profile', { skip: onlyFake }, async () => {
    assert.equal((await py('print(1)', { timeout: 3_000_000 })).stdout, '1\n')
    const sent = server.requests().filter(({ command }) => command === 'exec').slice(-2)
    assert.deepEqual(sent.map(({ limits }) => limits), [{ wall_ms: 3_000_000 }, {}])
  })
  test('stdout of 64 KiB comes whole; more is cut and marked OL', async () => {
    const whole = await py('print("x"*65535)')
    assert.deepEqual([whole.stdout.length, whole.status, whole.stderr], [65536, null, ''])
    const more = await py('print("é"*65536)')
    assert.ok(Buffer.byteLength(more.stdout) <= 65536 && !more.stdout.includes('\ufffd'))
    assert.deepEqual([more.status, more.stderr.trim().split('\n').length], ['OL', 1])
  })
  test('a quiet program has a clean stderr, and an empty file reads as one', async () => {
    const up = (await upload(server, [['file', 'empty.bin', '']])).json
    const answer = await exec(server, { lang: 'bash', code: "cat 'empty.bin'", files: [{ id: up.files[0].fileId, name: 'empty.bin', storage_session_id: up.session_id }] })
    assert.deepEqual([answer.stdout, answer.stderr, answer.code], ['', '', 0])
  })
  test('a background process does not delay the answer', async () => {
    const start = Date.now()
    assert.equal((await exec(server, { lang: 'bash', code: 'sleep 20 & echo done' })).stdout, 'done\n')
    assert.ok(Date.now() - start < 5000)
  })
  test('a run of more than five seconds survives a kept connection', async () => {
    assert.equal((await exec(server, { lang: 'bash', code: 'sleep 6; echo late' })).stdout, 'late\n')
  })
  test('a client that goes away takes its program with it', async () => {
    const mark = isReal ? '/mnt/data/mark' : join(server.dir, 'mark')
    const alive = () => (isReal ? processes().length > 0 : isTouched(mark))
    const body = JSON.stringify({ lang: 'bash', code: `while :; do date +%N > ${mark}; sleep 0.05; done` })
    const gone = raw(server, [`POST /exec HTTP/1.1\r\nhost: x\r\nx-api-key: ${KEY}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`], { leaveAfterMs: 1500 })
    await until(alive, 'the start of the program')
    await gone
    await until(async () => !await alive(), 'the end of the program')
  })
  test('a stateful profile is refused for good', async () => {
    const { status, json } = await post(server, '/exec', { lang: 'py', code: '1' }, { headers: { 'x-codeapi-expected-profile': 'stateful' } })
    assert.deepEqual([status, json.error], [409, 'execution_profile_mismatch'])
    assert.equal((await post(server, '/exec', { lang: 'py', code: '1' }, { headers: { 'x-codeapi-expected-profile': 'default' } })).status, 200)
  })
  test('what LibreChat itself runs', async () => { // section 12
    const write = await exec(server, { lang: 'bash', session_id: 'none', files: [], code: "python3 - <<'X'\nimport base64,os\nos.makedirs('/mnt/data/d',exist_ok=True)\nopen('/mnt/data/d/f.txt','wb').write(base64.b64decode('aGk='))\nprint('WROTE d/f.txt')\nX" })
    assert.match(write.stdout, /^WROTE/)
    assert.deepEqual(write.files.map(({ name }) => name), ['d/f.txt'])
    assert.equal((await exec(server, { lang: 'bash', code: "cat '/mnt/data/d/f.txt'", files: write.files })).stdout, 'hi')
    const miss = await exec(server, { lang: 'bash', code: "cat '/mnt/data/none'" })
    assert.match(miss.stderr, /no such file or directory/i)
    assert.equal(miss.stdout, '')
    assert.equal((await exec(server, { lang: 'bash', code: 'true', runtime_session_hint: 'h' })).stderr, '')
  })
})

describe('files of a run', () => {
  test('references of both shapes, found by id; the name in the reference is the path', async () => {
    const one = (await py('open("/mnt/data/a","w").write("A")')).files[0]
    const two = (await py('open("/mnt/data/b","w").write("B")')).files[0]
    const files = [ref(one, { name: 'in/x.txt', path: '/y', inherited: true }), { id: two.id, session_id: one.storage_session_id, name: 'y', entity_id: 'e' }]
    const answer = await exec(server, { lang: 'bash', code: 'cat in/x.txt y', files })
    assert.equal(answer.stdout, 'AB')
    assert.deepEqual(answer.files, [])
  })
  test('a changed input is a new file that names the old one; the old one stays', async () => {
    const [old] = (await py('open("/mnt/data/f","w").write("1")')).files
    const answer = await py('open("/mnt/data/f","a").write("2")', { files: [ref(old)] })
    const [file] = answer.files
    assert.notEqual(file.id, old.id)
    assert.deepEqual([file.storage_session_id, file.modified_from], [answer.session_id, { id: old.id, storage_session_id: old.storage_session_id }])
    assert.equal((await get(server, `/download/${old.storage_session_id}/${old.id}`)).text, '1')
    assert.equal((await get(server, `/download/${answer.session_id}/${file.id}`)).text, '12')
  })
  test('an input that was only touched is not reported; one that is gone is', async () => {
    const { files } = await py('open("/mnt/data/t","w").write("1"); open("/mnt/data/g","w").write("2")')
    const answer = await exec(server, { lang: 'bash', code: 'touch t; chmod 600 t; rm g', files: files.map((file) => ref(file)) })
    assert.deepEqual([answer.files, answer.deleted_files], [[], ['g']])
  })
  test('two references of one name, and a name that is a folder of another, do not end the conversation', async () => {
    const { files } = await py('open("/mnt/data/p","w").write("1"); open("/mnt/data/q","w").write("2")')
    const [p, q] = ['p', 'q'].map((name) => files.find((file) => file.name === name))
    assert.equal((await exec(server, { lang: 'bash', code: 'cat n', files: [ref(p, { name: 'n' }), ref(q, { name: 'n' })] })).stdout, '2')
    assert.equal((await exec(server, { lang: 'bash', code: 'cat n/m', files: [ref(p, { name: 'n' }), ref(q, { name: 'n/m' })] })).stdout, '2')
  })
  test('a file that is unknown, foreign or without a name is left out', async () => {
    const [good] = (await py('open("/mnt/data/ok","w").write("fine")')).files
    const files = [{ id: 'AAAAAAAAAAAAAAAAAAAAA', name: 'lost' }, { id: 'V1StGXR8_Z5jdHi6B-myT', name: 'other' }, { id: '../../etc', name: 'x' }, 7, null, ref(good, { name: '..' }), ref(good)]
    const answer = await exec(server, { lang: 'bash', code: 'cat ok; cat lost', files })
    assert.equal(answer.stdout, 'fine')
    assert.match(answer.stderr, /lost: No such file/)
  })
  test('names that would lead out are made harmless', async () => {
    const [file] = (await py('open("/mnt/data/f","w").write("1")')).files
    for (const [name, path] of [['/etc/x', 'etc/x'], ['../../y', 'y'], ['a/./../z', 'a/z']]) {
      assert.equal((await exec(server, { lang: 'bash', code: `cat '${path}'`, files: [ref(file, { name })] })).stdout, '1', name)
    }
  })
  test('a reference that sbx refuses is left out', { skip: onlyFake }, async () => {
    const [file] = (await py('open("/mnt/data/f","w").write("1")')).files
    assert.equal((await exec(server, { lang: 'bash', code: 'cat f', files: [ref(file, { name: 'x/\u0085' }), ref(file)] })).stdout, '1')
  })
  test('without a list the files of the named session are there', async () => {
    const { session_id: session } = await py('open("/mnt/data/s","w").write("sess")')
    assert.equal((await exec(server, { lang: 'bash', code: 'cat s', session_id: session })).stdout, 'sess')
    assert.match((await exec(server, { lang: 'bash', code: 'cat s', session_id: session, files: [] })).stderr, /No such file/)
  })
  test('unusual names and types survive', async () => {
    const answer = await py('import os\nos.makedirs("/mnt/data/ä b/c")\nfor n in ["ä b/c/😀.tar.gz","Makefile",".hidden","a\'b\\"c","empty"]: open("/mnt/data/"+n,"w").write("" if n=="empty" else n)\nos.symlink("/etc/passwd","/mnt/data/link")\nos.mkfifo("/mnt/data/fifo")')
    assert.deepEqual(answer.files.map(({ name }) => name).sort(), ['.hidden', 'Makefile', 'a\'b"c', 'empty', 'ä b/c/😀.tar.gz'])
    const smile = answer.files.find(({ name }) => name.includes('😀'))
    const back = await get(server, `/download/${answer.session_id}/${smile.id}`)
    assert.equal(back.text, smile.name)
    assert.match(back.headers.get('content-disposition'), /filename\*=UTF-8''%F0%9F%98%80\.tar\.gz$/)
    assert.equal(answer.artifact_delivery, undefined)
  })
  test('outputs beyond a cap are announced', { skip: onlyFake }, async () => {
    const answer = await py('open("/mnt/data/big","w").write("x"*5000000); open("/mnt/data/ok","w").write("1")')
    assert.deepEqual(answer.artifact_delivery, { code: 'artifact_delivery_failed', status: 'partial', attempted: 2, delivered: 1, failed: 1 })
  })
  test('runs at the same time do not mix their files', async () => {
    const answers = await Promise.all([1, 2, 3, 4].map((n) => py(`import time; open("/mnt/data/r","w").write("${n}"); time.sleep(0.3)`)))
    assert.equal(new Set(answers.map((a) => a.session_id)).size, 4)
    const texts = await Promise.all(answers.map(async (a) => (await get(server, `/download/${a.session_id}/${a.files[0].id}`)).text))
    assert.deepEqual(texts, ['1', '2', '3', '4'])
  })
})

describe('failures of sbx', { skip: onlyFake }, () => {
  const status = async (code) => post(server, '/exec', { lang: 'bash', code })
  test('have one HTTP status each, and a body that tells nothing of the host', async () => {
    for (const [code, http] of [['E_REQUEST', 400], ['E_NOT_FOUND', 404], ['E_STORAGE_FULL', 413], ['E_BUSY', 429], ['E_RATE', 429], ['E_POLICY', 400], ['E_HOST', 503], ['E_INTERNAL', 503]]) {
      const { status: got, json } = await status(`#fake ${code}`)
      assert.deepEqual([got, typeof json.error], [http, 'string'], code)
    }
    for (const odd of ['garbage', 'silent', 'crash']) assert.equal((await status(`#fake ${odd}`)).status, 503)
  })
  test('busy says when to come back, in the header and in the body', async () => {
    const { json, headers } = await status('#fake E_BUSY')
    assert.deepEqual([json.error, json.retry_after_seconds, headers.get('retry-after')], ['rate_limited', 7, '7'])
  })
  test('a program of sbx that does not exist is 503', async () => {
    const other = await adapter({ SBX: '/nonexistent/sbx' })
    try {
      assert.equal((await post(other, '/exec', { lang: 'py', code: '1' })).status, 503)
      assert.equal((await post(other, '/exec/programmatic', { code: '1', tools: [] })).status, 503)
      assert.equal((await upload(other, [['file', 'a', 'b']])).status, 503)
      assert.equal((await get(other, '/health')).status, 503)
      assert.equal((await get(other, '/download/a/AAAAAAAAAAAAAAAAAAAAA')).status, 503)
    } finally { await other.close() }
  })
  test('health follows the host', async () => {
    const other = await adapter()
    try {
      await exec(other, { lang: 'bash', code: 'true' })
      writeFileSync(join(other.env.SBX_STORAGE, 'sick'), '')
      assert.equal((await get(other, '/health', { key: null })).status, 503)
    } finally { await other.close() }
  })
})

test('more runs than places wait; more than may wait are 429', async () => { // S1-24, S1-08
  const other = await adapter({ SANDBOX_MAX_CONCURRENT_EXECUTIONS: '2', SBX_ADAPTER_QUEUE_MAX: '4' })
  try {
    const answers = await Promise.all(Array.from({ length: 7 }, () => post(other, '/exec', { lang: 'bash', code: 'sleep 0.4; echo ok' })))
    const statuses = answers.map(({ status }) => status).sort()
    assert.deepEqual(statuses, [200, 200, 200, 200, 429, 429, 429])
    const late = answers.find(({ status }) => status === 429)
    assert.equal(late.json.error, 'rate_limited')
    assert.ok(Number(late.headers.get('retry-after')) >= 1)
  } finally { await other.close() }
})

test('time and memory of the settings bound every run', async () => { // S4-52, S4-53, S1-22, S1-23
  const other = await adapter({ MAX_EXECUTION_TIME: '1', MAX_MEMORY_MB: '64' })
  try {
    const late = await exec(other, { lang: 'py', code: 'while True: pass', timeout: 20_000 })
    assert.deepEqual([late.status, late.stderr], ['TO', 'Time limit of 1 s exceeded; the program was stopped.\n'])
    if (isReal) {
      const large = await exec(other, { lang: 'py', code: 'import time\nx = b"x" * (300 << 20)\ntime.sleep(0.9)\nprint(len(x))' })
      assert.equal(large.stdout, '')
      assert.match(large.stderr, /MemoryError|Memory limit of 64 MiB exceeded/)
    }
  } finally { await other.close() }
})
test('each language can be switched off, on every door', async () => { // S4-55
  const other = await adapter({ ENABLE_PYTHON: 'false', ENABLE_JAVASCRIPT: 'false', ENABLE_SHELL: 'false', ENABLE_RUST: 'false' })
  try {
    for (const lang of ['py', 'python', 'js', 'ts', 'node', 'bash', 'sh', 'rs', 'rust']) {
      assert.equal((await post(other, '/exec', { lang, code: 'x' })).status, 400, lang)
      assert.equal((await post(other, '/api/v1/execute', { language: lang, code: 'x' })).status, 400, lang)
    }
    for (const body of [{ code: 'x', tools: [] }, { code: 'x', lang: 'bash', tools: [] }]) assert.equal((await post(other, '/exec/programmatic', body)).status, 400)
  } finally { await other.close() }
})

test('a rate is kept per principal', async () => { // S4-58, S4-11
  const other = await adapter({ RATE_LIMIT_PER_MINUTE: '6', RATE_LIMIT_BURST: '2' })
  try {
    const answers = []
    for (let i = 0; i < 3; i++) answers.push((await post(other, '/exec', { lang: 'bash', code: 'true' })).status)
    assert.deepEqual(answers, [200, 200, 429])
  } finally { await other.close() }
})
