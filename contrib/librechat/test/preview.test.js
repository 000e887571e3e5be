// SPDX-License-Identifier: Apache-2.0
// Previews: pages of people who are not trusted, in browsers of people who are.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { ConfigError, loadConfig } from '../src/config.js'
import { addKey } from '../src/keys.js'
import { formOf, Links, safeHeaders } from '../src/preview.js'
import { adapter, call, exec, get, isReal, post, sbxJson, settleStorage, stored, until, upload } from './help.js'

const HOST = 'preview.test'
const KEY_OF_LINKS = 'a key of at least thirty-two characters'
const SETTINGS = { SBX_ADAPTER_PREVIEW_ORIGIN: `http://${HOST}`, SBX_ADAPTER_PREVIEW_KEY: KEY_OF_LINKS, SBX_ADAPTER_PREVIEW_FRAME: 'https://chat.test' }
const onlyReal = isReal ? false : 'needs the real sbx'
const PNG = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==', 'base64')
const place = mkdtempSync(join(tmpdir(), 'sbx-preview-'))
let server
let alice
let bob
before(async () => {
  const keys = join(place, 'keys.json')
  server = await adapter({ ...SETTINGS, SBX_ADAPTER_KEYS: keys })
  alice = { key: addKey(keys, 'alice').key }
  bob = { key: addKey(keys, 'bob').key }
})
after(async () => {
  await server?.close()
  rmSync(place, { recursive: true, force: true })
})

/** What a browser gets: any Host, no credential. */
function page(url, { host = HOST, headers = {} } = {}) {
  return new Promise((resolve, reject) => {
    request({ port: server.port, path: new URL(url, 'http://x').pathname, headers: { host, ...headers } }, (res) => {
      const chunks = []
      res.on('data', (chunk) => chunks.push(chunk)).on('end', () => resolve({ status: res.statusCode, headers: res.headers, body: Buffer.concat(chunks) })).on('error', reject)
    }).on('error', reject).end()
  })
}
const store = async (name, content, who = alice) => (await upload(server, [['file', name, content]], who)).json
const link = async (body, who = alice) => (await post(server, '/preview', body, who)).json
const linkTo = async (name, content) => (await link({ file: (await store(name, content)).files[0].fileId })).url

describe('links', () => {
  const said = { user: 'alice', session: 'AAAAAAAAAAAAAAAAAAAAA', id: 'QAAAAAAAAAAAAAAAAAAAA', until: 2_000 }
  const links = new Links(KEY_OF_LINKS)
  test('say who, what and until when, and nothing else will do', () => {
    const word = links.sign(said)
    assert.deepEqual(links.read(word, 1000), said)
    assert.equal(links.read(word, 2000), undefined)
    assert.equal(new Links('another key of at least thirty-two').read(word, 1000), undefined)
    assert.equal(new Links(undefined).read(word, 1000), undefined)
    for (const [key, value] of [['user', 'bob'], ['session', said.id], ['id', said.session], ['until', 9_999]]) {
      const [text] = links.sign({ ...said, [key]: value }).split('.')
      assert.equal(links.read(`${text}.${word.split('.')[1]}`, 1000), undefined, key)
    }
  })
  test('no character of one can be changed, left out or added', () => {
    const word = links.sign(said)
    for (let at = 0; at < word.length; at++) {
      const other = word[at] === 'A' ? 'B' : 'A'
      for (const wrong of [word.slice(0, at) + other + word.slice(at + 1), word.slice(0, at) + word.slice(at + 1), `${word.slice(0, at)}.${word.slice(at)}`]) assert.equal(links.read(wrong, 1000), undefined, wrong)
    }
    for (const wrong of ['', '.', '..', 'x', `${word}.`, `${word}=`, `${word}A`, word.split('.')[0], `.${word.split('.')[1]}`, null, undefined, {}]) assert.equal(links.read(wrong, 1000), undefined)
  })
})

