// SPDX-License-Identifier: Apache-2.0
// POST /exec: the fields of LibreChat onto a request of sbx, and the answer back.
import { bad, SbxError, tooLarge } from './errors.js'
import { isId, safeName } from './ids.js'

const LANGUAGES = {
  py: 'python', python: 'python', python3: 'python',
  js: 'javascript', javascript: 'javascript', node: 'javascript', nodejs: 'javascript', 'bun-js': 'javascript',
  ts: 'typescript', typescript: 'typescript', 'bun-ts': 'typescript',
  bash: 'bash', sh: 'bash', shell: 'bash',
  c: 'c', cpp: 'cpp', java: 'java', php: 'php', rs: 'rs', rust: 'rs', go: 'go', d: 'd', f90: 'f90', r: 'r',
}
const SWITCHES = { python: 'enablePython', javascript: 'enableJavascript', typescript: 'enableJavascript', bash: 'enableShell', rs: 'enableRust' }
const SUPPORTED = ['py', 'js', 'ts', 'bash', 'c', 'cpp', 'java', 'php', 'rs', 'go', 'd', 'f90', 'r']
const ARGS_MAX = 1024
const ARGS_BYTES_MAX = 100 * 1024
const REFS_MAX = 5000

export const isObject = (value) => value !== null && typeof value === 'object' && !Array.isArray(value)

export function language(cfg, name) {
  const lang = typeof name === 'string' && Object.hasOwn(LANGUAGES, name) ? LANGUAGES[name] : undefined
  if (!lang || cfg[SWITCHES[lang]] === false) throw unsupported(cfg, name)
  return lang
}

function unsupported(cfg, name) {
  const shown = typeof name === 'string' ? name.toWellFormed().slice(0, 32) : typeof name
  const supported = SUPPORTED.filter((id) => cfg[SWITCHES[LANGUAGES[id]]] !== false)
  return bad(`Unsupported language: ${shown}`, { supported })
}

export function programText(code) {
  if (typeof code !== 'string' || code === '') throw bad('code must be a text that is not empty')
  if (code.includes('\0')) throw bad('code contains a NUL character')
  return code.toWellFormed()
}

/** Models send all kinds of things here; each element becomes one word, never a piece of shell. */
export function programArgs(args) {
  if (args === undefined || args === null || args === '') return []
  const words = (Array.isArray(args) ? args : [args]).map(word)
  const bytes = words.reduce((sum, text) => sum + Buffer.byteLength(text) + 1, 0)
  if (words.length > ARGS_MAX || bytes > ARGS_BYTES_MAX) throw bad('args are too many or too long')
  return words
}

function word(value) {
  const text = typeof value === 'string' ? value : jsonText(value)
  if (text.includes('\0')) throw bad('args contain a NUL character')
  return text.toWellFormed()
}

function jsonText(value) {
  try {
    return JSON.stringify(value) ?? ''
  } catch {
    throw bad('args are nested too deeply')
  }
}

/** A time in milliseconds, or undefined for anything that is none. */
export function milliseconds(value, { min = 100, max = 3_600_000 } = {}) {
  const n = typeof value === 'number' && Number.isFinite(value) ? Math.round(value) : undefined
  return n === undefined || n <= 0 ? undefined : Math.min(max, Math.max(min, n))
}

/**
 * References of both shapes. What cannot be meant (no id of ours, no usable name) is left out: the same list
 * comes back with every later call, so refusing one entry would end the conversation.
 */
export function references(files, principal) {
  if (files === undefined || files === null) return undefined
  if (!Array.isArray(files)) throw bad('files must be an array')
  if (files.length > REFS_MAX) throw tooLarge('Too many files')
  const refs = []
  for (const file of files) {
    if (!isObject(file) || !isId(file.id)) continue
    const name = safeName(file.name)
    if (name === '') continue
    const storage = [file.storage_session_id, file.session_id].find((id) => typeof id === 'string') ?? ''
    // A client that does not know the owner repeats the file's id.
    const owner = file.resource_id === file.id ? principal.user : principal.owner(file.kind, file.resource_id)
    refs.push({ id: file.id, name, storage, user: owner })
  }
  return refs
}

