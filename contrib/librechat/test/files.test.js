// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { createRequire } from 'node:module'
import { after, before, describe, test } from 'node:test'
import { adapter, call, exec, form, get, isReal, KEY, raw, settleStorage, stored, upload } from './help.js'

const require = createRequire(import.meta.url)
const onlyFake = isReal ? 'needs the stand-in for sbx' : false
const ID = /^[A-Za-z0-9_-]{21}$/
let server
before(async () => { server = await adapter({ SBX_ADAPTER_UPLOAD_MAX: '3000000', SBX_ADAPTER_BATCH_MAX: '40' }) })
after(() => server.close())
const download = (up, i = 0) => get(server, `/download/${up.storage_session_id}/${up.files[i].fileId}`)

describe('POST /upload', () => {
  test('answers both names of the session and the id of the file', async () => {
    const { status, json } = await upload(server, [['file', 'sales.csv', 'a,b\n', 'text/csv']], { fields: [['kind', 'user'], ['id', 'u1']], headers: { 'user-id': 'u1' }, path: '/v1/upload' })
    assert.equal(status, 200)
    assert.equal(json.message, 'success')
    assert.equal(json.session_id, json.storage_session_id)
    assert.match(json.session_id, ID)
    assert.match(json.files[0].fileId, ID)
    assert.equal(json.files[0].filename, 'sales.csv')
    assert.equal((await download(json)).text, 'a,b\n')
  })
  test('old clients: entity_id, the part name files, no fields at all', async () => {
    assert.equal((await upload(server, [['file', 'a', '1']], { fields: [['entity_id', 'agent_x']] })).json.message, 'success')
    assert.equal((await upload(server, [['files', 'a', '1']])).json.message, 'success')
  })
  test('folders and UTF-8 in the name survive; a path out does not', async () => {
    for (const [sent, kept] of [['d/e/ü 😀.csv', 'd/e/ü 😀.csv'], ['../../x', 'x'], ['/etc/passwd', 'etc/passwd'], ['a b (1).txt', 'a b (1).txt'], ['..', 'file']]) {
      assert.equal((await upload(server, [['file', sent, '1']])).json.files[0].filename, kept, sent)
    }
  })
  test('every byte comes back, and an empty file is one', async () => {
    const bytes = randomBytes(2_500_000)
    const { json } = await upload(server, [['file', 'r.bin', bytes]])
    const answer = await fetch(`${server.base}/download/${json.session_id}/${json.files[0].fileId}`, { headers: { 'x-api-key': KEY } })
    assert.equal(answer.headers.get('content-length'), String(bytes.length))
    assert.deepEqual(createHash('sha256').update(Buffer.from(await answer.arrayBuffer())).digest(), createHash('sha256').update(bytes).digest())
    assert.equal((await download((await upload(server, [['file', 'e.weird', '']])).json)).text, '')
  })
  test('a file that is too large is 413 and leaves nothing', async () => {
    const { status, json } = await upload(server, [['file', 'big', randomBytes(3_000_001)]])
    assert.deepEqual([status, typeof json.error], [413, 'string'])
    assert.equal((await upload(server, [['file', 'big', randomBytes(3_000_000)]])).status, 200)
  })
  test('what is no upload is 400', async () => {
    assert.equal((await upload(server, [])).status, 400)
    assert.equal((await upload(server, [['other', 'a', 'b']])).status, 400)
    assert.equal((await upload(server, [['file', 'a', 'b']], { fields: [['kind', 'root']] })).status, 400)
    assert.equal((await upload(server, [['file', 'a', 'b']], { fields: [['kind', 'skill'], ['version', 'x']] })).status, 400)
    assert.equal((await call(server, 'POST', '/upload', { body: { file: 'x' } })).status, 400)
    assert.equal((await call(server, 'POST', '/upload')).status, 400)
    assert.equal((await call(server, 'POST', '/upload', { raw: 'x', headers: { 'content-type': 'multipart/form-data' } })).status, 400)
  })
  test('what sbx refuses has its status', { skip: onlyFake }, async () => {
    assert.equal((await upload(server, [['file', 'a.refused', 'b']])).status, 400)
    assert.equal((await upload(server, [['file', 'a.full', 'b']])).status, 413)
  })
  test('a client that breaks off leaves nothing in the storage', async () => {
    await upload(server, [['file', 'whole', '1']])
    const before = stored(server).length
    const body = form([], [['file', 'half.bin', Buffer.alloc(200_000, 'x')]])
    const head = (length) => `POST /upload HTTP/1.1\r\nhost: x\r\nx-api-key: ${KEY}\r\ncontent-type: multipart/form-data; boundary=b0undary\r\n${length === null ? 'transfer-encoding: chunked' : `content-length: ${length}`}\r\n\r\n`
    const chunk = (bytes) => Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')])
    const half = body.subarray(0, 100_000)
    await raw(server, [head(body.length), half], { leaveAfterMs: 300 })
    await raw(server, [head(body.length), half], { half: true })
    await raw(server, [head(null), chunk(half)], { leaveAfterMs: 300 })
    // The body ends as HTTP, but not as a form: no closing boundary.
    const broken = await raw(server, [head(half.length), half])
    assert.match(broken, /^HTTP\/1.1 400 /)
    assert.match(await raw(server, [head(null), chunk(half), '0\r\n\r\n']), /^HTTP\/1.1 400 /)
    // One more, whole: by its end the others have had the same time.
    await upload(server, [['file', 'after', '1']])
    await new Promise((resolve) => { setTimeout(resolve, 500) })
    assert.equal(stored(server).length, before + 1)
    settleStorage(server)
  })
})