describe('configuration', () => {
  test('an origin is one, is not the one of the frame, and keys are long', () => {
    for (const [name, value] of [['SBX_ADAPTER_PREVIEW_ORIGIN', 'preview.test'], ['SBX_ADAPTER_PREVIEW_ORIGIN', 'https://x.test/'], ['SBX_ADAPTER_PREVIEW_ORIGIN', 'https://u@x.test'], ['SBX_ADAPTER_PREVIEW_ORIGIN', 'javascript:1'],
      ['SBX_ADAPTER_PREVIEW_FRAME', "https://x.test; script-src *"], ['SBX_ADAPTER_PREVIEW_FRAME', '*'], ['SBX_ADAPTER_PREVIEW_KEY', 'short'], ['SBX_ADAPTER_PREVIEW_MS', '1']]) {
      assert.throws(() => loadConfig({ [name]: value }), (err) => err instanceof ConfigError && err.message.startsWith(name), `${name}=${value}`)
    }
    assert.throws(() => loadConfig({ SBX_ADAPTER_PREVIEW_ORIGIN: 'https://x.test', SBX_ADAPTER_PREVIEW_FRAME: 'https://y.test https://x.test' }), ConfigError)
    assert.match(safeHeaders(loadConfig({}).previewFrame)['content-security-policy'], /frame-ancestors 'none'$/)
    assert.equal(safeHeaders("'none'")['x-frame-options'], 'DENY')
  })
  test('without an origin there are no previews', async () => {
    const other = await adapter()
    try {
      assert.equal((await post(other, '/preview', { file: 'x' })).status, 404)
      assert.equal((await get(other, '/preview/x', { key: null })).status, 404)
    } finally { await other.close() }
  })
  test('a type is shown as what it is, or not at all', () => {
    const form = (name, mime) => formOf({ name, mime })
    assert.deepEqual([form('a.html', 'text/plain'), form('a', 'text/html'), form('a.svg', 'image/svg+xml'), form('a.png', 'image/svg+xml'), form('a.XHTML', 'text/xml')], Array(5).fill('static'))
    assert.deepEqual([form('a.png', 'image/png'), form('a.txt', 'text/x-python'), form('a', 'application/json')], ['image', 'text', 'text'])
    assert.deepEqual([form('a.pdf', 'application/pdf'), form('a.exe', 'application/x-dosexec'), form('a', 'image/tiff')], Array(3).fill(undefined))
  })
})

