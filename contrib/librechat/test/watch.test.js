// SPDX-License-Identifier: Apache-2.0
// Who watches: the live dashboard and the metrics, without a browser (browser.test.js has one).
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { loadConfig } from '../src/config.js'
import { livePage, partsOf } from '../src/dashboard.js'
import { adapter, get, isReal, KEY, post, raw, until } from './help.js'

const WATCH = 'w4tchw4tch'
const basic = (text) => ({ authorization: `Basic ${Buffer.from(text).toString('base64')}` })

let server
before(async () => {
  server = await adapter({ SBX_ADAPTER_WATCH_KEY: WATCH, SBX_ADAPTER_WATCH_MS: '200', SBX_ADAPTER_WATCH_MAX: '3' })
  mkdirSync(server.env.SBX_STATE, { recursive: true })
})
after(() => server.close())
const tell = (name, text) => writeFileSync(join(server.env.SBX_STATE, name), text)
const looks = () => { try { return readFileSync(join(server.env.SBX_STATE, 'looks'), 'utf8').trim().split('\n').map((line) => JSON.parse(line)) } catch { return [] } }

/** One who looks: gathers the events. */
function viewer({ key = WATCH } = {}) {
  const self = { events: [], status: undefined }
  self.opened = new Promise((resolve) => {
    self.req = request({ port: server.port, host: '127.0.0.1', path: '/dashboard/events', headers: basic(`me:${key}`) }, (res) => {
      self.status = res.statusCode
      self.headers = res.headers
      let text = ''
      res.setEncoding('utf8').on('data', (data) => {
        text += data
        const whole = text.split('\n\n')
        text = whole.pop()
        for (const one of whole) {
          const [, event, json] = /^event: (\S+)\ndata: (.*)$/.exec(one) ?? []
          if (event) self.events.push({ event, data: JSON.parse(json) })
        }
      })
      res.on('close', () => { self.isClosed = true })
      resolve(self)
    })
    self.req.on('error', () => { self.isClosed = true; resolve(self) })
    self.req.end()
  })
  self.leave = () => self.req.destroy()
  return self.opened
}

describe('the watch key', () => {
  test('opens the dashboard and the metrics, as password, user, bearer and header', async () => { // S0-44
    for (const headers of [basic(`anybody:${WATCH}`), basic(`${WATCH}:`), basic(WATCH), { authorization: `Bearer ${WATCH}` }, { 'x-api-key': WATCH }]) {
      for (const path of ['/dashboard', '/metrics']) assert.equal((await get(server, path, { key: null, headers })).status, 200, JSON.stringify(headers))
    }
  })
  test('opens nothing else, and nothing else opens them', async () => {
    for (const [method, path] of [['GET', '/api/v1/stats'], ['GET', '/api/v1/config'], ['GET', '/files/x']]) assert.equal((await get(server, path, { key: WATCH })).status, 401, method)
    assert.equal((await post(server, '/exec', { lang: 'py', code: '1' }, { key: WATCH })).status, 401)
    for (const path of ['/dashboard', '/dashboard/live.js', '/dashboard/live.css', '/dashboard/events', '/metrics']) {
      for (const more of [{ key: null }, { key: KEY }, { key: `${WATCH}x` }, { key: null, headers: basic(`${WATCH.slice(1)}:x`) }, { key: null, headers: basic(':') }]) {
        const answer = await get(server, path, more)
        assert.equal(answer.status, 401, path)
        assert.match(answer.headers.get('www-authenticate'), /^Basic realm=/)
      }
      assert.equal((await get(server, `${path}?key=${WATCH}`, { key: null })).status, 401)
      assert.ok([401, 404].includes((await post(server, path, {}, { key: WATCH })).status))
    }
  })
  test('is in no log', async () => {
    assert.ok(server.logged.length > 5)
    assert.ok(!server.logged.join('').includes(WATCH))
    assert.ok(!server.logged.join('').includes(Buffer.from(`anybody:${WATCH}`).toString('base64')))
  })
  test('is not short, and is not the shared key', () => {
    assert.throws(() => loadConfig({ SBX_ADAPTER_WATCH_KEY: 'short' }), /too short/)
    assert.throws(() => loadConfig({ SBX_ADAPTER_WATCH_KEY: 'thesamekey', SANDBOX_API_KEY: 'thesamekey' }), /must differ/)
  })
  test('that is not set serves neither', async () => {
    const closed = await adapter()
    try {
      for (const path of ['/dashboard', '/dashboard/events', '/metrics']) assert.equal((await get(closed, path)).status, 404)
    } finally {
      await closed.close()
    }
  })
})

