// SPDX-License-Identifier: Apache-2.0
// The page of `sbx dashboard`, made live. While a page is open `sbx` is asked at a fixed pace, once for all who look;
// what changed goes to them as server-sent events. What the page shows was escaped by sbx; the policy lets no script run
// but ours, whatever stands in it.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { HttpError, unavailable } from './errors.js'
import { watched } from './watch.js'

const BEHIND_MAX = 1024 * 1024
const PING_MS = 15_000
const FRESH_MS = 1000
const LOOK_MS = 20_000
const asset = (name) => readFileSync(new URL(`./assets/${name}`, import.meta.url))
const SCRIPT = asset('live.js')
const STYLE = asset('live.css')
const LIVE = `<link rel="stylesheet" href="dashboard/live.css"><script src="dashboard/live.js" defer></script>`
const CONTROLS = `<div class="live"><p id="state" role="status">Connecting</p><button type="button" id="pause" aria-pressed="false">Pause</button></div>
<p id="news" class="hidden" role="log" aria-live="polite"></p>`

/** Puts `into` in the place of what `pattern` finds; a page of another shape is no page of ours. */
function swap(html, pattern, into) {
  if (!pattern.test(html)) throw unavailable('The page cannot be made')
  return html.replace(pattern, () => into)
}

/** The written page with our script and controls in it, and the policy it is served under. */
export function livePage(html) {
  const [, style] = /<style>([^]*?)<\/style>/.exec(html) ?? []
  if (style === undefined) throw unavailable('The page cannot be made')
  let page = swap(html, /<meta http-equiv="Content-Security-Policy"[^>]*>/, LIVE)
  page = swap(page, /<\/header>/, `${CONTROLS}</header>`)
  const hash = createHash('sha256').update(style).digest('base64')
  const policy = `default-src 'none'; style-src 'self' 'sha256-${hash}'; script-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; ` +
    `frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types sbx`
  return { page, policy }
}

/** The parts of a page that change, by name. */
export function partsOf(html) {
  const parts = new Map()
  const [written] = /<time>[^<]*<\/time>/.exec(html) ?? []
  const [cards] = /<dl class="cards">[^]*?<\/dl>/.exec(html) ?? []
  if (!written || !cards) throw unavailable('The page cannot be made')
  parts.set('written', written).set('cards', cards)
  for (const [section, id] of html.matchAll(/<section class="panel [^"]*" aria-labelledby="([a-z_]+)">[^]*?<\/section>/g)) parts.set(id, section)
  return parts
}

export class Dashboard {
  #parts
  #clients = new Set()
  #timer
  #ping
  #html
  #at = -Infinity
  #looking
  #shown = new Map()
  looks = 0

  constructor(parts) {
    this.#parts = parts
  }

  get clients() {
    return this.#clients.size
  }

  /** The page as sbx writes it, at most a second old; whoever asks meanwhile gets the same answer. */
  async look() {
    if (Date.now() - this.#at < FRESH_MS) return this.#html
    this.#looking ??= this.#ask().finally(() => { this.#looking = undefined })
    return await this.#looking
  }

  async #ask() {
    const { sbx } = this.#parts
    this.looks++
    const request = { title: 'sbx', storage: true, health: await this.#health() }
    const { html } = await sbx.call(['dashboard', '--request', '-'], request, { timeoutMs: LOOK_MS })
    if (typeof html !== 'string') throw unavailable()
    this.#html = html
    this.#at = Date.now()
    return html
  }

  async #health() {
    const { health, gate, copy, refusals } = this.#parts
    const { running, waiting } = gate.state()
    const rows = {
      host: await health.check() ? 'ok, can isolate programs' : 'cannot isolate programs: see sbx doctor',
      adapter: `ok, ${running} running, ${waiting} waiting, ${refusals.total} wrong keys`,
    }
    if (copy) {
      const { isUp, seq, behindMs } = copy.state
      rows['audit database'] = isUp ? `ok, through record ${seq}` : `takes no records${behindMs ? ` since ${Math.round(behindMs / 1000)} s` : ''}; they are kept`
    }
    return rows
  }

  /** Adds one who looks; `reply` is his for as long as he stays. */
  async join(reply) {
    if (this.#clients.size >= this.#parts.cfg.watchMax) {
      const err = new HttpError(503, 'Too many dashboards are open')
      err.headers = { 'retry-after': '30' }
      throw err
    }
    const stream = reply.raw
    this.#clients.add(stream)
    stream.on('error', () => {}).once('close', () => this.#leave(stream))
    reply.hijack()
    stream.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no', 'x-content-type-options': 'nosniff', connection: 'close' })
    this.#send(stream, 'parts', Object.fromEntries(this.#shown))
    this.#start()
  }

  #leave(stream) {
    this.#clients.delete(stream)
    if (this.#clients.size) return
    clearTimeout(this.#timer)
    clearInterval(this.#ping)
    this.#timer = undefined
    this.#shown.clear()
  }

  #start() {
    if (this.#timer) return
    this.#ping = setInterval(() => { for (const stream of this.#clients) stream.write(': still here\n\n') }, PING_MS)
    this.#timer = setTimeout(() => this.#turn(), 0)
  }

  async #turn() {
    try {
      const now = partsOf(await this.look())
      const changed = Object.fromEntries([...now].filter(([name, html]) => this.#shown.get(name) !== html))
      this.#shown = now
      this.#tell('parts', changed)
    } catch (err) {
      this.#parts.log.warn({ reason: err.message }, 'the dashboard has nothing new')
      this.#tell('trouble', { error: 'sbx does not answer' })
    }
    if (this.#clients.size) this.#timer = setTimeout(() => this.#turn(), this.#parts.cfg.watchMs)
  }

  #tell(event, data) {
    for (const stream of this.#clients) this.#send(stream, event, data)
  }

  #send(stream, event, data) {
    // Who does not read is not waited for; the page connects again.
    if (stream.writableLength > BEHIND_MAX) return stream.destroy()
    stream.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`)
  }

  close() {
    for (const stream of this.#clients) stream.destroy()
  }
}

export function dashboardRoutes(app, parts) {
  const { dashboard } = parts
  const route = watched(parts)
  const common = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer', 'cross-origin-resource-policy': 'same-origin' }
  app.get('/dashboard', route, async (_req, reply) => {
    const { page, policy } = livePage(await dashboard.look())
    return reply.headers({ ...common, 'content-security-policy': policy }).type('text/html; charset=utf-8').send(page)
  })
  app.get('/dashboard/live.js', route, async (_req, reply) => reply.headers(common).type('text/javascript; charset=utf-8').send(SCRIPT))
  app.get('/dashboard/live.css', route, async (_req, reply) => reply.headers(common).type('text/css; charset=utf-8').send(STYLE))
  app.get('/dashboard/events', route, async (_req, reply) => { await dashboard.join(reply) })
}
