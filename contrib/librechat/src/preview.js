// SPDX-License-Identifier: Apache-2.0
// Pages of a session, for a browser. Whoever wrote them is not trusted: a page is made static in a jail (no
// script, nothing fetched), is served under an origin that serves nothing else, and its headers take away what
// is left. A link says who, which session, which file and until when, and is signed; it is the only credential.
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { bad, notFound, SbxError } from './errors.js'
import { isObject, insist, limits, mounts } from './exec.js'
import { disposition } from './files.js'
import { isId } from './ids.js'
import { stop } from './sbx.js'

const CONTEXT = 'sbx preview 1'
const STATIC = 'preview.static.html'
const TIMEOUT_MS = 60_000
const QUICK_MS = 20_000

const IMAGE = /^image\/(png|jpeg|gif|webp|avif)$/
const isPage = ({ name, mime }) => /^(text\/html|application\/xhtml\+xml|image\/svg\+xml)$/.test(mime) || /\.(html?|xhtml|svg)$/i.test(name)
const isText = ({ mime }) => /^text\/|^application\/(json|xml|javascript|x-(yaml|sh|python|ndjson))$/.test(mime)

/** How a file is shown: made static, as it is, as plain text; undefined: not at all. */
export function formOf(file) {
  if (isPage(file)) return 'static'
  if (IMAGE.test(file.mime)) return 'image'
  return isText(file) ? 'text' : undefined
}

/** What every answer below /preview carries, whatever is in it. */
export function safeHeaders(frame) {
  return {
    'content-security-policy': "sandbox; default-src 'none'; script-src 'none'; img-src data:; style-src 'unsafe-inline'; font-src data:; media-src data:; "
      + `connect-src 'none'; frame-src 'none'; object-src 'none'; form-action 'none'; base-uri 'none'; frame-ancestors ${frame}`,
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cross-origin-resource-policy': 'same-origin',
    'cross-origin-opener-policy': 'same-origin',
    'origin-agent-cluster': '?1',
    'permissions-policy': 'camera=(), microphone=(), geolocation=(), clipboard-read=(), clipboard-write=(), display-capture=(), fullscreen=()',
    'x-dns-prefetch-control': 'off',
    'x-robots-tag': 'noindex',
    'cache-control': 'private, no-store',
    ...(frame === "'none'" && { 'x-frame-options': 'DENY' }),
  }
}

/** Signed statements "this file of this session of this user, until then", as one word of a URL. */
export class Links {
  #key

  constructor(key) {
    this.#key = key ? Buffer.from(key, 'utf8') : randomBytes(32)
  }

  #mac(text) {
    return createHmac('sha256', this.#key).update(`${CONTEXT}\0${text}`).digest()
  }

  sign({ user, session, id, until }) {
    const text = `${user}.${session}.${id}.${until}`
    return `${Buffer.from(text).toString('base64url')}.${this.#mac(text).toString('base64url')}`
  }

  /** What a link states, or undefined: nobody learns which part of it is wrong. */
  read(word, now = Date.now()) {
    const [said, mac, more] = String(word).split('.')
    if (!said || !mac || more !== undefined) return undefined
    const text = Buffer.from(said, 'base64url').toString('utf8')
    const shown = Buffer.from(mac, 'base64url')
    const right = this.#mac(text)
    // One spelling only: base64url decoders forgive what comes after the last bits.
    if (shown.length !== right.length || !timingSafeEqual(shown, right) || mac !== right.toString('base64url')) return undefined
    const [user, session, id, until] = text.split('.')
    return Number(until) > now ? { user, session, id, until: Number(until) } : undefined
  }
}

export class Preview {
  constructor({ cfg, sbx, gate, files, log }) {
    Object.assign(this, { cfg, sbx, gate, files, log, links: new Links(cfg.previewKey), headers: safeHeaders(cfg.previewFrame) })
  }

  /** A link for a file that the asking principal may read, by its id or by session and name. */
  async link(body, context) {
    if (!isObject(body)) throw bad('The body must be a JSON object')
    const id = body.file ?? await this.#byName(body, context)
    if (typeof id !== 'string') throw bad('file must be the id of a file')
    const file = await this.files.stat(id, { kind: body.kind, id: body.id }, context)
    if (!formOf(file)) throw bad('This type of file has no preview')
    const until = Date.now() + this.cfg.previewMs
    const word = this.links.sign({ user: file.user, session: file.session, id: file.id, until })
    return { url: `${this.cfg.previewOrigin}/preview/${word}`, expires_at: new Date(until).toISOString() }
  }

  async #byName({ session_id: session, name }, { principal, signal, client }) {
    if (typeof name !== 'string') throw bad('file must be the id of a file')
    if (!isId(session)) throw notFound('File')
    const found = (await this.#list(principal.user, session, { signal, client })).find((file) => file.name === name)
    if (!found) throw notFound('File')
    return found.id
  }

