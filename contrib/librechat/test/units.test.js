// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { describe, test } from 'node:test'
import { collapse } from '../src/app.js'
import { ConfigError, loadConfig, requireAuth, VARIABLES } from '../src/config.js'
import { cut, filesOf, milliseconds, programArgs } from '../src/exec.js'
import { Fairness, Rate } from '../src/fairness.js'
import { disposition } from '../src/files.js'
import { isId, isUser, kindUser, personUser, safeName } from '../src/ids.js'
import { sameKey } from '../src/keys.js'
import { isShallow, Lines } from '../src/lines.js'
import { childEnv } from '../src/sbx.js'
import { identifier, toolList } from '../src/tools.js'

describe('ids and names', () => {
  test('an id is a UUID of version 4 or its short form with empty spare bits', () => {
    for (const good of ['0b8e2c1a-1111-4222-8333-944445555666', 'AAAAAAAAAAAAAAAAAAAAA', 'abc_-ABC0123456789xyQ'.slice(0, 20) + 'w']) assert.ok(isId(good), good)
    for (const wrong of ['', 'AAAAAAAAAAAAAAAAAAAAB', 'A'.repeat(20), 'A'.repeat(22), '0b8e2c1a-1111-1222-8333-944445555666', '../../../etc/passwd00', null, 7]) assert.ok(!isId(wrong), String(wrong))
  })
  test('a subject that is a user name stays one, all others get a fixed hash', () => {
    assert.equal(personUser('65f1c0ffee65f1c0ffee65f1'), '65f1c0ffee65f1c0ffee65f1')
    for (const odd of ['a b', 'ünï', 'agent-x', 'h-1', '-x', 'x'.repeat(65)]) {
      assert.match(personUser(odd), /^h-[0-9a-f]{40}$/)
      assert.equal(personUser(odd), personUser(odd))
    }
    assert.notEqual(personUser('u', 'one'), personUser('u', 'two'))
  })
  test('nobody can take the name of an agent, a skill or a hash', () => {
    for (const name of [kindUser('agent', 'a1'), kindUser('skill', 'x:y'), personUser('a b')]) assert.ok(!isUser(name))
    assert.equal(kindUser('agent', 'a1'), 'agent-a1')
    assert.match(kindUser('skill', 'x:y'), /^skill-[0-9a-f]{40}$/)
  })
  test('a name never leads out of the workspace', () => {
    for (const [raw, safe] of [['a/b.csv', 'a/b.csv'], ['/etc/passwd', 'etc/passwd'], ['../../x', 'x'], ['a//./b', 'a/b'], ['a\\..\\b', 'a_.._b'], ['a\0b', 'a_b'], ['..', ''], ['', ''], [7, ''], ['日本 😀.txt', '日本 😀.txt'], ['\ud800', '\ufffd'], ['x'.repeat(256), '']]) {
      assert.equal(safeName(raw), safe)
    }
  })
})