/** The owner always stands beside the id: sbx may trust this program with everybody's files. */
export const mounts = (refs) => refs.map(({ id, name, user }) => ({ id, name, user }))

export function limits(cfg, wallMs) {
  const wanted = [wallMs, cfg.timeoutMs].filter((n) => n !== undefined)
  const out = {}
  if (wanted.length) out.wall_ms = Math.min(...wanted)
  if (cfg.memoryMb !== undefined) out.memory_bytes = cfg.memoryMb * 1024 * 1024
  return out
}

/**
 * Asks until sbx agrees: a limit above the ceiling of the profile is left to the profile, and a single
 * reference that sbx will not have is left out. Both only ever make the request smaller.
 */
export async function insist(request, ask) {
  let left = 4
  for (;;) {
    try {
      return await ask(request)
    } catch (err) {
      const next = err instanceof SbxError && left-- > 0 ? smaller(request, err) : undefined
      if (!next) throw err
      request = next
    }
  }
}

function smaller(request, { code, exit, pointer }) {
  const [, member, key] = /^\/(limits|files)\/(\w+)/.exec(pointer ?? '') ?? []
  if (member === 'limits' && code === 'E_LIMIT' && key in (request.limits ?? {})) {
    const { [key]: _, ...rest } = request.limits
    return { ...request, limits: rest }
  }
  if (member === 'files' && (exit === 64 || exit === 66) && request.files?.[key]) {
    return { ...request, files: request.files.filter((_, i) => i !== Number(key)) }
  }
  return undefined
}

export class Exec {
  constructor({ cfg, sbx, gate }) {
    Object.assign(this, { cfg, sbx, gate })
  }

  async handle(body, { principal, signal, client, log }) {
    if (!isObject(body)) throw bad('The body must be a JSON object')
    const lang = language(this.cfg, body.lang)
    const code = programText(body.code)
    const args = programArgs(body.args)
    const given = references(body.files, principal)
    const wallMs = milliseconds(body.timeout)
    const leave = await this.gate.enter(principal, signal)
    try {
      const refs = given ?? await this.sessionFiles(body.session_id, { principal, signal, client })
      const doc = await this.run({ lang, code, args, files: mounts(refs), limits: limits(this.cfg, wallMs) },
        { principal, signal, client })
      log.debug({ exec: doc.exec_id, status: doc.status, skipped: doc.skipped?.length }, 'run')
      return answer(doc, refs, this.cfg)
    } catch (err) {
      if (err instanceof SbxError && err.pointer === '/lang') throw unsupported(this.cfg, body.lang)
      throw err
    } finally {
      leave()
    }
  }

  /** One run. `ask` holds what differs; the rest is the same for every door. */
  async run(ask, { principal, signal, client }) {
    const request = {
      user: principal.user, commit: 'always', missing: 'skip', id_form: 'short',
      ...(this.cfg.profile && { profile: this.cfg.profile }),
      ...ask,
    }
    const call = (r) => this.sbx.call(['exec', '--json', '--die-with-parent'], r, { signal, client, timeoutMs: this.guardMs(r) })
    return await insist(request, call)
  }

  // sbx keeps the time; this is only for an sbx that does not come back.
  guardMs(request) {
    return (request.limits?.wall_ms ?? 600_000) + 60_000
  }

  /** Without any list of files the current files of a named session are meant. */
  async sessionFiles(session, { principal, signal, client }) {
    if (!isId(session)) return []
    try {
      const doc = await this.sbx.call(['ls', '--request', '-'], { user: principal.user, session, id_form: 'short' }, { signal, client })
      return doc.files.map(({ id, name }) => ({ id, name, storage: session, user: principal.user }))
    } catch (err) {
      if (err instanceof SbxError && (err.exit === 66 || err.exit === 64)) return []
      throw err
    }
  }
}