describe('POST /upload/batch', () => {
  test('all files share one session and keep their names as they were sent', async () => {
    const names = ['skills/pptx/SKILL.md', 'skills/pptx/scripts/build.py', 'skills/pptx/empty', 'ü.txt']
    const { status, json } = await upload(server, names.map((name) => ['file', name, name.endsWith('empty') ? '' : name]), { path: '/upload/batch', fields: [['kind', 'skill'], ['id', 's1'], ['version', '2'], ['read_only', 'true']] })
    assert.equal(status, 200)
    assert.deepEqual([json.message, json.succeeded, json.failed], ['success', 4, 0])
    assert.deepEqual(json.files.map(({ filename, status: s }) => [filename, s]), names.map((name) => [name, 'success']))
    assert.equal((await download(json, 1)).text, names[1])
    const list = (await get(server, `/files/${json.storage_session_id}?detail=full`)).json
    assert.deepEqual(list.map((file) => file.metadata['original-filename']).sort(), [...names].sort())
  })
  test('changes to a read-only file are thrown away and it is reported as inherited', async () => {
    const { json } = await upload(server, [['file', 'ro.txt', 'keep']], { path: '/upload/batch', fields: [['read_only', 'true']] })
    const files = [{ id: json.files[0].fileId, storage_session_id: json.session_id, name: 'ro.txt', kind: 'user', resource_id: 'u' }]
    const answer = await exec(server, { lang: 'bash', code: 'rm -f ro.txt; echo changed > ro.txt; echo new > n', files })
    assert.deepEqual(answer.files.filter((file) => !file.inherited).map(({ name }) => name), ['n'])
    const again = answer.files.find((file) => file.inherited)
    if (again) assert.deepEqual([again.id, again.name], [json.files[0].fileId, 'ro.txt'])
    assert.equal((await download(json)).text, 'keep')
  })
  test('one bad file does not stop the others', async () => {
    const { status, json } = await upload(server, [['file', 'a', '1'], ['file', 'big', randomBytes(3_000_001)], ['file', 'c', '3']], { path: '/upload/batch' })
    assert.deepEqual([status, json.message, json.succeeded, json.failed], [200, 'partial_success', 2, 1])
    assert.deepEqual(json.files.map(({ status: s }) => s), ['success', 'error', 'success'])
    assert.equal(typeof json.files[1].error, 'string')
    assert.equal((await download(json, 2)).text, '3')
    const none = await upload(server, [['file', 'big', randomBytes(3_000_001)]], { path: '/upload/batch' })
    assert.deepEqual([none.status, none.json.message], [200, 'error'])
  })
  test('too many files are 413', async () => {
    assert.equal((await upload(server, Array.from({ length: 41 }, (_, i) => ['file', `f${i}`, '1']), { path: '/upload/batch' })).status, 413)
  })
})