describe('requests', () => {
  test('arguments of every kind become words', () => {
    assert.deepEqual(programArgs(['a b', 1, null, { k: [1] }, true]), ['a b', '1', 'null', '{"k":[1]}', 'true'])
    assert.deepEqual([programArgs(undefined), programArgs(null), programArgs(''), programArgs('x'), programArgs(3)], [[], [], [], ['x'], ['3']])
    assert.throws(() => programArgs(['\0']), { statusCode: 400 })
    assert.throws(() => programArgs(Array(2000).fill('a')), { statusCode: 400 })
  })
  test('only a number is a time', () => {
    assert.deepEqual(['5', NaN, -1, 0, null, 1e99, 1.6, 50].map((value) => milliseconds(value)), [undefined, undefined, undefined, undefined, undefined, 3_600_000, 100, 100])
  })
  test('cutting splits no character', () => {
    assert.deepEqual(cut('aé€', 5), { text: 'aé', cut: true })
    assert.deepEqual(cut('aé€', 6), { text: 'aé€', cut: false })
  })
  test('outputs that could not be kept are announced with sums that fit', () => {
    const doc = { session: 's', files: [{ id: 'i', name: 'a', change: 'created' }], skipped: [{ name: 'b', reason: 'larger than the limit' }, { name: 'p', reason: 'not a regular file' }] }
    assert.deepEqual(filesOf(doc, []).artifact_delivery, { code: 'artifact_delivery_failed', status: 'partial', attempted: 2, delivered: 1, failed: 1 })
    assert.equal(filesOf({ ...doc, skipped: [] }, []).artifact_delivery, undefined)
  })
  test('a path of doubled slashes is the path', () => {
    assert.equal(collapse('//v1//exec?a=//b'), '/v1/exec?a=//b')
  })
  test('a header never breaks', () => {
    assert.equal(disposition('d/é"\r\n.txt'), "attachment; filename=\"____.txt\"; filename*=UTF-8''%C3%A9%22%0D%0A.txt")
  })
  test('lines are bounded', () => {
    const got = []
    let long = 0
    const lines = new Lines(5, (line) => got.push(line), () => { long++ })
    for (const piece of ['ab', 'c\nde', '\n', '123456', '\nx\n', 'y\n']) lines.push(piece)
    assert.deepEqual([got, long > 0], [['abc', 'de'], true])
  })
  test('depth is bounded without recursion', () => {
    let deep = 1
    for (let i = 0; i < 200_000; i++) deep = [deep]
    assert.ok(!isShallow(deep))
    assert.ok(isShallow({ a: [{ b: 1 }] }))
  })
  test('sbx sees neither keys nor settings of the adapter', () => {
    const env = childEnv({ PATH: '/bin', SANDBOX_API_KEY: 'k', LIBRECHAT_CODE_API_KEY: 'k', SBX_ADAPTER_KEYS: 'f', SBX_STORAGE: '/s', NODE_OPTIONS: 'x', SBX_SECRET: 's', AWS_TOKEN: 't' }, { ip: '1.2.3.4', agent: 'a\nb' })
    assert.deepEqual(env, { PATH: '/bin', SBX_STORAGE: '/s', SBX_CLIENT_IP: '1.2.3.4', SBX_CLIENT_AGENT: 'a b' })
  })
})

describe('tools', () => {
  test('identifiers are those that clients compute', () => {
    assert.deepEqual(['get-weather', 'a b', 'x.y', '9lives', 'class', 'naïve', 'a$b'].map((n) => identifier(n, 'py')), ['get_weather', 'a_b', 'xy', '_9lives', 'class_tool', 'nave', 'ab'])
    assert.deepEqual(['get-weather', 'x.y', 'test', 'class'].map((n) => identifier(n, 'bash')), ['get_weather', 'x_y', 'test_tool', 'class'])
  })
  test('two tools of one identifier are refused, the same one twice is not', () => {
    assert.throws(() => toolList([{ name: 'a-b' }, { name: 'a_b' }], 'py'), { statusCode: 400 })
    assert.equal(toolList([{ name: 'a-b' }, { name: 'a-b' }], 'py').length, 1)
  })
  test('a schema may be anything', () => {
    const list = toolList([{ name: 't', parameters: { properties: JSON.parse('{"__proto__":{},"b-c":{},"a":{}}'), required: ['a', 7, 'zz'] } }, { name: 'u', parameters: 7 }], 'py')
    assert.deepEqual(list.map(({ params, required }) => [params, required]), [[['a', '__proto__', 'b-c'], ['a']], [[], []]])
    assert.equal(list[0].alias.b_c, 'b-c')
  })
})

