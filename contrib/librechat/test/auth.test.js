// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { execFile, execFileSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { exportJWK, SignJWT } from 'jose'
import { addKey, KeyFileError, listKeys, readKeys } from '../src/keys.js'
import { adapter, call, exec, get, KEY, post, upload } from './help.js'

const PROGRAM = fileURLToPath(new URL('../server.mjs', import.meta.url))
const dir = mkdtempSync(join(tmpdir(), 'sbx-auth-'))
after(() => rmSync(dir, { recursive: true, force: true }))
const b64 = (text) => Buffer.from(text).toString('base64')
const job = { lang: 'bash', code: 'echo in' }

describe('the shared key', () => {
  let server
  before(async () => { server = await adapter() })
  after(() => server.close())
  const status = async (headers) => (await post(server, '/exec', job, { key: null, headers })).status

  test('opens as X-API-Key, as Basic with and without a colon, as Bearer', async () => { // S1-13, S1-40
    for (const headers of [{ 'x-api-key': KEY }, { authorization: `Basic ${b64(`${KEY}:`)}` }, { authorization: `Basic ${b64(KEY)}` }, { authorization: `Basic ${b64(`${KEY}:x:y`)}` }, { authorization: `Bearer ${KEY}` }, { 'x-api-key': KEY, authorization: `bearer ${KEY}` }]) {
      assert.equal(await status(headers), 200, JSON.stringify(headers))
    }
  })
  test('anything else is 401 with a JSON body', async () => { // S1-40
    for (const headers of [{}, { 'x-api-key': '' }, { 'x-api-key': `${KEY}x` }, { 'x-api-key': KEY.slice(1) }, { authorization: 'Basic' }, { authorization: 'Basic ====' }, { authorization: `Digest ${KEY}` }, { authorization: 'Bearer a.b.c' },
      { authorization: `Bearer ${'x'.repeat(20_000)}` }, { 'x-api-key': KEY, authorization: `Bearer ${KEY}x` }]) {
      const answer = await post(server, '/exec', job, { key: null, headers })
      assert.equal(answer.status, 401, JSON.stringify(headers).slice(0, 80))
      assert.equal(typeof answer.json.error, 'string')
    }
  })
  test('is asked for everywhere but for health', async () => { // S1-40
    for (const [method, path] of [['GET', '/files/x'], ['GET', '/download/a/b'], ['GET', '/sessions/a/objects/b'], ['DELETE', '/files/a/b'], ['POST', '/upload'], ['POST', '/upload/batch'], ['POST', '/exec/programmatic'], ['POST', '/exec/programmatic/cancel'], ['POST', '/api/v1/execute'], ['GET', '/api/v1/config'], ['GET', '/api/v1/stats'], ['POST', '/mcp'], ['POST', '/v1/exec']]) {
      assert.equal((await call(server, method, path, { key: null })).status, 401, path)
    }
    assert.equal((await get(server, '/health', { key: null })).status, 200)
    assert.equal((await get(server, '/api/v1/health', { key: null })).status, 200)
  })
  test('is in no log line', async () => {
    await exec(server, { ...job, apiKey: KEY, LIBRECHAT_CODE_API_KEY: KEY })
    await post(server, '/exec', `{"x":"${KEY}"`, { headers: { authorization: `Basic ${b64(KEY)}` } })
    await upload(server, [['file', 'a', '1']], { key: null, headers: { authorization: `Basic ${b64(KEY)}` } })
    assert.ok(server.logged.length > 3)
    const all = server.logged.join('')
    assert.ok(!all.includes(KEY) && !all.includes(b64(KEY)))
  })
  test('is not in the environment of sbx', async () => {
    const { stdout } = await exec(server, { lang: 'bash', code: 'env; cat /proc/$PPID/environ 2>/dev/null | tr "\\0" "\\n"' })
    assert.ok(!stdout.includes(KEY))
  })
})

test('without authentication any key will do, but no web page', async () => {
  const server = await adapter({ SANDBOX_API_KEY: '', SBX_ADAPTER_NO_AUTH: '1' })
  try {
    assert.equal((await post(server, '/exec', job, { key: null })).status, 200)
    assert.equal((await post(server, '/exec', job, { key: 'whatever' })).status, 200)
    assert.equal((await post(server, '/exec', job, { key: null, headers: { origin: 'http://evil.example' } })).status, 401)
  } finally {
    await server.close()
  }
})

