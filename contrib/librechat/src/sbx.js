// SPDX-License-Identifier: Apache-2.0
// Spawns sbx, once per operation: one JSON request in, one JSON document out, every wait and every read bounded.
import { spawn } from 'node:child_process'
import { SbxError } from './errors.js'

const STDERR_MAX = 16 * 1024
const DOC_MAX = 64 * 1024 * 1024
// What sbx may see of our environment: no key, nothing of the adapter's own.
const PASS = /^(PATH|HOME|LANG|LC_ALL|TZ|TMPDIR|XDG_[A-Z_]+|DBUS_SESSION_BUS_ADDRESS|SANDBOX_STORAGE_PATH|SANDBOX_AUDIT_TTL_DAYS|SBX_[A-Z0-9_]+)$/
const HOLD = /^SBX_ADAPTER_|^SBX_TOOLS_PROFILE$|KEY|TOKEN|SECRET/

export function childEnv(source, { ip = '', agent = '' } = {}) {
  const env = {}
  for (const [name, value] of Object.entries(source)) {
    if (PASS.test(name) && !HOLD.test(name)) env[name] = value
  }
  env.SBX_CLIENT_IP = String(ip)
  // eslint-disable-next-line no-control-regex
  env.SBX_CLIENT_AGENT = String(agent).replace(/[\u0000-\u001f\u007f]/g, ' ').slice(0, 200)
  return env
}

export class Sbx {
  #program
  #env
  #log

  constructor({ program, env, log }) {
    this.#program = program
    this.#env = env
    this.#log = log
  }

  /** Starts sbx with `extra` more pipes from descriptor 3 on. The caller owns the child. */
  start(args, { extra = 0, client } = {}) {
    const child = spawn(this.#program, args, {
      stdio: ['pipe', 'pipe', 'pipe', ...Array(extra).fill('pipe')],
      env: childEnv(this.#env, client),
      windowsHide: true,
    })
    // A pipe whose other end has gone is no news: the exit status tells what happened.
    for (const pipe of child.stdio) pipe?.on('error', () => {})
    child.said = ''
    child.stderr?.setEncoding('utf8').on('data', (text) => {
      if (child.said.length < STDERR_MAX) child.said += text.slice(0, STDERR_MAX)
    })
    child.ended = new Promise((resolve) => {
      let failed = false
      child.on('error', (err) => {
        failed = true
        this.#log.error({ err: { code: err.code } }, 'sbx cannot be started')
        resolve({ exit: 70, signal: null })
      })
      child.on('close', (exit, signal) => {
        if (child.said && !failed) this.#log.debug({ command: args[0], exit, said: child.said.trim() }, 'sbx said')
        resolve({ exit, signal })
      })
    })
    return child
  }

  /** One operation. `request` may be absent; `signal` ends the child when the client has gone. */
  async call(args, request, { signal, timeoutMs = 60_000, client } = {}) {
    const child = this.start(args, { client })
    const answer = collect(child, DOC_MAX)
    child.stdin.end(request === undefined ? '' : JSON.stringify(request))
    return await finish(child, answer, { signal, timeoutMs })
  }
}

/** Gathers stdout up to a bound; beyond it the child has gone mad and is ended. */
export function collect(child, max) {
  return new Promise((resolve) => {
    const chunks = []
    let size = 0
    child.stdout?.on('data', (chunk) => {
      size += chunk.length
      if (size > max) stop(child)
      else chunks.push(chunk)
    })
    child.ended.then(() => resolve(Buffer.concat(chunks)))
  })
}

/** Waits for the end and reads the document; throws SbxError for everything that is not `ok`. */
export async function finish(child, answer, { signal, timeoutMs, kill = stop } = {}) {
  const onAbort = () => kill(child)
  const timer = timeoutMs && setTimeout(onAbort, timeoutMs)
  signal?.addEventListener('abort', onAbort, { once: true })
  if (signal?.aborted) onAbort()
  try {
    const [{ exit, signal: death }, bytes] = await Promise.all([child.ended, answer])
    return readDocument(bytes.toString('utf8'), exit, death)
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', onAbort)
  }
}

export function readDocument(text, exit, death) {
  const none = new SbxError({ message: `sbx gave no answer (${death ?? `status ${exit}`}, ${text.length} characters)` }, exit || 70)
  let doc
  try {
    doc = JSON.parse(text)
  } catch {
    throw none
  }
  if (doc === null || typeof doc !== 'object' || Array.isArray(doc)) throw none
  if (doc.ok !== true) throw new SbxError(doc.error ?? {}, exit || 70)
  return doc
}

/** Asks first, then insists. */
export function stop(child) {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGTERM')
  setTimeout(() => child.kill('SIGKILL'), 2000).unref()
}

/** At once: an upload that is killed before its pipe closes leaves nothing behind. */
export function slay(child) {
  if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
}