describe('fairness', () => {
  const tick = () => new Promise((resolve) => { setImmediate(resolve) })
  test('who waits is served round-robin over principals', async () => {
    const fair = new Fairness({ perPrincipal: 1, total: 1, queueMax: 100, waitMs: 5000 })
    const order = []
    const hold = await fair.acquire('a')
    const runs = ['a', 'a', 'a', 'b', 'c', 'b'].map(async (who) => {
      const leave = await fair.acquire(who)
      order.push(who)
      await tick()
      leave()
    })
    hold()
    await Promise.all(runs)
    assert.deepEqual(order, ['a', 'b', 'c', 'a', 'b', 'a'])
    assert.deepEqual(fair.state, { running: 0, waiting: 0 })
  })
  test('one principal has its own bound below the total', async () => {
    const fair = new Fairness({ perPrincipal: 2, total: 3, queueMax: 10, waitMs: 30 })
    await fair.acquire('a')
    await fair.acquire('a')
    const third = fair.acquire('a')
    await fair.acquire('b')
    assert.deepEqual(fair.state, { running: 3, waiting: 1 })
    await assert.rejects(third, { statusCode: 429 })
    assert.equal(fair.state.waiting, 0)
  })
  test('a full queue and one that is mostly of one principal are 429 with a time', async () => {
    const fair = new Fairness({ perPrincipal: 1, total: 1, queueMax: 2, waitMs: 50 })
    await fair.acquire('a')
    const waiting = fair.acquire('a').catch((err) => err)
    await assert.rejects(fair.acquire('a'), (err) => err.statusCode === 429 && err.headers['retry-after'] === '1' && err.body.retry_after_seconds === 1)
    const other = fair.acquire('b').catch((err) => err)
    await assert.rejects(fair.acquire('c'), { statusCode: 429 })
    await Promise.all([waiting, other])
  })
  test('who has gone away waits no longer, and a place is given back once', async () => {
    const fair = new Fairness({ perPrincipal: 1, total: 1, queueMax: 9, waitMs: 5000 })
    const leave = await fair.acquire('a')
    const gone = new AbortController()
    const waiting = fair.acquire('b', gone.signal)
    gone.abort(new Error('gone'))
    await assert.rejects(waiting, /gone/)
    leave()
    leave()
    assert.deepEqual(fair.state, { running: 0, waiting: 0 })
  })
  test('a rate fills again with time', () => { // S4-11
    let now = 0
    const rate = new Rate({ perMinute: 60, burst: 2, now: () => now })
    rate.take('a')
    rate.take('a')
    assert.throws(() => rate.take('a'), { statusCode: 429 })
    rate.take('b')
    now = 1000
    rate.take('a')
    assert.throws(() => rate.take('a'), { statusCode: 429 })
  })
})

test('keys are compared by hashes of one length, in constant time', () => { // S1-40
  const key = 'correct-horse'
  assert.equal(sameKey(key, key), true)
  for (const shown of ['', 'c', 'correct-hors', 'correct-horsf', 'dorrect-horse', `${key}x`, 'x'.repeat(100_000)]) assert.equal(sameKey(shown, key), false, shown.slice(0, 20))
  // no other comparison of a credential is in the source: none ends at the first byte that differs
  for (const file of ['auth.js', 'keys.js']) {
    const source = readFileSync(new URL(`../src/${file}`, import.meta.url), 'utf8')
    assert.doesNotMatch(source, /(shown|apiKey|key|sha256)\s*[!=]==?\s*(this\.|shown|wanted|cfg)/, file)
  }
  assert.match(readFileSync(new URL('../src/keys.js', import.meta.url), 'utf8'), /sameKey = \(a, b\) => timingSafeEqual\(hash\(a\), hash\(b\)\)/)
})

