// SPDX-License-Identifier: Apache-2.0
// POST /exec/programmatic: starts programs that call tools, and carries calls out and results in.
import { randomBytes } from 'node:crypto'
import { bad, notFound, rateLimited, tooLarge } from './errors.js'
import { filesOf, insist, isObject, language, limits, limitLine, milliseconds, mounts, programText, references } from './exec.js'
import { isShallow } from './lines.js'
import { toolList } from './tools.js'
import { LINE_MAX, ToolRun } from './toolrun.js'

const SEGMENT = { min: 1000, max: 300_000 }
const SEGMENT_DEFAULT_MS = 15_000

export class Programmatic {
  #paused = new Map() // token -> run
  #alive = new Set()

  constructor({ cfg, sbx, gate, exec }) {
    Object.assign(this, { cfg, sbx, gate, exec })
  }

  async handle(body, context) {
    if (!isObject(body)) throw bad('The body must be a JSON object')
    return body.continuation_token === undefined ? await this.#begin(body, context) : await this.#resume(body, context)
  }

  async cancel(body, { principal }) {
    const id = isObject(body) ? body.request_id : undefined
    let cancelled = false
    for (const run of this.#alive) {
      if (typeof id !== 'string' || run.user !== principal.user || !run.requestIds.has(id)) continue
      this.#drop(run, 'cancelled')
      cancelled = true
    }
    return { cancelled }
  }

  async close() {
    const runs = [...this.#alive]
    for (const run of runs) this.#drop(run, 'cancelled')
    await Promise.all(runs.map((run) => run.process.ended))
  }

  async #begin(body, context) {
    const { principal, signal, client } = context
    const lang = language(this.cfg, body.lang ?? 'py')
    if (lang !== 'python' && lang !== 'bash') throw bad(`Unsupported language: ${lang}`, { supported: ['py', 'bash'] })
    const program = programText(body.code)
    const tools = toolList(body.tools ?? [], lang)
    if (Buffer.byteLength(program) > LINE_MAX / 2 || JSON.stringify(tools).length > LINE_MAX / 4) throw tooLarge('The program or its tools are too large')
    const given = references(body.files, principal)
    const timeoutMs = milliseconds(body.timeout, SEGMENT) ?? SEGMENT_DEFAULT_MS
    const leave = await this.gate.enter(principal, signal)
    try {
      this.#reserve()
      const refs = given ?? await this.exec.sessionFiles(body.session_id, context)
      const { wall_ms: _, ...ceilings } = limits(this.cfg) // the time is kept per segment, here
      const profile = this.cfg.toolsProfile ?? this.cfg.profile
      const request = {
        user: principal.user, commit: 'always', missing: 'skip', id_form: 'short',
        ...(profile && { profile }), files: mounts(refs), limits: ceilings,
      }
      return await insist(request, async (r) => {
        const process = new ToolRun({ sbx: this.sbx, request: r, program, lang, tools, outputMax: this.cfg.outputMax, client })
        const run = { process, refs, timeoutMs, user: principal.user, requestIds: new Set(), token: undefined, timer: undefined }
        this.#alive.add(run)
        return await this.#segment(run, context)
      })
    } finally {
      leave()
    }
  }

  #reserve() {
    if (this.#alive.size >= this.cfg.pausedMax) throw rateLimited(10, 'Too many programs are waiting for tool results')
  }

  async #resume(body, context) {
    const results = resultsOf(body.tool_results)
    const token = body.continuation_token
    const run = typeof token === 'string' ? this.#paused.get(token) : undefined
    if (!run || run.user !== context.principal.user) throw notFound('Continuation')
    this.#paused.delete(token)
    clearTimeout(run.timer)
    const leave = this.gate.resume(context.principal)
    try {
      run.process.deliver(results)
      return await this.#segment(run, context)
    } finally {
      leave()
    }
  }

  /** Until the next pause or the end; whatever goes wrong here ends the run. */
  async #segment(run, { signal, requestId }) {
    if (typeof requestId === 'string') run.requestIds.add(requestId)
    let step
    try {
      step = await run.process.segment(run.timeoutMs, signal)
    } catch (err) {
      this.#alive.delete(run)
      throw err
    }
    if (step.calls && !signal?.aborted) return this.#pause(run, step.calls)
    if (step.calls) this.#drop(run, 'cancelled')
    this.#alive.delete(run)
    return step.end ? finalAnswer(step.end, run.refs) : { status: 'error', error: 'Execution failed or timed out' }
  }

  #pause(run, calls) {
    run.token = randomBytes(32).toString('base64url')
    this.#paused.set(run.token, run)
    run.timer = setTimeout(() => this.#drop(run, 'expired'), this.cfg.pauseMs)
    run.timer.unref()
    const { session } = run.process
    return { status: 'tool_call_required', ...(session && { session_id: session }), continuation_token: run.token, tool_calls: calls }
  }

  #drop(run, reason) {
    clearTimeout(run.timer)
    this.#paused.delete(run.token)
    this.#alive.delete(run)
    run.process.fail(reason)
  }
}

function resultsOf(list) {
  if (!Array.isArray(list)) throw bad('tool_results must be an array')
  const results = new Map()
  for (const item of list) {
    if (!isObject(item) || typeof item.call_id !== 'string') throw bad('Every tool result needs a call_id')
    if (!isShallow(item.result, 512)) throw bad('A tool result is nested too deeply')
    results.set(item.call_id, item)
  }
  return results
}

function finalAnswer({ doc, error, stdout, stderr, outCut, errCut }, refs) {
  const line = limitLine(doc) || (error === 'Time limit exceeded' ? 'Time limit exceeded; the program was stopped.' : '') || (outCut ? 'stdout was cut.' : '')
  const text = line === '' ? stderr : `${stderr}${stderr === '' || stderr.endsWith('\n') ? '' : '\n'}${line}\n`
  const session = typeof doc.session === 'string' ? { session_id: doc.session, ...filesOf(doc, refs) } : { files: [] }
  const head = error === undefined ? { status: 'completed' } : { status: 'error', error }
  return { ...head, ...session, stdout, stderr: text, ...(errCut && { stderr_truncated: true }) }
}
