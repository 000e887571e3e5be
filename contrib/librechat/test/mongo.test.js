// SPDX-License-Identifier: Apache-2.0
// Audit records in the database: with the official driver, against a stand-in for the server (mongo-standin.js).
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { appendFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import pino from 'pino'
import { AuditCopy } from '../src/auditcopy.js'
import { loadConfig } from '../src/config.js'
import { logOptions } from '../src/log.js'
import { MongoSink, scrubber } from '../src/mongo.js'
import { Position } from '../src/position.js'
import { Sbx } from '../src/sbx.js'
import { adapter, exec, get, isReal, upload, until } from './help.js'
import { failure, Standin } from './mongo-standin.js'

const FAKE = fileURLToPath(new URL('./fake-sbx.mjs', import.meta.url))
const SERVER = fileURLToPath(new URL('../server.mjs', import.meta.url))
const FAST = { serverSelectionTimeoutMS: 300, connectTimeoutMS: 300, socketTimeoutMS: 400 }
const hashOf = (seq, log = 'a') => log + String(seq).padStart(63, '0')
const line = (seq, more = {}, log = 'a') => `${JSON.stringify({
  seq, createdAt: '2026-01-02T03:04:05.678Z', updatedAt: '2026-01-02T03:04:05.678Z', action: 'exec', status: 'success',
  execution: { lang: 'python', durationMs: 12, exitCode: 0, memoryMB: 9.5, filesGenerated: 1 }, privateHash: 'b'.repeat(64), prev: hashOf(seq - 1, log), hash: hashOf(seq, log),
  userId: 'user123', sessionId: 's', ip: '192.0.2.1', userAgent: 'x', details: { execId: 'e' }, ...more,
})}\n`

const undo = []
afterEach(async () => { for (const step of undo.splice(0).reverse()) await step() })

/** A log of a stand-in for sbx, a stand-in for the database, and what copies from one to the other. */
async function scene({ isDown = false } = {}) {
  const dir = mkdtempSync(join(tmpdir(), 'sbx-mongo-'))
  undo.push(() => rmSync(dir, { recursive: true, force: true, maxRetries: 30, retryDelay: 100 }))
  for (const name of ['state', 'store']) mkdirSync(join(dir, name))
  const mongo = await new Standin().start()
  undo.push(() => mongo.stop().catch(() => {}))
  if (isDown) await mongo.stop()
  const logged = []
  const log = pino(logOptions({ logLevel: 'trace' }), { write: (text) => logged.push(JSON.parse(text)) })
  const env = { PATH: process.env.PATH, SBX_STATE: join(dir, 'state'), SBX_STORAGE: join(dir, 'store') }
  const sbx = new Sbx({ program: FAKE, env, log })
  const self = {
    dir, mongo, logged, env,
    add: (from, to, more, name) => { for (let seq = from; seq <= to; seq++) appendFileSync(join(dir, 'state', 'audit.jsonl'), line(seq, more, name)) },
    asked: () => readFileSync(join(dir, 'state', 'asked'), 'utf8').trim().split('\n').filter((text) => text.startsWith('tail')),
    positionFiles: () => readdirSync(join(dir, 'position')).map((name) => join(dir, 'position', name)),
    copy(uri = mongo.uri(), { ttlDays } = {}) {
      const sink = new MongoSink({ uri, ttlDays, timeouts: FAST })
      const copy = new AuditCopy({ sbx, sink, log, host: 'h1', settleMs: 50, backoff: [20, 200], openPosition: async () => new Position(join(dir, 'position'), sink.target) })
      let isOver = false
      const stop = async () => {
        if (!isOver) await copy.stop()
        isOver = true
      }
      undo.push(stop)
      copy.start()
      return { copy, stop }
    },
    has: (n) => until(() => mongo.documents.length >= n, `${n} documents`, 30_000),
    inOrder(n) {
      assert.deepEqual(mongo.documents.map(({ seq }) => seq), Array.from({ length: n }, (_, i) => i + 1))
    },
  }
  return self
}

describe('the copy', { skip: isReal }, () => {
  test('has the fields of the schema, dates as dates, the hash as its key', async () => { // S1-50 to S1-61
    const s = await scene()
    s.add(1, 1)
    s.add(2, 2, { action: 'upload', status: 'error', error: 'E_QUOTA', execution: undefined, file: { fileId: 'f', filename: 'a', size: 1, mimeType: 'text/plain' } })
    s.copy()
    await s.has(2)
    const [run, upload_] = s.mongo.documents
    assert.deepEqual(run, {
      _id: hashOf(1), seq: 1, action: 'exec', status: 'success', execution: { lang: 'python', durationMs: 12, exitCode: 0, memoryMB: 9.5, filesGenerated: 1 },
      privateHash: 'b'.repeat(64), prev: hashOf(0), userId: 'user123', sessionId: 's', ip: '192.0.2.1', userAgent: 'x', details: { execId: 'e' }, host: 'h1', hash: hashOf(1),
      createdAt: new Date('2026-01-02T03:04:05.678Z'), updatedAt: new Date('2026-01-02T03:04:05.678Z'),
    })
    assert.deepEqual([upload_.file, upload_.error, upload_.status], [{ fileId: 'f', filename: 'a', size: 1, mimeType: 'text/plain' }, 'E_QUOTA', 'error'])
    assert.ok([...s.mongo.collections.keys()].every((name) => name === 'sandbox_audit_logs'))
  })
  test('expires by an index of that many days, which can be changed and taken away', async () => { // S1-27 S1-65
    const s = await scene()
    const ttl = () => s.mongo.indexes.get('sbx_ttl')
    for (const [ttlDays, seconds] of [[90, 7_776_000], [30, 2_592_000], [undefined, undefined]]) {
      const { copy, stop } = s.copy(undefined, { ttlDays })
      await until(() => copy.state.isUp, 'the database is up')
      assert.equal(ttl()?.expireAfterSeconds, seconds)
      if (ttlDays) assert.deepEqual(ttl().key, { createdAt: 1 })
      await stop()
    }
    assert.deepEqual([...s.mongo.indexes.keys()].sort(), ['sbx_action', 'sbx_order', 'sbx_session', 'sbx_user'])
  })
  test('of many records keeps the order, in batches', async () => {
    const s = await scene()
    s.add(1, 5000)
    s.copy()
    await s.has(5000)
    s.inOrder(5000)
    assert.ok(s.mongo.commands.filter((name) => name === 'update').length < 200)
  })
})

describe('a database that fails', { skip: isReal }, () => {
  test('that is down from the start gets everything when it comes', async () => {
    const s = await scene({ isDown: true })
    s.add(1, 3000)
    const { copy } = s.copy()
    await until(() => copy.state.failures > 1, 'failures')
    assert.equal(copy.state.isUp, false)
    await s.mongo.start()
    await s.has(3000)
    s.inOrder(3000)
    await until(() => copy.state.isUp && copy.state.behindMs === 0, 'up again')
  })
  test('that goes down and comes again loses nothing and gets nothing twice', async () => {
    const s = await scene()
    s.copy()
    for (let round = 0; round < 3; round++) {
      s.add(1 + round * 400, 200 + round * 400)
      await s.has(200 + round * 400)
      await s.mongo.stop()
      s.add(201 + round * 400, 400 + round * 400)
      await new Promise((resolve) => { setTimeout(resolve, 300) })
      await s.mongo.start()
    }
    await s.has(1200)
    s.inOrder(1200)
  })
  test('whose answer is lost is asked again, and keeps one of each', async () => {
    const s = await scene()
    s.mongo.cutAfter = 'update'
    s.add(1, 50)
    const { copy } = s.copy()
    await until(() => copy.state.copied === 50, 'the second answer')
    s.inOrder(50)
    assert.ok(copy.state.failures >= 1) // more when the connection is not back at once
  })
  test('that is too slow is given up for the moment, not waited for', async () => {
    const s = await scene()
    const { copy } = s.copy()
    await until(() => copy.state.isUp, 'the database is up')
    s.mongo.delayMs = 1500
    s.add(1, 20)
    await until(() => copy.state.failures > 1, 'failures')
    assert.ok(copy.state.behindMs > 0)
    s.mongo.delayMs = 0
    await until(() => copy.state.copied === 20, 'the records')
    s.inOrder(20)
  })
  test('that refuses is asked again, and the password is in no log', async () => {
    const s = await scene()
    const secret = 'p@ss/wörd:1'
    s.mongo.refuse = (name) => (name === 'update' || name === 'createIndexes' ? failure(13, 'Unauthorized', `not authorized for ${secret} (${encodeURIComponent(secret)})`) : undefined)
    s.add(1, 5)
    const { copy } = s.copy(`mongodb://adapter:${encodeURIComponent(secret)}@127.0.0.1:${s.mongo.port}/chat?authMechanism=PLAIN&authSource=$external`)
    await until(() => copy.state.failures > 2, 'failures')
    const other = new MongoSink({ uri: `mongodb://adapter:${encodeURIComponent(secret)}@127.0.0.1:${s.mongo.port}/chat`, timeouts: FAST })
    // Without a mechanism the stand-in is asked for one that it does not know: the log-in fails; what is said of it is clean too.
    const err = await other.ready().then(() => assert.fail('it logged in'), (reason) => other.describe(reason))
    await other.close()
    const all = JSON.stringify([s.logged, err, other.describe(new Error(`mongodb://adapter:${encodeURIComponent(secret)}@h: ${secret}`)), other.target])
    for (const part of [secret, encodeURIComponent(secret)]) assert.ok(!all.includes(part))
    assert.match(JSON.stringify(s.logged), /Unauthorized/)
    assert.equal(s.logged.filter(({ msg }) => /takes no audit records/.test(msg)).length, 1)
    s.mongo.refuse = undefined
    await s.has(5)
    s.inOrder(5)
  })
  test('that refuses some records of a batch gets them again, in order', async () => {
    const s = await scene()
    let left = 3
    s.mongo.refuse = (name, command) => {
      if (name !== 'update' || command.updates.length < 3 || left-- <= 0) return undefined
      return { ok: 1, n: 0, writeErrors: [{ index: 0, code: 121, errmsg: 'Document failed validation' }] }
    }
    s.add(1, 10)
    s.copy()
    await s.has(10)
    s.inOrder(10)
  })
  test('does not keep the adapter from ending', async () => {
    const s = await scene()
    const { copy, stop } = s.copy()
    await until(() => copy.state.isUp, 'the database is up')
    s.mongo.delayMs = 60_000
    s.add(1, 1)
    await until(() => s.mongo.commands.includes('update'), 'a write')
    const begin = Date.now()
    await stop()
    assert.ok(Date.now() - begin < 5000)
  })
})

describe('where it goes on', { skip: isReal }, () => {
  test('is behind the last record that the database has, after an orderly end', async () => {
    const s = await scene()
    s.add(1, 30)
    const first = s.copy()
    await s.has(30)
    await until(() => first.copy.state.copied === 30, 'the position')
    await first.stop()
    s.add(31, 40)
    s.copy()
    await s.has(40)
    s.inOrder(40)
    assert.deepEqual(s.asked(), ['tail --after 0 --json --die-with-parent', 'tail --after 29 --json --die-with-parent'])
    assert.equal(s.mongo.sent, 40)
  })
  test('is the beginning when the position is lost or makes no sense; nothing is there twice', async () => {
    const s = await scene()
    s.add(1, 30)
    let run = s.copy()
    for (const content of [undefined, '', '{"v":1,"seq":-1}', '[]', '{"v":1,"seq":7,"hash":"zz"}']) {
      await until(() => run.copy.state.copied === 30, 'all records')
      await run.stop()
      for (const file of s.positionFiles()) content === undefined ? rmSync(file) : writeFileSync(file, content)
      run = s.copy()
    }
    await until(() => run.copy.state.copied === 30, 'all records')
    s.inOrder(30)
  })
  test('is the beginning when the log is another one', async () => {
    const s = await scene()
    s.add(1, 30)
    const file = join(s.dir, 'state', 'audit.jsonl')
    for (const [to, n] of [[5, 35], [90, 125]]) { // a shorter log, then a longer one
      const { copy, stop } = s.copy()
      await until(() => copy.state.seq > 0 && s.mongo.documents.length >= (n === 35 ? 30 : 35), 'the log before')
      await until(() => copy.state.behindMs === 0, 'rest')
      await stop()
      writeFileSync(file, '')
      s.add(1, to, {}, n === 35 ? 'c' : 'd')
    }
    const { copy } = s.copy()
    await s.has(125)
    await until(() => copy.state.seq === 90, 'the position')
    assert.ok(s.logged.some(({ msg, level }) => level === 'warn' && /another one/.test(msg)))
  })
  test('is told when records had expired before they were copied', async () => {
    const s = await scene()
    s.add(1, 10)
    const { copy, stop } = s.copy()
    await until(() => copy.state.copied === 10, 'the first')
    await stop()
    writeFileSync(join(s.dir, 'state', 'audit.jsonl'), '')
    s.add(21, 25)
    const next = s.copy()
    await until(() => next.copy.state.copied === 5, 'the rest')
    assert.equal(next.copy.state.missed, 10)
    assert.ok(s.logged.some(({ level, missed, from }) => level === 'error' && missed === 10 && from === 11))
  })
  test('holds for one database: another one gets everything', async () => {
    const s = await scene()
    s.add(1, 10)
    const { copy, stop } = s.copy()
    await until(() => copy.state.copied === 10, 'the first')
    await stop()
    const other = await new Standin().start()
    undo.push(() => other.stop())
    s.copy(other.uri())
    await until(() => other.documents.length === 10, 'the same in the other')
  })
  test('when sbx ends in between, and when it says nonsense, nothing is lost', async () => {
    const s = await scene()
    s.add(1, 10)
    const { copy } = s.copy()
    await s.has(10)
    writeFileSync(join(s.dir, 'state', 'end-tail'), '')
    await until(() => s.logged.some(({ msg }) => /sbx ended/.test(msg)), 'its end')
    s.add(11, 20)
    await s.has(20)
    appendFileSync(join(s.dir, 'state', 'audit.jsonl'), '{"seq":21,"hash":"x"}\n')
    await until(() => s.logged.some(({ reason }) => /no audit record/.test(reason ?? '')), 'the refusal')
    assert.equal(copy.state.seq, 20)
    s.inOrder(20)
  })
  test('a kill at any moment loses nothing', async () => {
    const s = await scene()
    const env = { ...s.env, HOME: process.env.HOME, SBX: FAKE, SANDBOX_API_KEY: 'k3yk3yk3yk3y', SANDBOX_PORT: '0', SBX_ADAPTER_STATE: join(s.dir, 'position'), MONGO_URI: s.mongo.uri() }
    for (let round = 0; round < 4; round++) {
      s.add(1 + round * 1000, (round + 1) * 1000)
      const child = spawn(process.execPath, [SERVER], { env, stdio: 'ignore' })
      const wanted = round === 3 ? 4000 : round * 1000 + 200 + round * 150
      await s.has(wanted)
      child.kill('SIGKILL')
      await new Promise((resolve) => { child.once('exit', resolve) })
    }
    s.inOrder(4000)
  })
})

test('what is erased in the log is erased in the database', { skip: isReal }, async () => {
  const s = await scene()
  s.add(1, 20)
  s.add(21, 22, { userId: 'gone', ip: '198.51.100.9' })
  const { copy } = s.copy()
  await s.has(22)
  assert.equal(s.mongo.documents.filter(({ userId }) => userId === 'gone').length, 2)
  // First the record that says so, then the blanks: as sbx does it.
  s.add(23, 23, { action: 'audit.erased', chain: { records: 2 }, userId: undefined })
  await s.has(23)
  const file = join(s.dir, 'state', 'audit.jsonl')
  const blank = (text) => JSON.stringify({ ...Object.fromEntries(Object.entries(JSON.parse(text)).filter(([key]) => !['userId', 'sessionId', 'ip', 'userAgent', 'details'].includes(key))), erased: true })
  writeFileSync(file, readFileSync(file, 'utf8').split('\n').map((text) => (text.includes('"gone"') ? blank(text) : text)).join('\n'))
  s.add(24, 24)
  await s.has(24)
  await until(() => !JSON.stringify(s.mongo.documents).includes('198.51.100.9'), 'the erasure')
  s.inOrder(24)
  const gone = s.mongo.documents.filter(({ erased }) => erased)
  assert.deepEqual(gone.map(({ seq, userId, action, ip }) => [seq, userId, action, ip]), [[21, undefined, 'exec', undefined], [22, undefined, 'exec', undefined]])
  await until(() => copy.state.seq === 24, 'rest')
  await until(() => !readFileSync(s.positionFiles()[0], 'utf8').includes('erasing'), 'the end of it')
})

describe('a URI', { skip: isReal }, () => {
  test('that would lose records or makes no sense is refused, without its password', () => {
    for (const uri of ['mongodb://u:s3cr3tpw@h/db?w=0', 'mongodb://u:s3cr3tpw@h:99999/db', 'mongodb://u:s3cr3tpw@', 'mongodb://u:s3cr3tpw@h/db?nonsense=1', 'mongodb://u:s3cr3t/pw@h/db']) {
      assert.throws(() => new MongoSink({ uri }), (err) => err.constructor.name === 'ConfigError' && /^MONGO_URI/.test(err.message) && !/s3cr3t/.test(err.message), uri)
    }
    assert.throws(() => loadConfig({ MONGO_URI: 'postgres://u:s3cr3tpw@h' }), (err) => !/s3cr3t/.test(err.message))
  })
  test('is scrubbed from a text in every spelling', () => {
    const clean = scrubber('mongodb+srv://me:a%40b@h/db')
    for (const text of ['mongodb+srv://me:a%40b@h/db', 'x a@b y', 'x a%40b y', 'me:a%40b']) assert.ok(!/a@b|a%40b/.test(clean(text)), clean(text))
    assert.equal(scrubber('mongodb://h/db')('h/db is down'), 'h/db is down')
  })
  test('and its settings reach the driver; without a database it is one of its own', async () => { // S1-28 S1-29
    const s = await scene()
    const sink = new MongoSink({ uri: `mongodb://127.0.0.1:${s.mongo.port}/?maxPoolSize=3`, poolMax: 10, poolMin: 2 })
    assert.match(sink.target, /\/sandbox\.sandbox_audit_logs$/)
    assert.match(new MongoSink({ uri: 'mongodb://h/test' }).target, /\/test\.sandbox_audit_logs$/)
    await sink.close()
  })
})

describe('the log', () => {
  test('is one object a line with a time of RFC 3339 and the names of the levels', () => { // S1-42 to S1-44
    const lines = []
    const log = pino(logOptions(loadConfig({ SANDBOX_LOG_LEVEL: 'verbose' })), { write: (text) => lines.push(text) })
    for (const level of ['error', 'warn', 'info', 'debug', 'trace']) log[level]({ n: 1 }, 'a\nb')
    assert.deepEqual(lines.map((text) => JSON.parse(text).level), ['error', 'warn', 'info', 'debug', 'verbose'])
    for (const text of lines) {
      assert.equal(text.indexOf('\n'), text.length - 1)
      assert.match(JSON.parse(text).time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
    }
    const few = []
    const quiet = pino(logOptions(loadConfig({ SANDBOX_LOG_LEVEL: 'warn' })), { write: (text) => few.push(text) })
    for (const level of ['error', 'warn', 'info', 'debug', 'trace']) quiet[level]('x')
    assert.equal(few.length, 2)
  })
})

test('wrong keys are recorded, summed, and start no crowd of processes', { skip: isReal }, async () => { // S1-49
  const server = await adapter()
  try {
    for (let i = 0; i < 40; i++) assert.equal((await get(server, '/api/v1/stats', { key: `wrong-${i}`, headers: { 'user-agent': 'guesser' } })).status, 401)
    await get(server, '/api/v1/stats', { key: null })
    const file = join(server.env.SBX_STATE, 'wrong-keys')
    const entries = () => { try { return readFileSync(file, 'utf8').trim().split('\n').map((text) => JSON.parse(text)) } catch { return [] } }
    await until(() => entries().reduce((sum, { count }) => sum + count, 0) === 40, 'all of them')
    assert.ok(entries().length <= 5)
    assert.deepEqual([entries()[0].ip, entries()[0].agent], ['127.0.0.1', 'guesser'])
    assert.ok(!readFileSync(file, 'utf8').includes('wrong-'))
  } finally {
    await server.close()
  }
})

test('operations through the adapter are in the database', { skip: !isReal }, async () => { // S1-10 S1-45 to S1-51
  const mongo = await new Standin().start()
  const server = await adapter({ MONGO_URI: mongo.uri(), SANDBOX_AUDIT_TTL_DAYS: '90' })
  try {
    const { json } = await upload(server, [['file', 'a.txt', 'hello']])
    const session = json.session_id ?? json.storage_session_id
    const [file] = json.files
    await exec(server, { lang: 'py', code: 'print(1)' })
    await exec(server, { lang: 'py', code: 'raise SystemExit(3)' })
    await get(server, `/files/${session}`)
    assert.equal((await get(server, `/download/${session}/${file.fileId ?? file.id}`)).text, 'hello')
    await get(server, `/files/${'A'.repeat(20)}Q`)
    await get(server, '/files/x', { key: 'wrong-key-1' })
    const of = (action) => mongo.documents.filter((doc) => doc.action === action)
    await until(() => of('auth_failure').length && of('download').length && of('exec').length === 2 && of('files_list').length === 2, 'the records', 20_000)
    assert.deepEqual([of('upload')[0].file.filename, of('upload')[0].file.size, of('upload')[0].userId], ['a.txt', 5, 'librechat'])
    assert.deepEqual(of('exec').map(({ execution }) => [execution.lang, execution.exitCode]), [['python', 0], ['python', 3]])
    assert.deepEqual(of('files_list').map(({ status, error }) => [status, error?.split(':')[0]]), [['success', undefined], ['denied', 'E_NOT_FOUND']])
    assert.deepEqual([of('auth_failure')[0].status, of('auth_failure')[0].ip, of('download')[0].sessionId.length], ['denied', '127.0.0.1', 36])
    for (const doc of mongo.documents) assert.ok(doc.createdAt instanceof Date && doc.userAgent !== undefined, doc.action)
    // What is removed of a person leaves the database as well.
    const known = mongo.documents.length
    await new Sbx({ program: server.env.SBX, env: server.env, log: pino({ level: 'silent' }) }).call(['rm', '--user-all', '-u', 'librechat', '--json'])
    await until(() => !JSON.stringify(mongo.documents).includes('"librechat"'), 'the erasure', 30_000)
    assert.ok(mongo.documents.filter(({ erased }) => erased).length >= 6)
    assert.ok(mongo.documents.length > known, 'records stay, without the person')
    assert.equal(mongo.indexes.get('sbx_ttl').expireAfterSeconds, 7_776_000)
  } finally {
    await server.close()
    await mongo.stop()
  }
})