describe('stored files', () => {
  let up
  before(async () => { up = (await upload(server, [['file', 'dir/data.csv', 'a,b\n']])).json })

  test('a download is an attachment of its type', async () => {
    const { headers, text } = await get(server, `/download/${up.session_id}/${up.files[0].fileId}?kind=user&id=anybody&foo=1`)
    assert.equal(text, 'a,b\n')
    assert.match(headers.get('content-type'), /^text\/(csv|plain)/)
    assert.equal(headers.get('content-disposition'), 'attachment; filename="data.csv"; filename*=UTF-8\'\'data.csv')
    assert.equal(headers.get('x-content-type-options'), 'nosniff')
  })
  test('the id alone finds it: any session, no query, an extension', async () => {
    for (const path of [`/download/AAAAAAAAAAAAAAAAAAAAA/${up.files[0].fileId}`, `/v1/download/x/${up.files[0].fileId}?entity_id=e`, `/download/${up.session_id}/${up.files[0].fileId}.csv`]) {
      assert.equal((await get(server, path)).text, 'a,b\n')
    }
  })
  test('the probe tells when it was stored', async () => {
    const { status, json } = await get(server, `/sessions/${up.session_id}/objects/${up.files[0].fileId}?kind=user&id=u`)
    assert.equal(status, 200)
    assert.ok(Date.now() - Date.parse(json.lastModified) < 60_000)
    assert.match(json.lastModified, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
    assert.deepEqual([json.originalFilename, json.size], ['dir/data.csv', 4])
  })
  test('listings in the shapes that old clients take apart', async () => {
    const [summary] = (await get(server, `/files/${up.session_id}?detail=summary&entity_id=e`)).json
    assert.equal(summary.name, `${up.session_id}/${up.files[0].fileId}`)
    assert.ok(Date.parse(summary.lastModified))
    const [full] = (await get(server, `/v1/files/${up.session_id}?detail=full`)).json
    assert.equal(full.name.split('/')[1].split('.')[0], up.files[0].fileId)
    assert.equal(full.metadata['original-filename'], 'dir/data.csv')
    assert.deepEqual((await get(server, '/files/AAAAAAAAAAAAAAAAAAAAA')).json, [])
    assert.deepEqual((await get(server, '/files/nonsense')).json, [])
  })
  test('the listing of a run shows what it produced', async () => {
    const { session_id: session } = await exec(server, { lang: 'bash', code: 'echo 1 > made' })
    assert.deepEqual((await get(server, `/files/${session}?detail=full`)).json.map((f) => f.metadata['original-filename']), ['made'])
  })
  test('what is unknown is 404 with JSON', async () => {
    for (const path of ['/download/x/AAAAAAAAAAAAAAAAAAAAA', '/download/x/nonsense', '/sessions/x/objects/AAAAAAAAAAAAAAAAAAAAA', '/download/..%2f..%2fetc/passwd', '/download/x/%00', '/sessions/x/objects/-rf', '/nothing', '/download/x']) {
      const { status, json } = await get(server, path)
      assert.deepEqual([status, typeof json?.error], [404, 'string'], path)
    }
  })
  test('a removed file is gone', async () => {
    const other = (await upload(server, [['file', 'x', '1']])).json
    const path = `/files/${other.session_id}/${other.files[0].fileId}`
    const { status, json } = await call(server, 'DELETE', path)
    assert.deepEqual([status, json.fileId, json.session_id], [200, other.files[0].fileId, other.session_id])
    assert.equal((await call(server, 'DELETE', path, { headers: { 'content-type': 'application/json' } })).status, 404)
    if (!isReal) assert.equal((await download(other)).status, 404)
  })
})

test('two adapters on one storage serve one conversation by turns', async () => {
  const other = await adapter({ SBX_STORAGE: server.env.SBX_STORAGE, SBX_STATE: server.env.SBX_STATE, ...(server.env.SBX_CONFIG && { SBX_CONFIG: server.env.SBX_CONFIG }) })
  try {
    const up = (await upload(server, [['file', 'a.txt', 'one\n']])).json
    const first = await exec(other, { lang: 'bash', code: 'echo two >> a.txt', files: [{ id: up.files[0].fileId, name: 'a.txt', storage_session_id: up.session_id }] })
    const second = await exec(server, { lang: 'bash', code: 'cat a.txt; echo three > b.txt', files: first.files })
    assert.equal(second.stdout, 'one\ntwo\n')
    assert.equal((await get(other, `/download/${second.session_id}/${second.files[0].id}`)).text, 'three\n')
    assert.equal((await call(other, 'DELETE', `/files/${second.session_id}/${second.files[0].id}`)).status, 200)
    assert.equal((await get(server, `/sessions/${second.session_id}/objects/${second.files[0].id}`)).status, 404)
  } finally { await other.close() }
})

test('the other library of LibreChat: axios with form-data', async () => {
  const axios = require('axios')
  const FormData = require('form-data')
  const url = `http://${KEY}@127.0.0.1:${server.port}/v1`
  const body = new FormData()
  body.append('kind', 'user')
  body.append('id', 'u')
  body.append('file', Buffer.from('a,b\n'), { filename: 'q "uote" ü.csv', contentType: 'text/csv' })
  const { data } = await axios.post(`${url}/upload`, body, { headers: { ...body.getHeaders(), 'Content-Type': 'multipart/form-data', 'User-Agent': 'LibreChat/1.0', 'User-Id': 'u' } })
  assert.equal(data.message, 'success')
  const deep = new FormData()
  deep.append('read_only', 'true')
  for (const name of ['skills/a/SKILL.md', 'skills/a/b/c.py']) deep.append('file', Buffer.from(name), { filepath: name })
  const batch = (await axios.post(`${url}/upload/batch`, deep, { headers: deep.getHeaders() })).data
  assert.deepEqual(batch.files.map(({ filename }) => filename), ['skills/a/SKILL.md', 'skills/a/b/c.py'])
  const file = await axios.get(`${url}/download/${data.session_id}/${data.files[0].fileId}`, { responseType: 'arraybuffer', timeout: 15_000 })
  assert.equal(file.data.toString(), 'a,b\n')
  const run = (await axios.post(`${url}/exec`, { lang: 'bash', code: 'cat skills/a/b/c.py', files: batch.files.map((f) => ({ id: f.fileId, name: f.filename, storage_session_id: batch.storage_session_id, kind: 'user', resource_id: 'u' })) })).data
  assert.equal(run.stdout, 'skills/a/b/c.py')
})