describe('keys per user', () => { // S1-15
  const file = join(dir, 'keys.json')
  const cli = (...args) => execFileSync(process.execPath, [PROGRAM, 'keys', ...args], { env: { PATH: process.env.PATH, SBX_ADAPTER_KEYS: file }, encoding: 'utf8' }).trim()

  test('are made, listed and removed; the file is private and holds no key', async () => {
    const key = cli('add', 'alice')
    assert.match(key, /^sbx_[\w-]{43}$/)
    assert.equal(statSync(file).mode & 0o777, 0o600)
    assert.ok(!readFileSync(file, 'utf8').includes(key.slice(4)))
    const second = cli('add', 'bob')
    assert.notEqual(second, key)
    const ids = cli('ls').split('\n').map((line) => line.split('\t'))
    assert.deepEqual(ids.map(([, user]) => user), ['alice', 'bob'])
    cli('rm', ids[1][0])
    assert.deepEqual(listKeys(file).map(({ user }) => user), ['alice'])
    assert.deepEqual(readdirSync(dir).filter((name) => name.startsWith('keys.json.')), [])
  })
  test('many at once all arrive', async () => {
    const many = join(dir, 'many.json')
    const run = promisify(execFile)
    await Promise.all(Array.from({ length: 6 }, (_, i) => run(process.execPath, [PROGRAM, 'keys', 'add', `u${i}`], { env: { PATH: process.env.PATH, SBX_ADAPTER_KEYS: many } })))
    assert.equal(readKeys(many).length, 6)
  })
  test('a file that others can read, a link and a broken one are refused', () => {
    const loose = join(dir, 'loose.json')
    writeFileSync(loose, '{"v":1,"keys":[]}')
    chmodSync(loose, 0o640)
    assert.throws(() => readKeys(loose), KeyFileError)
    const broken = join(dir, 'broken.json')
    writeFileSync(broken, '{"v":2}', { mode: 0o600 })
    assert.throws(() => readKeys(broken), KeyFileError)
    assert.throws(() => addKey(broken, 'x'), KeyFileError)
    assert.throws(() => addKey(file, 'agent-x'), KeyFileError)
  })
  test('each sees its own files; a new key counts at once, a removed one no longer', async () => {
    const server = await adapter({ SBX_ADAPTER_KEYS: file })
    try {
      const alice = addKey(file, 'alice').key
      const carol = addKey(file, 'carol')
      const up = (await upload(server, [['file', 'a.txt', 'secret']], { key: alice })).json
      const path = `/download/${up.session_id}/${up.files[0].fileId}`
      assert.equal((await get(server, path, { key: alice })).text, 'secret')
      assert.equal((await get(server, path, { key: carol.key })).status, 404)
      assert.equal((await get(server, path)).status, 404)
      const { stderr } = await exec(server, { lang: 'bash', code: 'cat a.txt', files: [{ id: up.files[0].fileId, name: 'a.txt', storage_session_id: up.session_id }] }, { key: carol.key })
      assert.match(stderr, /No such file/)
      assert.equal((await get(server, '/api/v1/stats', { key: alice })).status, 403)
      execFileSync(process.execPath, [PROGRAM, 'keys', 'rm', carol.id], { env: { PATH: process.env.PATH, SBX_ADAPTER_KEYS: file } })
      assert.equal((await get(server, path, { key: carol.key })).status, 401)
    } finally {
      await server.close()
    }
  })
})