const STATUS = { timeout: 'TO', cpu_limit: 'TO', output_limit: 'OL', signal: 'SG', memory_limit: 'SG', killed: 'SG' }
const LINES = {
  timeout: ({ limits }) => `Time limit${of(limits?.wall_ms, (n) => `${n / 1000} s`)} exceeded; the program was stopped.`,
  cpu_limit: ({ limits }) => `CPU time limit${of(limits?.cpu_ms, (n) => `${n / 1000} s`)} exceeded; the program was stopped.`,
  memory_limit: ({ limits }) => `Memory limit${of(limits?.memory_bytes, mib)} exceeded; the program was stopped.`,
  disk_limit: ({ limits }) => `Disk limit${of(limits?.scratch_bytes, mib)} reached.`,
  process_limit: ({ limits }) => `Process limit${of(limits?.processes, String)} reached.`,
  output_limit: () => 'The program printed far too much and was stopped.',
  killed: () => 'The program was stopped.',
}
const of = (n, show) => (typeof n === 'number' ? ` of ${show(n)}` : '')
const mib = (n) => `${Math.round(n / 1048576)} MiB`

/** The line about a limit, or ''. A program that ended well gets none: its stderr is its own. */
export const limitLine = (doc) => (Object.hasOwn(LINES, doc.status) ? LINES[doc.status](doc) : '')

/** Cuts to a number of bytes without splitting a character. */
export function cut(text, max) {
  const bytes = Buffer.from(text, 'utf8')
  if (bytes.length <= max) return { text, cut: false }
  let end = max
  while (end > 0 && (bytes[end] & 0xc0) === 0x80) end--
  return { text: bytes.toString('utf8', 0, end), cut: true }
}

/** Output streams and how it ended, in the words of the interface. */
export function outcome(doc, cfg) {
  const out = cut(String(doc.stdout ?? ''), cfg.outputMax)
  const err = cut(String(doc.stderr ?? ''), cfg.outputMax)
  const outCut = out.cut || doc.stdout_truncated === true
  const errCut = err.cut || doc.stderr_truncated === true
  const line = limitLine(doc) || (outCut ? `stdout was cut to ${Buffer.byteLength(out.text)} bytes.` : '')
  const stderr = line === '' ? err.text : `${err.text}${err.text === '' || err.text.endsWith('\n') ? '' : '\n'}${line}\n`
  let status = Object.hasOwn(STATUS, doc.status) ? STATUS[doc.status] : null
  if (status === 'OL' && errCut && !outCut) status = 'EL'
  status ??= outCut ? 'OL' : errCut ? 'EL' : null
  return { stdout: out.text, stderr, status, code: doc.exit_code ?? null, signal: doc.signal ?? null }
}

// Skipped, but nothing that anybody would miss: inputs, links, sockets. All else is an output that was lost.
const NO_OUTPUT = /not found|not a regular file|read.?only/i

/** Files in the shape of the interface: outputs, replaced inputs, what is gone, what could not be kept. */
export function filesOf(doc, refs) {
  const session = doc.session
  const byId = new Map(refs.map((ref) => [ref.id, ref]))
  const byName = new Map(refs.map((ref) => [ref.name, ref]))
  const files = []
  const gone = []
  for (const file of doc.files ?? []) {
    if (file.change === 'deleted') {
      gone.push(file.name)
      continue
    }
    const entry = { id: file.id, name: file.name, storage_session_id: session, session_id: session }
    if (file.change === 'modified' && file.from) {
      entry.modified_from = { id: file.from, storage_session_id: byId.get(file.from)?.storage ?? '' }
    }
    files.push(entry)
  }
  const delivered = files.length
  const skipped = Array.isArray(doc.skipped) ? doc.skipped : []
  for (const { name, reason } of skipped) {
    const ref = byName.get(name)
    if (ref && /read.?only/i.test(reason)) files.push({ id: ref.id, name, storage_session_id: ref.storage, inherited: true })
  }
  const failed = skipped.filter(({ reason }) => !NO_OUTPUT.test(reason)).length
  return {
    files,
    ...(gone.length && { deleted_files: gone }),
    ...(failed && { artifact_delivery: delivery(delivered, failed) }),
  }
}

const delivery = (delivered, failed) => ({
  code: 'artifact_delivery_failed', status: delivered ? 'partial' : 'failed', attempted: delivered + failed, delivered, failed,
})

export function answer(doc, refs, cfg) {
  return { session_id: doc.session, ...outcome(doc, cfg), wall_time: doc.usage?.wall_ms ?? null, ...filesOf(doc, refs) }
}
