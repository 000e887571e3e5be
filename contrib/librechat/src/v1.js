// SPDX-License-Identifier: Apache-2.0
// The small REST interface under /api/v1, for programs that are not LibreChat.
import { HttpError, bad } from './errors.js'
import { isObject, language, limitLine, limits, outcome, programArgs, programText } from './exec.js'

export class V1 {
  constructor({ cfg, sbx, gate, exec }) {
    Object.assign(this, { cfg, sbx, gate, exec })
  }

  async execute(body, context) {
    if (!isObject(body)) throw bad('The body must be a JSON object')
    const lang = language(this.cfg, body.language ?? body.lang)
    const code = programText(body.code)
    const args = programArgs(body.args)
    const wallMs = seconds(body.timeout)
    const leave = await this.gate.enter(context.principal, context.signal)
    try {
      const doc = await this.exec.run({ lang, code, args, files: [], limits: limits(this.cfg, wallMs) }, context)
      return this.#answer(doc)
    } finally {
      leave()
    }
  }

  #answer(doc) {
    const { stdout } = outcome(doc, this.cfg)
    const peak = doc.usage?.memory_peak_bytes
    return {
      execution_id: doc.exec_id,
      status: doc.status,
      stdout,
      stderr: String(doc.stderr ?? ''),
      execution_time_ms: doc.usage?.wall_ms ?? null,
      memory_used_mb: typeof peak === 'number' ? Math.round(peak / 1048576 * 100) / 100 : null,
      exit_code: doc.exit_code ?? null,
      error: doc.status === 'success' ? null : limitLine(doc) || `The program ended with ${doc.signal ?? `status ${doc.exit_code}`}.`,
    }
  }

  /** Settings and counters are for whoever runs the server. */
  async document(command, { principal, signal, client }) {
    if (!principal.admin) throw new HttpError(403, 'Only the shared key may ask this')
    return withoutPaths(await this.sbx.call([command, '--json'], undefined, { signal, client, timeoutMs: 20_000 }))
  }
}

function seconds(value) {
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'number' || !(value > 0 && value <= 86_400)) throw bad('timeout must be a number of seconds')
  return Math.max(100, Math.round(value * 1000))
}

/** Paths of the host stay on the host. */
export function withoutPaths(value) {
  if (typeof value === 'string') return value.startsWith('/') ? '(path)' : value
  if (Array.isArray(value)) return value.map(withoutPaths)
  if (isObject(value)) return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withoutPaths(item)]))
  return value
}

/** Health, asked of sbx at most once in a while: the question is free of charge for strangers. */
export class Health {
  #sbx
  #answer
  #until = 0

  constructor({ sbx }) {
    this.#sbx = sbx
  }

  async check() {
    if (Date.now() > this.#until) {
      this.#until = Date.now() + 10_000
      this.#answer = this.#sbx.call(['doctor', '--json'], undefined, { timeoutMs: 20_000 }).then(() => true, () => false)
    }
    return await this.#answer
  }
}