describe('a preview', () => {
  test('is a picture or a text under headers that take everything away', async () => {
    for (const [name, content, type] of [['p.png', PNG, 'image/png'], ['x/t ü.csv', 'a,b\n', 'text/plain; charset=utf-8']]) {
      const { status, headers, body } = await page(await linkTo(name, content))
      assert.equal(status, 200)
      assert.deepEqual(body, Buffer.from(content))
      assert.equal(headers['content-type'], type)
      const policy = headers['content-security-policy']
      for (const part of ['sandbox;', "default-src 'none'", "script-src 'none'", "connect-src 'none'", "form-action 'none'", "base-uri 'none'", 'frame-ancestors https://chat.test']) assert.ok(policy.includes(part), part)
      assert.ok(!/allow-|unsafe-eval|https?:\/\/(?!chat\.test)/.test(policy))
      assert.deepEqual([headers['x-content-type-options'], headers['referrer-policy'], headers['cross-origin-resource-policy'], headers['cache-control']], ['nosniff', 'no-referrer', 'same-origin', 'private, no-store'])
      assert.match(headers['content-disposition'], /^inline; filename=/)
      assert.equal(headers['set-cookie'], undefined)
      assert.equal(headers['access-control-allow-origin'], undefined)
    }
  })
  test('needs no credential, but a link; and making a link needs one', async () => {
    const up = await store('a.txt', 'mine')
    assert.equal((await post(server, '/preview', { file: up.files[0].fileId }, { key: null })).status, 401)
    const { url, expires_at: until } = await link({ file: up.files[0].fileId })
    assert.match(url, /^http:\/\/preview\.test\/preview\/[\w.-]+$/)
    assert.ok(Math.abs(Date.parse(until) - Date.now() - 300_000) < 10_000)
    assert.equal((await page(url)).body.toString(), 'mine')
    assert.equal((await page(url, { headers: { 'x-api-key': 'wrong' } })).status, 200)
    assert.equal((await page((await link({ session_id: up.session_id, name: 'a.txt' })).url)).body.toString(), 'mine')
  })
  test('that has expired, was altered, or is of another file, session or user is as if absent', async () => { // S0-22
    const up = await store('a.txt', 'mine')
    const other = await store('b.txt', 'other')
    const said = { user: 'alice', session: up.session_id, id: up.files[0].fileId, until: Date.now() + 60_000 }
    const links = new Links(KEY_OF_LINKS)
    const at = (change) => page(`/preview/${links.sign({ ...said, ...change })}`)
    assert.equal((await at({})).status, 200)
    const absent = await page('/preview/nothing')
    assert.equal(absent.status, 404)
    const word = links.sign(said)
    for (const [what, answer] of [
      ['expired', await at({ until: Date.now() - 1 })], ['altered', await page(`/preview/${word.slice(0, -1)}${word.endsWith('A') ? 'Q' : 'A'}`)],
      ['foreign user', await at({ user: 'bob' })], ['other session', await at({ session: other.session_id })], ['unknown file', await at({ id: 'AAAAAAAAAAAAAAAAAAAAA' })],
      ['other key', await page(`/preview/${new Links('another key of at least thirty-two').sign(said)}`)], ['path', await at({ id: '../../etc/passwd' })], ['no user', await at({ user: '' })],
    ]) assert.deepEqual([answer.status, answer.body.toString()], [404, absent.body.toString()], what)
    assert.equal((await call(server, 'DELETE', `/files/${up.session_id}/${up.files[0].fileId}`, alice)).status, 200)
    if (isReal) assert.equal((await at({})).status, 404)
  })
  test('of a file of somebody else cannot be asked for', async () => { // S0-21
    const up = await store('a.txt', 'mine')
    const none = await post(server, '/preview', { file: 'AAAAAAAAAAAAAAAAAAAAA' }, bob)
    for (const body of [{ file: up.files[0].fileId }, { file: up.files[0].fileId, kind: 'agent', id: 'alice' }, { session_id: up.session_id, name: 'a.txt' }, { file: up.files[0].fileId, user: 'alice' }]) {
      const answer = await post(server, '/preview', body, bob)
      assert.deepEqual([answer.status, answer.text], [404, none.text])
    }
  })
  test('is refused for what cannot be shown, and for what is no request', async () => {
    const up = await store('a.bin', Buffer.from([0, 1, 2, 255]))
    assert.equal((await post(server, '/preview', { file: up.files[0].fileId }, alice)).status, 400)
    for (const body of [{}, [], 7, 'x', { file: 7 }, { file: null, name: 3 }, { session_id: 'x', name: 'y' }, { session_id: 7, name: '__proto__' }]) assert.ok([400, 404].includes((await post(server, '/preview', body, alice)).status), JSON.stringify(body))
  })
})

describe('the origin of previews', () => {
  test('serves nothing else, and no other host serves previews', async () => {
    const url = await linkTo('a.txt', 'mine')
    assert.equal((await page(url)).status, 200)
    for (const host of ['127.0.0.1', `127.0.0.1:${server.port}`, 'chat.test', `${HOST}.evil.test`, `${HOST}:81`, `x.${HOST}`]) assert.equal((await page(url, { host })).status, 404, host)
    for (const path of ['/', '/health', '/v1/health', '/exec', '/files/AAAAAAAAAAAAAAAAAAAAA', '/api/v1/config', '/mcp', '/preview', '/preview/', '/nowhere']) {
      const { status, headers } = await page(path, { headers: { 'x-api-key': alice.key } })
      assert.equal(status, 404, path)
      assert.match(headers['content-security-policy'], /^sandbox/, path)
    }
    assert.equal((await page(url, { host: HOST.toUpperCase() })).status, 200)
  })
})

