// SPDX-License-Identifier: Apache-2.0
// The dashboard in headless Chromium over the real sbx: what goes wrong in a run is found on the page. SBX_SHOTS names
// a directory that gets pictures of it. Without a browser this is skipped, unless SBX_MUST is set.
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import puppeteer from 'puppeteer-core'
import { adapter, isReal, post, until } from './help.js'

const WATCH = 'w4tchw4tch'
const BROWSER = [process.env.SBX_BROWSER, '/usr/bin/chromium-headless-shell', '/usr/bin/chromium', '/usr/bin/google-chrome'].find((path) => path && existsSync(path))
const lacking = !isReal ? 'needs the real sbx' : !BROWSER && !process.env.SBX_MUST ? 'no Chromium here' : false

describe('the dashboard in a browser', { skip: lacking }, () => {
  let server
  let browser
  let page
  let profile
  const complaints = []
  const outside = []
  const execute = async (code, more) => (await post(server, '/api/v1/execute', { language: 'python', code, ...more }))
  const card = (name) => page.$$eval('dl.cards .card', (all, wanted) => all.find((one) => one.querySelector('dt').textContent === wanted)?.querySelector('dd').textContent, name)
  const row = (section, name) => page.$$eval(`section[aria-labelledby="${section}"] tr`, (all, wanted) => all.find((one) => one.querySelector('th[scope=row]')?.textContent === wanted)?.querySelector('td')?.textContent, name)
  const shot = async (name) => { if (process.env.SBX_SHOTS) await page.screenshot({ path: join(process.env.SBX_SHOTS, `${name}.png`), fullPage: true }) }

  before(async () => {
    profile = mkdtempSync(join(tmpdir(), 'sbx-browser-'))
    writeFileSync(join(profile, 'sbx.json'), '{"user_sessions":1000,"rate_per_minute":1,"rate_burst":12}')
    server = await adapter({ SBX_ADAPTER_WATCH_KEY: WATCH, SBX_ADAPTER_WATCH_MS: '300', SBX_CONFIG: join(profile, 'sbx.json') })
    browser = await puppeteer.launch({
      executablePath: BROWSER, headless: true, userDataDir: join(profile, 'data'), timeout: 60_000,
      args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
    })
    page = await browser.newPage()
    page.on('console', (message) => { if (['error', 'warn'].includes(message.type())) complaints.push(message.text()) })
    page.on('pageerror', (err) => complaints.push(err.message))
    page.on('request', (req) => { if (!req.url().startsWith(server.base)) outside.push(req.url()) })
    await page.setViewport({ width: 1280, height: 900 })
    await page.authenticate({ username: 'operator', password: WATCH })
    await page.goto(`${server.base}/dashboard`, { timeout: 60_000 })
  })
  after(async () => {
    await browser?.close()
    await server?.close()
    if (profile) rmSync(profile, { recursive: true, force: true, maxRetries: 30, retryDelay: 100 })
  })

  test('is live, and empty before anything ran', async () => { // S0-44
    await page.waitForFunction(() => document.getElementById('state').textContent === 'Live', { timeout: 40_000 })
    assert.equal(await card('Runs'), '0')
    assert.match(await page.$eval('section[aria-labelledby=refusals]', (one) => one.textContent), /Nothing was denied/)
  })
  test('shows a timeout', async () => {
    assert.equal((await execute('while True: pass', { timeout: 1 })).json.status, 'timeout')
    await until(async () => await row('by_status', 'timeout') === '1', 'the timeout', 40_000)
    assert.deepEqual([await card('Timeouts'), await row('limits_hit', 'wall_ms')], ['1', '1'])
  })
  test('shows a run that was out of memory', async () => {
    const { json } = await execute('a = []\nwhile True: a.append(bytearray(b"x" * 8388608))')
    assert.equal(json.status, 'memory_limit')
    await until(async () => await row('by_status', 'memory_limit') === '1', 'the memory', 40_000)
    assert.equal(await row('limits_hit', 'memory_bytes'), '1')
  })
  test('shows an operation that was denied in the jail', async () => {
    const { json } = await execute('import ctypes\nctypes.CDLL(None, use_errno=True).unshare(0x10000000)')
    assert.equal(json.status, 'success')
    await until(async () => await card('Denied operations') === '1', 'the denial', 40_000)
    assert.equal(await row('refusals', 'Operations denied in a jail'), '1')
  })
  test('shows runs of several languages, their durations and what users store', async () => {
    for (let i = 0; i < 5; i++) assert.equal((await execute(`print(${i})`)).json.status, 'success')
    await post(server, '/api/v1/execute', { language: 'javascript', code: 'require("fs").writeFileSync("/mnt/data/a.bin", Buffer.alloc(3 << 20)); console.log(1)' })
    await post(server, '/api/v1/execute', { language: 'shell', code: 'exit 3' })
    await until(async () => await row('by_lang', 'python') === '8' && await row('by_status', 'error') === '1', 'the languages', 40_000)
    await until(async () => await row('storage', 'librechat') === '3.0 MiB', 'the storage', 40_000)
    assert.match(await row('users', 'librechat'), /, 10$/)
    for (const name of ['p50', 'p95', 'p99']) assert.match(await card(name), /^[\d.]+ (ms|s)$/)
  })
  test('shows that somebody was refused for the rate', async () => {
    let last
    for (let i = 0; i < 12 && last?.status !== 429; i++) last = await execute('print(1)')
    assert.equal(last.status, 429)
    await until(async () => await row('refusals', 'Rate or budget') === '1', 'the refusal', 40_000)
    assert.equal(await card('Refused'), '1')
    assert.equal(await page.$eval('#news', (one) => one.textContent), 'Refused: 1')
  })
  test('shows the health of each layer', async () => {
    for (const [name, text] of [['host', /^ok/], ['adapter', /^ok/], ['isolation', /no run was refused/], ['audit log', /no verification failed/], ['seccomp', /^\w+:\d+:[0-9a-f]{64}$/], ['namespaces', /^user, mnt, pid, net/], ['landlock', /^\d$/]]) {
      assert.match(await row('health', name) ?? '', text, name)
    }
  })
  test('shows a run that goes on', async () => {
    // The tokens of this user are gone, so it is another door of the same store that runs it.
    const { spawn } = await import('node:child_process')
    const child = spawn(server.env.SBX, ['exec', '-u', 'somebody', '-c', 'import time; time.sleep(20)', '--lang', 'python', '--die-with-parent'], { env: server.env, stdio: 'ignore' })
    const ended = new Promise((resolve) => { child.once('exit', resolve) })
    await until(async () => await card('Running now') === '1', 'the run', 40_000)
    child.kill('SIGTERM')
    await ended
    await until(async () => await card('Running now') === '0', 'its end', 40_000)
  })
  test('names stay text, whatever is in them', async () => {
    // A name that sbx would refuse: put where only the page is tested.
    const text = await page.evaluate(() => document.body.innerHTML)
    assert.ok(!/<script|<img|<iframe/i.test(text))
  })
  test('can be used by keyboard, keeps the place of the reader, and can be paused', async () => {
    await page.evaluate(() => document.activeElement?.blur())
    await page.keyboard.press('Tab')
    assert.equal(await page.evaluate(() => document.activeElement.className), 'skip')
    await page.keyboard.press('Tab')
    assert.equal(await page.evaluate(() => document.activeElement.id), 'pause')
    await page.$eval('section[aria-labelledby=minutes] summary', (one) => one.focus())
    await page.keyboard.press('Enter')
    const opened = () => page.$eval('section[aria-labelledby=minutes] details', (one) => one.open && document.activeElement === one.querySelector('summary'))
    assert.equal(await opened(), true)
    // The section is replaced under the reader.
    await page.$eval('section[aria-labelledby=minutes]', (one) => { one.dataset.old = 'yes' })
    await execute('print(1)')
    await until(() => page.$eval('section[aria-labelledby=minutes]', (one) => one.dataset.old === undefined), 'a new section', 40_000)
    assert.equal(await opened(), true)
    await page.focus('#pause')
    await page.keyboard.press('Space')
    assert.deepEqual(await page.$eval('#pause', (one) => [one.getAttribute('aria-pressed'), document.getElementById('state').textContent]), ['true', 'Paused'])
    const written = await page.$eval('header time', (one) => one.textContent)
    await new Promise((resolve) => { setTimeout(resolve, 1200) })
    assert.equal(await page.$eval('header time', (one) => one.textContent), written)
    await page.keyboard.press('Space')
    await page.waitForFunction((was) => document.querySelector('header time').textContent !== was, { timeout: 40_000 }, written)
  })
  test('tells a screen reader what things are', async () => {
    const tree = JSON.stringify(await page.accessibility.snapshot({ interestingOnly: false }))
    for (const wanted of ['"role":"heading","name":"Health"', '"role":"button","name":"Pause"', '"role":"status"', '"role":"log"', '"role":"main"']) assert.ok(tree.includes(wanted), wanted)
    assert.match(tree, /"role":"(image|img)","name":"Histogram of durations: half of the runs/)
    assert.deepEqual(await page.$$eval('table', (all) => all.filter((one) => !one.caption && !one.closest('[role=region]')).length), 0)
    assert.equal(await page.$eval('html', (one) => one.lang), 'en')
  })
  for (const theme of ['light', 'dark']) {
    test(`can be read in ${theme}, wide and narrow`, async () => {
      await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: theme }])
      for (const width of [1280, 390]) {
        await page.setViewport({ width, height: 900 })
        assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= document.documentElement.clientWidth), `nothing stands out at ${width}`)
        const weak = await page.evaluate(contrasts)
        assert.deepEqual(weak, [], 'contrast of text is 4.5 at least')
        await shot(`${theme}-${width}`)
      }
      await page.setViewport({ width: 1280, height: 900 })
    })
  }
  test('asks nobody else, and breaks no rule of its policy', () => {
    assert.deepEqual([complaints.filter((text) => !/401/.test(text)), outside], [[], []])
  })
  test('says that the connection is lost, and comes back', async () => {
    await page.setOfflineMode(true)
    server.app.server.closeAllConnections()
    await page.waitForFunction(() => /lost/.test(document.getElementById('state').textContent), { timeout: 40_000 })
    await page.setOfflineMode(false)
    await page.waitForFunction(() => document.getElementById('state').textContent === 'Live', { timeout: 30_000 })
  })
})

/** Runs in the page: texts whose contrast with what is behind them is too small. */
function contrasts() {
  const parse = (color) => (color.match(/[\d.]+/g) ?? []).map(Number)
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4))
    return 0.2126 * x + 0.7152 * y + 0.0722 * z
  }
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = parse(getComputedStyle(at).backgroundColor)
      if (color.length === 3 || color[3] === 1) return color
    }
    return [255, 255, 255]
  }
  const weak = []
  for (const element of document.querySelectorAll('h1, h2, p, th, td, dt, dd, summary, button, svg text, time')) {
    if (!element.textContent.trim() || element.classList.contains('hidden')) continue
    const style = getComputedStyle(element)
    const [a, b] = [light(parse(element instanceof SVGElement ? style.fill : style.color)), light(behind(element))].sort((x, y) => y - x)
    if ((a + 0.05) / (b + 0.05) < 4.5) weak.push(`${element.tagName} ${element.textContent.slice(0, 20)} ${((a + 0.05) / (b + 0.05)).toFixed(2)}`)
  }
  return weak
}