  async #list(user, session, { signal, client }) {
    try {
      return (await this.sbx.call(['ls', '--request', '-'], { user, session, id_form: 'short' }, { signal, client, timeoutMs: QUICK_MS })).files
    } catch (err) {
      if (err instanceof SbxError && (err.exit === 66 || err.exit === 64)) throw notFound('File')
      throw err
    }
  }

  async serve(word, context, reply) {
    const said = this.links.read(word)
    if (!said) throw notFound('File')
    // The link is the principal here: its file must still be that user's, in that session.
    const mine = { ...context, principal: { user: said.user, owner: () => said.user } }
    const file = await this.files.stat(said.id, {}, mine)
    const form = formOf(file)
    if (file.session !== said.session || !form) throw notFound('File')
    if (form === 'static') return await this.#serveStatic(file, mine, reply)
    const type = form === 'image' ? file.mime : 'text/plain; charset=utf-8'
    return await this.#send(reply, mine, { user: said.user, id: file.id, size: file.size, type, name: file.name })
  }

  /** The page, with what it needs of its session inside, made in a session of its own that is removed after. */
  async #serveStatic(file, context, reply) {
    const leave = await this.gate.enter(context.principal, context.signal)
    const { session, made } = await this.#makeStatic(file, context).finally(leave)
    const drop = () => this.#forget(file.user, session, context)
    if (!made) {
      await drop()
      throw bad('The page cannot be shown')
    }
    return await this.#send(reply, context, { user: file.user, id: made.id, size: made.size, type: 'text/html; charset=utf-8', name: file.name }, drop)
  }

  async #makeStatic(file, context) {
    const { user } = file
    const others = (await this.#list(user, file.session, context)).filter(({ name }) => name !== file.name)
    const request = {
      user, lang: 'html', profile: this.cfg.previewProfile, code: '', args: ['--static', `--page=${file.name}`, '--name=preview'],
      files: mounts([...others, file].map(({ id, name }) => ({ id, name, user }))),
      commit: 'always', missing: 'skip', id_form: 'short', limits: limits(this.cfg, TIMEOUT_MS / 2),
    }
    const { signal, client } = context
    const doc = await insist(request, (r) => this.sbx.call(['exec', '--json', '--die-with-parent'], r, { signal, client, timeoutMs: TIMEOUT_MS }))
    const made = doc.status === 'success' ? doc.files.find(({ name, change }) => name.endsWith(`/${STATIC}`) || (name === STATIC && change !== 'deleted')) : undefined
    if (!made) this.log.info({ status: doc.status, exit: doc.exit_code }, 'a page could not be made static')
    return { session: doc.session, made }
  }

  async #forget(user, session, { client }) {
    try {
      await this.sbx.call(['rm', '--request', '-'], { user, session, whole_session: true }, { client, timeoutMs: QUICK_MS })
    } catch (err) {
      this.log.warn({ code: err.code }, 'the session of a preview could not be removed')
    }
  }

  /** Streams a stored file. `after` runs when sbx has read it to its end, or nobody wants it any more. */
  async #send(reply, { signal, client }, { user, id, size, type, name }, after) {
    const child = this.sbx.start(['get', '-u', user, '-o', '-', '--', id], { client })
    child.stdin.end()
    const onGone = () => stop(child)
    signal.addEventListener('abort', onGone, { once: true })
    if (signal.aborted) onGone()
    child.ended.then(({ exit }) => {
      signal.removeEventListener('abort', onGone)
      if (exit !== 0) child.stdout.destroy(new Error('the file could not be read to its end'))
      return after?.()
    })
    return await reply.headers({ ...this.headers, 'content-type': type, 'content-length': size, 'content-disposition': disposition(name).replace('attachment', 'inline') })
      .send(child.stdout)
  }
}

/**
 * Previews have an origin of their own: its host serves nothing else, and no other host serves them. Without
 * one configured there are none.
 */
export function previewRoutes(app, { preview, cfg }, contextOf) {
  if (!cfg.previewOrigin) return
  const { host } = new URL(cfg.previewOrigin)
  app.addHook('onRequest', async (req, reply) => {
    const isHere = (req.headers.host ?? '').toLowerCase() === host
    const isServed = req.routeOptions.config?.preview === true
    if (isHere) reply.headers(preview.headers)
    if (isHere !== isServed) throw notFound('Route')
  })
  app.get('/preview/:word', { config: { open: true, preview: true } }, async (req, reply) => preview.serve(req.params.word, contextOf(req), reply))
  for (const prefix of ['', '/v1']) app.post(`${prefix}/preview`, async (req) => preview.link(req.body, contextOf(req)))
}