const EVIL = (base) => `<!doctype html><html><head><title>calm</title><base href="${base}/"><meta http-equiv="refresh" content="0;url=${base}/exec?refresh">
<link rel="stylesheet" href="style.css"><link rel="preload" href="${base}/exec?preload" as="fetch"><style>@import url(${base}/exec?import);body{background:url(${base}/exec?css)}</style>
<script>document.title="RAN";fetch("${base}/exec?fetch",{credentials:"include"});new Image().src="${base}/exec?image"</script><script src="${base}/exec?src"></script></head>
<body onload="document.title='RAN'" background="${base}/exec?background"><h1>hello</h1><img src="dot.png"><img src="${base}/exec?img" onerror="document.title='RAN'"><svg onload="document.title='RAN'"><use href="${base}/exec?use"/><script>document.title="RAN"</script></svg>
<iframe src="${base}/exec?frame"></iframe><iframe srcdoc="<script>parent.document.title='RAN'</script>"></iframe><object data="${base}/exec?object"></object><embed src="${base}/exec?embed">
<form id="f" action="${base}/exec?form" method="post"><button>send</button></form><a href="javascript:document.title='RAN'">click</a><a href="${base}/exec?link" ping="${base}/exec?ping" target="_top">go</a>
<video src="${base}/exec?video" poster="${base}/exec?poster" autoplay></video><math><mtext><script>document.title="RAN"</script></mtext></math></body></html>`