describe('the page', () => {
  test('comes under a policy that lets only our script and this style in', async () => {
    const { text, headers } = await get(server, '/dashboard', { key: WATCH })
    const policy = headers.get('content-security-policy')
    assert.match(policy, /^default-src 'none'; style-src 'self' 'sha256-[A-Za-z0-9+/]{43}='; script-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'/)
    assert.ok(!/unsafe|http-equiv|\son[a-z]+=|style="/.test(policy + text))
    assert.equal([...text.matchAll(/<script/g)].length, 1)
    assert.ok(!/(src|href)="(https?:)?\/\//.test(text))
    assert.deepEqual([headers.get('cache-control'), headers.get('x-content-type-options')], ['no-store', 'nosniff'])
  })
  test('of another shape is refused, not served half', () => {
    for (const html of ['', '<html>', '<style>x</style>', '<meta http-equiv="Content-Security-Policy" content="x"><style></style>']) {
      assert.throws(() => livePage(html), { statusCode: 503 })
      assert.throws(() => partsOf(html), { statusCode: 503 })
    }
  })
})

describe('what is live', { skip: isReal }, () => {
  test('reaches all who look with one look at sbx, first whole, then what changed', async () => {
    tell('page', '1')
    const viewers = await Promise.all([viewer(), viewer(), viewer()])
    for (const one of viewers) {
      assert.deepEqual([one.status, one.headers['content-type']], [200, 'text/event-stream'])
      await until(() => one.events.some(({ data }) => data.minutes), 'the parts')
    }
    const begin = looks().length
    tell('page', '2')
    for (const one of viewers) await until(() => one.events.some(({ data }) => data.minutes?.includes('<p>2</p>')), 'the change')
    const ticks = () => viewers[0].events.length
    const from = ticks()
    await until(() => ticks() > from + 3, 'some ticks')
    // Three look, but the pages of sbx are as many as the ticks.
    assert.ok(looks().length - begin <= ticks() + 2)
    const last = viewers[0].events.at(-1).data
    assert.ok(!('health' in last) && !('minutes' in last), Object.keys(last).join())
    // One more than the bound is turned away.
    const fourth = await viewer()
    assert.equal(fourth.status, 503)
    for (const one of viewers) one.leave()
    await until(async () => /sbx_adapter_dashboards 0/.test((await get(server, '/metrics', { key: WATCH })).text), 'their leaving')
    const rest = looks().length
    await new Promise((resolve) => { setTimeout(resolve, 700) })
    assert.equal(looks().length, rest, 'nobody looks, so sbx is not asked')
    const again = await viewer()
    assert.equal(again.status, 200)
    again.leave()
  })
  test('says so when sbx does not answer, and goes on when it does', async () => {
    const one = await viewer()
    await until(() => one.events.some(({ data }) => data.cards), 'the parts')
    tell('no-page', '1')
    await until(() => one.events.at(-1).event === 'trouble', 'the trouble')
    rmSync(join(server.env.SBX_STATE, 'no-page'))
    await until(() => one.events.at(-1).event === 'parts', 'the page again')
    one.leave()
  })
  test('does not wait for one who does not read', async () => {
    tell('page', 'x'.repeat(40_000))
    const { connect } = await import('node:net')
    const socket = connect(server.port, '127.0.0.1')
    socket.on('error', () => {})
    socket.write(`GET /dashboard/events HTTP/1.1\r\nHost: x\r\nX-API-Key: ${WATCH}\r\n\r\n`)
    socket.pause()
    let n = 0
    const timer = setInterval(() => tell('page', `${n++}${'x'.repeat(400_000)}`), 50)
    const other = await viewer()
    const gauge = async () => Number(/sbx_adapter_dashboards (\d+)/.exec((await get(server, '/metrics', { key: WATCH })).text)[1])
    await until(async () => await gauge() === 1 && other.events.length > 8, 'the other one alone', 30_000)
    clearInterval(timer)
    socket.destroy()
    other.leave()
    tell('page', '3')
  })
  test('health of the adapter and of the host is in it', () => {
    assert.deepEqual(Object.keys(looks().at(-1).health), ['host', 'adapter'])
    assert.match(looks().at(-1).health.adapter, /^ok, 0 running, 0 waiting, \d+ wrong keys$/)
  })
})

describe('the metrics', () => {
  test('are a text that can be read, of sbx and of the adapter', async () => { // S3-66 to S3-70 S4-17
    await get(server, '/health')
    const { text, headers } = await get(server, '/metrics', { key: WATCH })
    assert.match(headers.get('content-type'), /^text\/plain; version=0\.0\.4/)
    const typed = new Set()
    for (const line of text.trimEnd().split('\n')) {
      const type = /^# TYPE ([a-z_]+) (counter|gauge|histogram)$/.exec(line)
      if (type) typed.add(type[1])
      else if (!line.startsWith('# HELP ')) {
        const [, name] = /^([a-z_]+)(?:\{[a-z]+="[^"\n\\]*"(?:,[a-z]+="[^"\n\\]*")*\})? -?[0-9.e+-]+$/.exec(line) ?? []
        assert.ok(name && (typed.has(name) || typed.has(name.replace(/_(bucket|sum|count)$/, ''))), line)
      }
    }
    assert.match(text, /^sbx_adapter_requests_total\{method="GET",route="\/health",status="200"\} \d+$/m)
    assert.match(text, /^sbx_adapter_sbx_up 1$/m)
    assert.match(text, /^sbx_running 0$/m)
  })
  test('of the adapter are there when sbx is not', { skip: isReal }, async () => {
    tell('no-stats', '1')
    const { status, text } = await get(server, '/metrics', { key: WATCH })
    rmSync(join(server.env.SBX_STATE, 'no-stats'))
    assert.equal(status, 200)
    assert.match(text, /^sbx_adapter_sbx_up 0$/m)
    assert.ok(!/^sbx_running/m.test(text))
  })
  test('grow by no route or method that a client makes up', async () => {
    const lines = async () => (await get(server, '/metrics', { key: WATCH })).text.split('\n').filter((line) => line.startsWith('sbx_adapter_requests_total{')).length
    await get(server, '/none-0')
    const before_ = await lines()
    for (let i = 1; i < 30; i++) await get(server, `/none-${i}/"x{}`)
    await raw(server, ['BREW /x HTTP/1.1\r\nHost: x\r\n\r\n'])
    assert.ok(await lines() <= before_ + 1)
  })
})