describe('tokens', () => {
  const ed = generateKeyPairSync('ed25519')
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const now = () => Math.floor(Date.now() / 1000)
  const sign = (claims = {}, { alg = 'EdDSA', key = ed.privateKey, kid = 'k1' } = {}) => new SignJWT({
    iss: 'librechat', aud: 'codeapi', sub: '65f1c0ffee65f1c0ffee65f1', iat: now(), nbf: now(), exp: now() + 60, jti: 'x', ...claims,
  }).setProtectedHeader({ alg, typ: 'JWT', kid }).sign(key)
  const status = async (server, token) => (await get(server, '/files/x', { key: null, headers: { authorization: `Bearer ${token}` } })).status
  const pem = (pair) => pair.publicKey.export({ type: 'spki', format: 'pem' })

  test('one PEM file: good ones open, all others do not', async () => {
    const file = join(dir, 'ed.pem')
    writeFileSync(file, pem(ed))
    const server = await adapter({ SBX_ADAPTER_JWT_KEY: file, SANDBOX_API_KEY: '' })
    try {
      assert.equal(await status(server, await sign()), 200)
      assert.equal(await status(server, await sign({ exp: now() - 10, iat: now() - 60 })), 200) // within the skew
      const wrong = [
        { iss: 'other' }, { aud: 'other' }, { exp: now() - 60, iat: now() - 120 }, { nbf: now() + 100 }, { exp: now() + 4000 },
        { sub: undefined }, { sub: '' }, { sub: 7 }, { exp: undefined }, { tenant_id: 7 },
      ]
      for (const claims of wrong) assert.equal(await status(server, await sign(claims)), 401, JSON.stringify(claims))
      assert.equal(await status(server, await sign({}, { key: generateKeyPairSync('ed25519').privateKey })), 401)
      assert.equal(await status(server, await sign({}, { alg: 'RS256', key: rsa.privateKey })), 401)
      assert.equal(await status(server, await sign({}, { alg: 'HS256', key: new TextEncoder().encode(pem(ed)) })), 401)
      const [, payload] = (await sign()).split('.')
      assert.equal(await status(server, `${Buffer.from('{"alg":"none"}').toString('base64url')}.${payload}.x`), 401)
    } finally {
      await server.close()
    }
  })

  test('a directory names keys by their file, a JWKS document by kid', async () => {
    const keys = join(dir, 'keys.d')
    mkdirSync(keys)
    writeFileSync(join(keys, 'one.pem'), pem(ed))
    writeFileSync(join(keys, 'two.pem'), pem(rsa))
    const jwks = join(dir, 'jwks.json')
    writeFileSync(jwks, JSON.stringify({ keys: [{ ...await exportJWK(ed.publicKey), kid: 'one', alg: 'EdDSA' }, { ...await exportJWK(rsa.publicKey), kid: 'two', alg: 'RS256' }] }))
    for (const settings of [{ SBX_ADAPTER_JWT_DIR: keys }, { SBX_ADAPTER_JWKS: jwks }]) {
      const server = await adapter(settings)
      try {
        assert.equal(await status(server, await sign({}, { kid: 'one' })), 200)
        assert.equal(await status(server, await sign({}, { kid: 'two', alg: 'RS256', key: rsa.privateKey })), 200)
        assert.equal(await status(server, await sign({}, { kid: 'two' })), 401)
        assert.equal(await status(server, await sign({}, { kid: '../one' })), 401)
        assert.equal((await get(server, '/files/x')).status, 200) // the shared key still opens
      } finally {
        await server.close()
      }
    }
  })

  test('users are apart; what an agent or a skill owns is shared', async () => {
    const file = join(dir, 'ed.pem')
    const server = await adapter({ SBX_ADAPTER_JWT_KEY: file, SANDBOX_API_KEY: '' })
    try {
      const as = async (sub) => ({ key: null, headers: { authorization: `Bearer ${await sign({ sub })}` } })
      const [one, two] = [await as('user1'), await as('user two')]
      const own = (await upload(server, [['file', 'own.txt', 'o']], { ...one, fields: [['kind', 'user'], ['id', 'user1']] })).json
      const shared = (await upload(server, [['file', 's.txt', 'shared']], { ...one, fields: [['kind', 'skill'], ['id', 'sk1'], ['version', '3']] })).json
      const path = (up, query = '') => `/download/${up.session_id}/${up.files[0].fileId}${query}`
      assert.equal((await get(server, path(own, '?kind=user&id=user1'), one)).status, 200)
      assert.equal((await get(server, path(own, '?kind=user&id=user1'), two)).status, 404)
      assert.equal((await get(server, path(shared, '?kind=skill&id=sk1&version=3'), two)).text, 'shared')
      const ref = { id: shared.files[0].fileId, storage_session_id: shared.session_id, name: 'skills/s.txt', kind: 'skill', resource_id: 'sk1', version: 3 }
      const { stdout } = await exec(server, { lang: 'bash', code: 'cat skills/s.txt', files: [ref] }, two)
      assert.equal(stdout, 'shared')
    } finally {
      await server.close()
    }
  })
})

test('the command line says what is wrong in one line', () => {
  const run = (args, env = {}) => {
    try {
      return { status: 0, out: execFileSync(process.execPath, [PROGRAM, ...args], { env: { PATH: process.env.PATH, ...env }, encoding: 'utf8', stdio: 'pipe' }) }
    } catch (err) {
      return { status: err.status, err: err.stderr }
    }
  }
  assert.match(run(['--help']).out, /usage/)
  assert.match(run(['--version']).out, /^sbx-adapter \d/)
  for (const [args, env, status, says] of [[[], {}, 78, /no credential/], [['keys', 'add', 'x'], {}, 78, /SBX_ADAPTER_KEYS/], [['dance'], {}, 2, /dance/], [['keys', 'add'], { SBX_ADAPTER_KEYS: join(dir, 'k') }, 2, /add USER/], [[], { SANDBOX_API_KEY: 'abcdefgh', NETWORK_MODE: 'host' }, 78, /NETWORK_MODE/], [[], { SBX_ADAPTER_JWT_KEY: '/nowhere' }, 78, /nowhere/]]) {
    const result = run(args, env)
    assert.equal(result.status, status, JSON.stringify([args, result]))
    assert.match(result.err, says)
    assert.equal(result.err.trim().split('\n').length, 1)
  }
})
