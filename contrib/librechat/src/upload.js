// SPDX-License-Identifier: Apache-2.0
// POST /upload and /upload/batch: the bytes go from the socket to sbx as they come and are never held here.
// sbx stores a file when its descriptor ends, so whatever must not be stored is killed before that.
import { bad, HttpError, SbxError, toHttp, tooLarge } from './errors.js'
import { safeName } from './ids.js'
import { collect, finish, slay } from './sbx.js'

const FIELD_MAX = 64 * 1024
const ANSWER_MAX = 1024 * 1024
const KINDS = new Set(['user', 'agent', 'skill'])

export class Upload {
  constructor({ cfg, sbx, gate }) {
    Object.assign(this, { cfg, sbx, gate })
  }

  async single(request, context) {
    return await this.#inTurn(request, context, () => this.#single(request, context))
  }

  async batch(request, context) {
    return await this.#inTurn(request, context, () => this.#batch(request, context))
  }

  /** A bounded number at once; what has not its turn yet waits in the socket. */
  async #inTurn(request, { principal, signal }, run) {
    if (!request.isMultipart()) throw bad('The body must be multipart/form-data')
    const leave = await this.gate.upload(principal, signal)
    try {
      return await run()
    } finally {
      leave()
    }
  }

  async #single(request, context) {
    const form = new Form()
    let stored
    for await (const part of this.#parts(request, 2)) {
      if (part.type === 'field') form.set(part)
      else if (stored || !isFilePart(part)) part.file.resume()
      else stored = await this.#store(part, form, undefined, context)
    }
    form.check()
    if (!stored) throw bad('A part named file is required')
    if (stored.error) throw stored.error
    const { session, file } = stored
    return { message: 'success', storage_session_id: session, session_id: session, files: [{ fileId: file.id, filename: file.name }] }
  }

  async #batch(request, context) {
    const form = new Form()
    const files = []
    let session
    for await (const part of this.#parts(request, this.cfg.batchMax)) {
      if (part.type === 'field') {
        form.set(part)
        continue
      }
      if (!isFilePart(part)) {
        part.file.resume()
        continue
      }
      const stored = await this.#store(part, form, session, context)
      // Nobody is there any more, or the body is broken: nothing further will come.
      if (stored.fatal) throw stored.error
      session ??= stored.session
      files.push(stored.error
        ? { status: 'error', filename: sent(part), error: stored.error.message }
        : { status: 'success', fileId: stored.file.id, filename: sent(part) })
    }
    form.check()
    if (!files.length) throw bad('At least one part named file is required')
    return batchAnswer(files, session)
  }

  /** The parts of a form; whatever the parser does not understand is the client's mistake. */
  async* #parts(request, files) {
    try {
      yield* request.parts({
        preservePath: true,
        throwFileSizeLimit: false,
        limits: { fileSize: this.cfg.uploadMax, files, fields: 50, fieldSize: FIELD_MAX, fieldNameSize: 200, parts: files + 50, headerPairs: 100 },
      })
    } catch (err) {
      throw err.statusCode === 413 ? tooLarge('The form has too many parts') : bad('The form is broken or incomplete')
    }
  }

  /** Streams one part into one sbx. Resolves to { session, file } or { error, fatal? }; the part is always read to its end. */
  async #store(part, form, session, { principal, client, signal, log }) {
    const name = safeName(sent(part)) || 'file'
    const request = {
      user: form.owner(principal), ...(session && { session }), id_form: 'short',
      files: [{ name, fd: 3, size_max: this.cfg.uploadMax }],
      ...(form.get('read_only') === 'true' && { read_only: true }),
    }
    const child = this.sbx.start(['upload', '--json', '--die-with-parent'], { extra: 1, client })
    const answer = collect(child, ANSWER_MAX)
    child.stdin.end(JSON.stringify(request))
    const broken = await pour(part.file, child)
    try {
      const doc = await finish(child, answer, { signal, timeoutMs: 60_000, kill: slay })
      if (broken) throw broken
      return { session: doc.session, file: doc.files[0] }
    } catch (err) {
      if (broken) return { error: broken, fatal: broken.statusCode !== 413 }
      log.info({ code: err.code, exit: err.exit }, 'an upload was refused')
      return { error: err instanceof SbxError ? uploadError(err) : toHttp(err) }
    }
  }
}

/**
 * Copies a part into descriptor 3. Resolves when the part has ended: to undefined when all of it went in,
 * else to the reason, and then the child is dead already, before its descriptor could look complete.
 */
function pour(file, child) {
  return new Promise((resolve) => {
    const pipe = child.stdio[3]
    let done = false
    const end = (reason) => {
      if (done) return
      done = true
      if (reason) {
        slay(child)
        child.ended.then(() => pipe.destroy())
      }
      resolve(reason)
    }
    file.on('data', (chunk) => {
      if (done || pipe.destroyed || !pipe.writable) return
      if (!pipe.write(chunk)) file.pause()
    })
    for (const event of ['drain', 'close']) pipe.on(event, () => file.resume())
    // An sbx that has made up its mind reads no further; the rest of the part is thrown away.
    child.ended.then(() => file.resume())
    file.once('limit', () => end(tooLarge('The file is too large')))
    file.once('error', () => end(bad('The upload ended too early')))
    file.once('end', () => {
      if (file.truncated) return end(tooLarge('The file is too large'))
      // The parser reports a missing end of the body just after this; only then is the file whole.
      setImmediate(() => {
        if (file.destroyed && file.errored) return end(bad('The upload ended too early'))
        if (!done) pipe.end()
        end()
      })
    })
    file.once('close', () => {
      if (!file.readableEnded) end(bad('The upload ended too early'))
    })
  })
}

class Form {
  #fields = new Map()

  set({ fieldname, value, valueTruncated }) {
    if (valueTruncated) throw bad(`Field ${fieldname.slice(0, 50)} is too long`)
    if (!this.#fields.has(fieldname)) this.#fields.set(fieldname, String(value))
  }

  get(name) {
    return this.#fields.get(name)
  }

  /** Fields come before the files, so what they say about the owner is known in time. */
  owner(principal) {
    this.check()
    return principal.owner(this.get('kind'), this.get('id'))
  }

  check() {
    const kind = this.get('kind')
    if (kind !== undefined && !KINDS.has(kind)) throw bad('kind must be user, agent or skill')
    const version = this.get('version')
    if (version !== undefined && !/^\d{1,15}$/.test(version)) throw bad('version must be a whole number')
  }
}

const isFilePart = (part) => part.fieldname === 'file' || part.fieldname === 'files'
const sent = (part) => part.filename ?? 'file'

function uploadError(err) {
  if (err.code === 'E_LIMIT' || /large|size|quota/i.test(err.message)) return tooLarge('The file is too large')
  const mapped = toHttp(err)
  return mapped instanceof HttpError ? mapped : toHttp(err)
}

function batchAnswer(files, session) {
  const succeeded = files.filter((file) => file.status === 'success').length
  const failed = files.length - succeeded
  const message = failed === 0 ? 'success' : succeeded ? 'partial_success' : 'error'
  return { message, ...(session && { storage_session_id: session, session_id: session }), files, succeeded, failed }
}