describe('a page', { skip: onlyReal }, () => {
  const files = async (base) => (await exec(server, { lang: 'py', code: `import os, base64\nos.makedirs("site")\nopen("site/evil page.html","w").write(${JSON.stringify(EVIL(base))})\nopen("site/style.css","w").write("h1{color:rgb(1,2,3)}")\nopen("site/dot.png","wb").write(base64.b64decode("${PNG.toString('base64')}"))\nopen("pic.svg","w").write('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>x</script><rect width="9" height="9" onclick="y"/></svg>')` }, alice))
  test('comes without scripts and addresses, with its styles and pictures inside', async () => {
    const run = await files('http://127.0.0.1:9')
    const before = stored(server).length
    const { status, headers, body } = await page((await link({ session_id: run.session_id, name: 'site/evil page.html' })).url)
    const text = body.toString()
    assert.deepEqual([status, headers['content-type']], [200, 'text/html; charset=utf-8'])
    assert.match(headers['content-security-policy'], /^sandbox; default-src 'none'/)
    assert.match(text, /<h1>hello<\/h1>/)
    assert.match(text, /rgb\(1,2,3\)/)
    assert.ok(text.includes(`data:image/png;base64,${PNG.toString('base64')}`))
    assert.ok(!/<script|onload|onerror|javascript:|127\.0\.0\.1|<iframe|<object|<embed|srcdoc|<base|http-equiv="refresh/i.test(text), text)
    const svg = await page((await link({ session_id: run.session_id, name: 'pic.svg' })).url)
    assert.match(svg.body.toString(), /<rect width="9" height="9">/)
    assert.equal(svg.headers['content-type'], 'text/html; charset=utf-8')
    assert.ok(!/<script|onclick/.test(svg.body.toString()))
    // It leaves nothing in the storage, and the session of the page is as it was.
    await until(() => stored(server).length === before, 'the end of the copies')
    assert.deepEqual((await get(server, `/files/${run.session_id}?detail=full`, alice)).json.map((file) => file.metadata['original-filename']).sort(), ['pic.svg', 'site/dot.png', 'site/evil page.html', 'site/style.css'])
    assert.equal(server.app.load().running, 0)
  })
  test('that cannot be made is 400, and leaves nothing either', async () => {
    const run = await exec(server, { lang: 'py', code: 'open("big.html","w").write("<img src=big.png>"*3); open("big.png","wb").write(b"\\x89PNG\\r\\n\\x1a\\n"+bytes(34<<20))' }, alice)
    const before = stored(server).length
    const { status } = await page((await link({ session_id: run.session_id, name: 'big.html' })).url)
    assert.equal(status, 400)
    await until(() => stored(server).length === before, 'the end of the copies')
  })
  test('and its reading stands in the audit log under its owner', () => {
    const { records } = sbxJson(server, 'audit', '-u', 'alice', '-n', '1000', '--json')
    assert.ok(records.some(({ action, status, userId }) => /^(get|download)$/.test(action) && status === 'success' && userId === 'alice'))
  })

  const BROWSER = ['/usr/bin/chromium-headless-shell', '/usr/bin/chromium'].find((path) => existsSync(path))
  describe('in a real browser', { skip: BROWSER ? false : 'needs chromium-headless-shell' }, () => {
    const dom = async (url, rules) => (await promisify(execFile)(BROWSER, ['--no-sandbox', '--disable-gpu', '--headless', '--disable-dev-shm-usage', `--user-data-dir=${join(place, 'chromium')}`, `--host-resolver-rules=${rules}`, '--virtual-time-budget=4000', '--dump-dom', url], { timeout: 60_000, env: { PATH: process.env.PATH, HOME: place } })).stdout
    test('reaches nothing and runs nothing', async () => { // S0-13, S0-75
      const asked = []
      const api = createServer((req, res) => { asked.push(req.url); res.writeHead(200, { 'access-control-allow-origin': '*' }).end('reached') })
      await new Promise((resolve) => { api.listen(0, '127.0.0.1', resolve) })
      const base = `http://127.0.0.1:${api.address().port}`
      try {
        const run = await files(base)
        const { url } = await link({ session_id: run.session_id, name: 'site/evil page.html' })
        const seen = await dom(url, `MAP ${HOST}:80 127.0.0.1:${server.port}`)
        assert.match(seen, /<h1>hello<\/h1>/)
        assert.match(seen, /<title>calm<\/title>/)
        assert.deepEqual(asked, [])
      } finally { api.close() }
    })
    test('is held by its headers alone, even if it came as it was written', async () => {
      const asked = []
      const counted = (headers) => createServer((req, res) => {
        asked.push(req.url)
        if (!req.url.startsWith('/page')) return res.writeHead(200, { 'access-control-allow-origin': '*' }).end('reached')
        return res.writeHead(200, { ...headers, 'content-type': 'text/html; charset=utf-8' }).end(EVIL(`http://127.0.0.1:${req.socket.localPort}`).replace(/<meta[^>]*>/, ''))
      })
      for (const [headers, isHeld] of [[safeHeaders("'none'"), true], [{}, false]]) {
        asked.length = 0
        const web = counted(headers)
        await new Promise((resolve) => { web.listen(0, '127.0.0.1', resolve) })
        try {
          const seen = await dom(`http://127.0.0.1:${web.address().port}/page`, 'MAP * ~NOTFOUND, EXCLUDE 127.0.0.1')
          assert.equal(/<title>RAN<\/title>/.test(seen), !isHeld)
          // Without the headers the same page does reach out: the probe is a real one.
          const out = asked.filter((path) => path.startsWith('/exec'))
          assert.equal(out.length > 0, !isHeld, out.join(' '))
        } finally { web.close() }
      }
    })
  })
})
test('no link is in the log', () => {
  assert.ok(!/preview\/[\w-]{40}/.test(server.logged.join('')))
  assert.ok(server.logged.length > 10)
  settleStorage(server)
})