describe('configuration', () => {
  test('every variable stands in env.example and in no other spelling', () => { // S4-50
    const example = readFileSync(new URL('../env.example', import.meta.url), 'utf8')
    const named = [...example.matchAll(/^#? ?([A-Z][A-Z0-9_]+)=/gm)].map(([, name]) => name)
    assert.deepEqual([...new Set(named)].sort(), VARIABLES.map(([name]) => name).sort())
    assert.equal(new Set(named).size, named.length)
  })
  test('every variable stands in the README', () => {
    const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
    for (const [name] of VARIABLES) assert.ok(readme.includes(`\`${name}\``), name)
  })
  test('defaults are those that are promised', () => { // S1-18, S1-24, S1-26, S2-40
    const cfg = loadConfig({})
    assert.deepEqual([cfg.port, cfg.perPrincipal, cfg.logLevel, cfg.host, cfg.timeoutMs], [3081, 5, 'info', '127.0.0.1', undefined])
    assert.ok(cfg.total >= 10)
  })
  test('every level of the log is understood, and no database is asked for', () => { // S1-16, S1-26, S1-44
    const levels = ['error', 'warn', 'info', 'debug', 'verbose'].map((level) => loadConfig({ SANDBOX_LOG_LEVEL: level }).logLevel)
    assert.deepEqual(levels, ['error', 'warn', 'info', 'debug', 'trace'])
    assert.equal(loadConfig({}).mongoUri, undefined)
  })
  test('values that are understood', () => { // S1-12, S1-25, S1-28, S1-29, S4-45, S4-51, S4-52, S4-53, S4-57, S4-60, S4-61
    const cfg = loadConfig({
      SANDBOX_PORT: '8090', LIBRECHAT_CODE_API_KEY: 'abcdefgh', MAX_EXECUTION_TIME: '60', MAX_MEMORY_MB: '256', MAX_CONCURRENT_EXECUTIONS: '20',
      SANDBOX_LOG_LEVEL: 'verbose', ENABLE_RUST: 'false', NETWORK_MODE: 'none', READ_ONLY_ROOT: 'true', DROP_ALL_CAPABILITIES: 'true',
      ENABLE_AUDIT_LOG: 'true', MONGO_URI: 'mongodb://x', MONGO_MAX_POOL_SIZE: '10', MONGO_MIN_POOL_SIZE: '2', SANDBOX_AUDIT_TTL_DAYS: '90',
      RATE_LIMIT_PER_MINUTE: '30', RATE_LIMIT_BURST: '10', SANDBOX_STORAGE_PATH: './storage',
    })
    assert.deepEqual([cfg.port, cfg.apiKey, cfg.timeoutMs, cfg.memoryMb, cfg.total, cfg.logLevel, cfg.enableRust, cfg.mongoUri, cfg.mongoPoolMin], [8090, 'abcdefgh', 60_000, 256, 20, 'trace', false, 'mongodb://x', 2])
    assert.equal(loadConfig({ SANDBOX_TIMEOUT_MS: '1000', MAX_EXECUTION_TIME: '60', SANDBOX_API_KEY: 'firstfirst', LIBRECHAT_CODE_API_KEY: 'secondsecond' }).timeoutMs, 1000)
  })
  test('what cannot be promised is refused with the name and the reason', () => { // S1-21, S4-26, S4-59, S4-60, S4-61
    for (const [name, value] of [['NETWORK_MODE', 'bridge'], ['NETWORK_MODE', 'host'], ['READ_ONLY_ROOT', 'false'], ['DROP_ALL_CAPABILITIES', 'false'], ['ENABLE_AUDIT_LOG', 'false'],
      ['SANDBOX_DOCKER_IMAGE', 'librechat/sandbox-executor:latest'], ['CONTAINER_IMAGE', 'sandbox-runtime:latest'], ['SANDBOX_PORT', '99999'], ['SANDBOX_PORT', '1e3'],
      ['SANDBOX_LOG_LEVEL', 'loud'], ['ENABLE_PYTHON', 'maybe'], ['SANDBOX_API_KEY', 'short'], ['SBX_ADAPTER_USER', 'a b'], ['MONGO_URI', 'http://x'], ['MONGO_MIN_POOL_SIZE', '11']]) {
      assert.throws(() => loadConfig({ [name]: value }), (err) => err instanceof ConfigError && err.message.startsWith(name), name)
    }
  })
  test('without a credential it does not start unless told so', () => { // S1-20
    assert.throws(() => requireAuth(loadConfig({})), ConfigError)
    requireAuth(loadConfig({ SBX_ADAPTER_NO_AUTH: '1' }))
    requireAuth(loadConfig({ SANDBOX_API_KEY: 'abcdefgh' }))
  })
  // One row for each variable that the requirements name: what is understood, and what is refused why.
  const cores = availableParallelism()
  const ROWS = [
    ['S4-51', 'SANDBOX_PORT', '8090', (cfg) => cfg.port === 8090],
    ['S4-52', 'MAX_EXECUTION_TIME', '60', (cfg) => cfg.timeoutMs === 60_000],
    ['S4-52', 'MAX_EXECUTION_TIME', '0', /1 to 3600/],
    ['S4-53', 'MAX_MEMORY_MB', '512', (cfg) => cfg.memoryMb === 512],
    ['S4-53', 'MAX_MEMORY_MB', '512m', /whole number/],
    ['S4-54', 'MAX_CONCURRENT_EXECUTIONS', '10', (cfg) => cfg.total === 10],
    ['S4-54', 'MAX_CONCURRENT_EXECUTIONS', undefined, (cfg) => cfg.total === Math.max(10, 4 * cores)],
    ['S4-54', 'MAX_CONCURRENT_EXECUTIONS', '0', /1 to/],
    ...[['PYTHON', 'enablePython'], ['JAVASCRIPT', 'enableJavascript'], ['SHELL', 'enableShell'], ['RUST', 'enableRust']].flatMap(([word, key]) => [
      ['S4-55', `ENABLE_${word}`, undefined, (cfg) => cfg[key] === true], ['S4-55', `ENABLE_${word}`, 'false', (cfg) => cfg[key] === false], ['S4-55', `ENABLE_${word}`, 'perhaps', /neither true nor false/],
    ]),
    ['S4-56', 'ENABLE_AUDIT_LOG', 'true', () => true],
    ['S4-56', 'ENABLE_AUDIT_LOG', 'false', /audit log/],
    ['S4-57', 'MAX_EXECUTION_TIME', '30', (cfg) => cfg.timeoutMs === 30_000],
    ['S4-57', 'MAX_MEMORY_MB', '256', (cfg) => cfg.memoryMb === 256],
    ['S4-57', 'MAX_CONCURRENT_EXECUTIONS', '20', (cfg) => cfg.total === 20],
    ['S4-58', 'RATE_LIMIT_PER_MINUTE', '30', (cfg) => cfg.ratePerMinute === 30],
    ['S4-58', 'RATE_LIMIT_BURST', '10', (cfg) => cfg.rateBurst === 10],
    ['S4-58', 'RATE_LIMIT_BURST', '-1', /whole number/],
    ['S4-59', 'NETWORK_MODE', 'none', () => true],
    ['S4-59', 'NETWORK_MODE', 'bridge', /no network/],
    ['S4-59', 'NETWORK_MODE', 'host', /no network/],
    ['S4-60', 'READ_ONLY_ROOT', 'true', () => true],
    ['S4-60', 'READ_ONLY_ROOT', 'false', /cannot be switched off/],
    ['S4-61', 'DROP_ALL_CAPABILITIES', 'true', () => true],
    ['S4-61', 'DROP_ALL_CAPABILITIES', 'false', /cannot be switched off/],
  ]
  for (const [id, name, value, expected] of ROWS) {
    const is = expected instanceof RegExp
    test(`${id}: ${name}${value === undefined ? ' unset' : `=${value}`} is ${is ? 'refused with a reason' : 'understood'}`, () => {
      if (!is) assert.ok(expected(loadConfig(value === undefined ? {} : { [name]: value })))
      else assert.throws(() => loadConfig({ [name]: value }), (err) => err instanceof ConfigError && err.message.startsWith(name) && expected.test(err.message))
    })
  }
})
