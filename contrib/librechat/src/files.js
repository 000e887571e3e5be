// SPDX-License-Identifier: Apache-2.0
// Stored files: download, freshness probe, listing, removal. A file is found by its id alone; the session in
// the path is advice, because old clients rewrite it after each run.
import { bad, notFound, SbxError, toHttp } from './errors.js'
import { isId } from './ids.js'
import { finish, slay, stop } from './sbx.js'

const QUICK_MS = 20_000
const plainId = (raw) => String(raw).split('.')[0]

export class Files {
  constructor({ cfg, sbx }) {
    Object.assign(this, { cfg, sbx })
  }

  /** What is known about a file, asked for each owner that the request may mean. */
  async stat(rawId, query, context) {
    const id = plainId(rawId)
    if (!isId(id)) throw notFound('File')
    for (const user of owners(query, context.principal)) {
      try {
        return await this.sbx.call(['stat', '--request', '-'], { user, id, id_form: 'short' }, { ...context, timeoutMs: QUICK_MS })
      } catch (err) {
        if (!isAbsent(err)) throw err
      }
    }
    throw notFound('File')
  }

  async probe({ file }, query, context) {
    const doc = await this.stat(file, query, context)
    return {
      name: doc.name, originalFilename: doc.name, size: doc.size, contentType: doc.mime, etag: doc.sha256,
      lastModified: iso(doc.created), ...(doc.read_only !== undefined && { readOnly: doc.read_only }),
    }
  }

  async download({ file }, query, context, reply) {
    const doc = await this.stat(file, query, context)
    const child = this.sbx.start(['get', '-u', doc.user, '-o', '-', '--', doc.id], { client: context.client })
    child.stdin.end()
    const onGone = () => stop(child)
    context.signal.addEventListener('abort', onGone, { once: true })
    child.ended.then(({ exit }) => {
      context.signal.removeEventListener('abort', onGone)
      if (exit !== 0) child.stdout.destroy(new Error('the file could not be read to its end'))
    })
    reply.header('content-type', contentType(doc.mime))
      .header('content-length', doc.size)
      .header('content-disposition', disposition(doc.name))
      .header('x-content-type-options', 'nosniff')
      .header('content-security-policy', "sandbox; default-src 'none'")
    return reply.send(child.stdout)
  }

  /** The bytes of a file up to a bound, for answers that carry them. */
  async bytes(user, id, max, { signal, client }) {
    const child = this.sbx.start(['get', '-u', user, '-o', '-', '--', id], { client })
    child.stdin.end()
    const chunks = []
    let size = 0
    child.stdout.on('data', (chunk) => {
      size += chunk.length
      if (size > max) slay(child)
      else chunks.push(chunk)
    })
    const onGone = () => slay(child)
    signal?.addEventListener('abort', onGone, { once: true })
    const { exit } = await child.ended
    signal?.removeEventListener('abort', onGone)
    if (size > max) throw bad('The file is too large')
    if (exit !== 0) throw toHttp(new SbxError({ message: 'get failed' }, exit ?? 70))
    return Buffer.concat(chunks)
  }

  async list({ session }, query, context) {
    if (!isId(session)) return []
    for (const user of owners(query, context.principal)) {
      try {
        const doc = await this.sbx.call(['ls', '--request', '-'], { user, session, id_form: 'short' }, { ...context, timeoutMs: QUICK_MS })
        return doc.files.map((file) => (query.detail === 'full' ? fullEntry(session, file) : shortEntry(session, file)))
      } catch (err) {
        if (!isAbsent(err)) throw err
      }
    }
    return []
  }

  /** Only what is the user's own: what an agent or a skill owns would be gone for everybody. */
  async remove({ file }, _query, context) {
    const doc = await this.stat(file, {}, context)
    const request = { user: doc.user, session: doc.session, files: [doc.id], id_form: 'short' }
    await this.sbx.call(['rm', '--request', '-'], request, { ...context, timeoutMs: QUICK_MS })
    return { message: 'File deleted', session_id: doc.session, fileId: doc.id }
  }

  /** Stores one text, for doors that take it inside their JSON. */
  async uploadText(name, content, { session }, context) {
    const child = this.sbx.start(['upload', '--json', '--die-with-parent'], { extra: 1, client: context.client })
    const chunks = []
    child.stdout.on('data', (chunk) => chunks.push(chunk))
    const answer = child.ended.then(() => Buffer.concat(chunks))
    const bytes = Buffer.from(content, 'utf8')
    const request = {
      user: context.principal.user, ...(session && { session }), id_form: 'short',
      files: [{ name, fd: 3, size: bytes.length, size_max: this.cfg.uploadMax }],
    }
    child.stdin.end(JSON.stringify(request))
    child.stdio[3].end(bytes)
    return await finish(child, answer, { signal: context.signal, timeoutMs: QUICK_MS, kill: slay })
  }
}

const isAbsent = (err) => err instanceof SbxError && (err.exit === 66 || err.exit === 64)

function owners(query, principal) {
  const claimed = principal.owner(query.kind, query.id)
  return claimed === principal.user ? [principal.user] : [claimed, principal.user]
}

const iso = (time) => {
  const date = new Date(time)
  return Number.isNaN(date.getTime()) ? undefined : date.toISOString()
}

const shortEntry = (session, file) => ({ name: `${session}/${file.id}`, lastModified: iso(file.created) })

function fullEntry(session, file) {
  const [, extension = ''] = /(\.[A-Za-z0-9]{1,16})$/.exec(file.name) ?? []
  return {
    id: file.id,
    name: `${session}/${file.id}${extension}`,
    storage_session_id: session,
    size: file.size,
    lastModified: iso(file.created),
    contentType: file.mime,
    metadata: { 'content-type': file.mime, 'original-filename': file.name },
  }
}

const contentType = (mime) => (/^[\w.+-]+\/[\w.+-]+$/.test(mime ?? '') ? mime : 'application/octet-stream')

export function disposition(name) {
  const base = name.slice(name.lastIndexOf('/') + 1)
  const ascii = base.replace(/[^\x20-\x7e]|["\\%]/g, '_')
  const coded = encodeURIComponent(base.toWellFormed()).replace(/['()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
  return `attachment; filename="${ascii}"; filename*=UTF-8''${coded}`
}
