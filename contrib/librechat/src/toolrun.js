// SPDX-License-Identifier: Apache-2.0
// One program that calls tools: an sbx that lives from the first request to the end of the program. The program
// and the runner around it are hostile until checked: what they say are lines of bounded length and number.
import { readFileSync } from 'node:fs'
import { SbxError } from './errors.js'
import { isObject } from './exec.js'
import { isShallow, Lines, parseObject } from './lines.js'
import { stop } from './sbx.js'

export const RUNNER = readFileSync(new URL('../inside/runner.py', import.meta.url), 'utf8')
export const LINE_MAX = 7 * 1024 * 1024 // the runner reads lines up to 8 MiB
const EVENT_MAX = 64 * 1024 * 1024
const CALL_MAX = 1024 * 1024
const CALLS_MAX = 5000
const QUIET_MS = 1000
const BYTES_FD = 3

export class ToolRun {
  session // of the run, as soon as sbx has said it
  #child
  #tools
  #outputMax
  #inner
  #ready = [] // calls that no answer has carried yet
  #open = new Map() // calls that a client is working on
  #seen = new Set()
  #quiet
  #settle
  #timer
  #timeoutMs
  #failure // why we ended it ourselves
  #result
  #out = ''
  #err = ''
  #outCut = false
  #errCut = false

  constructor({ sbx, request, program, lang, tools, outputMax, client }) {
    this.#tools = new Set(tools.map((tool) => tool.name))
    this.#outputMax = outputMax
    this.#child = sbx.start(['exec', '--json', '--die-with-parent'], { extra: 1, client })
    this.#inner = new Lines(CALL_MAX * 2, (line) => this.#said(line), () => this.fail('stdout length exceeded'))
    const events = new Lines(EVENT_MAX, (line) => this.#event(line), () => this.fail('Execution failed or timed out'))
    this.#child.stdout?.setEncoding('utf8').on('data', (text) => events.push(text))
    this.#child.stdin?.end(JSON.stringify({ ...request, lang: 'python', code: RUNNER, stdin_fd: BYTES_FD, stream: true }))
    this.#send({ lang, code: program, tools, out: outputMax })
    this.#child.ended.then(({ exit }) => this.#ended(exit))
  }

  get ended() {
    return this.#child.ended
  }

  /** Runs until the program has calls or an end: { calls } or { end }. Rejects when sbx refused the request. */
  segment(timeoutMs, signal) {
    return new Promise((resolve, reject) => {
      const onGone = () => this.fail('cancelled')
      this.#settle = (value, error) => {
        clearTimeout(this.#timer)
        clearTimeout(this.#quiet)
        signal?.removeEventListener('abort', onGone)
        this.#settle = undefined
        if (error) reject(error)
        else resolve(value)
      }
      signal?.addEventListener('abort', onGone, { once: true })
      this.#timeoutMs = timeoutMs
      this.#arm()
      if (signal?.aborted) onGone()
      if (this.#result) this.#finish()
      else if (this.#ready.length) this.#hush(QUIET_MS)
    })
  }

  /** Hands over results by the ids that went out; an id without a result gets an error. */
  deliver(results) {
    const list = [...this.#open].map(([id, number]) => {
      const result = results.get(id)
      if (!result) return { id: number, error: 'no result was given' }
      if (result.is_error) return { id: number, error: errorText(result) }
      return { id: number, value: result.result ?? null }
    })
    this.#open.clear()
    for (const entry of list) {
      if (JSON.stringify(entry).length > LINE_MAX / 2) {
        delete entry.value
        entry.error = 'the result is too large'
      }
    }
    // One line could be too long for all of them together.
    for (const entry of list) this.#send({ results: [entry] })
  }

  fail(reason) {
    this.#failure ??= reason
    stop(this.#child)
  }

  #send(message) {
    const pipe = this.#child.stdio?.[BYTES_FD]
    if (pipe?.writable) pipe.write(`${JSON.stringify(message)}\n`)
  }

  #arm() {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.fail('Time limit exceeded'), this.#timeoutMs)
  }

  #event(line) {
    const event = parseObject(line)
    if (event === undefined || this.#result) return
    if (event.event === 'stdout' && typeof event.data === 'string') this.#inner.push(event.data)
    else if (event.event === 'stderr' && typeof event.data === 'string') this.#keepErr(event.data)
    else if (event.event === 'start') this.#started(event)
    else if (event.event === 'result' || event.ok === false) this.#result = event
  }

  #started({ session }) {
    if (typeof session === 'string') this.session = session
    if (this.#settle) this.#arm()
  }

  #keepErr(text) {
    const room = this.#outputMax - this.#err.length
    this.#err += text.slice(0, Math.max(0, room))
    this.#errCut ||= text.length > room
  }

  #said(line) {
    if (this.#failure) return
    const message = parseObject(line)
    if (message?.t === 'out' && typeof message.s === 'string') {
      this.#out = (this.#out + message.s).slice(0, this.#outputMax)
    } else if (message?.t === 'cut') {
      this.#outCut = true
    } else if (message?.t === 'call') {
      this.#call(message, line.length)
    } else if (message?.t === 'idle' && this.#ready.length) {
      this.#hush(0)
    }
  }

  #call({ id, name, input }, size) {
    const isNew = Number.isSafeInteger(id) && id > 0 && !this.#seen.has(id)
    if (!isNew || typeof name !== 'string' || !isObject(input) || !isShallow(input)) return this.fail('Sandbox exited with code unknown')
    if (!this.#tools.has(name)) return this.fail(`Sandbox requested an unregistered tool: ${name.toWellFormed().slice(0, 100)}`)
    if (size > CALL_MAX || this.#seen.size >= CALLS_MAX) return this.fail('stdout length exceeded')
    this.#seen.add(id)
    this.#ready.push({ id: `call_${String(id).padStart(3, '0')}`, number: id, name, input })
    this.#hush(QUIET_MS)
  }

  /** The calls go out when the runner says that no more come for now, or when it has been quiet for long. */
  #hush(ms) {
    if (!this.#settle) return
    clearTimeout(this.#quiet)
    this.#quiet = setTimeout(() => {
      if (!this.#settle || this.#failure || this.#result) return
      const calls = this.#ready.splice(0)
      for (const { id, number } of calls) this.#open.set(id, number)
      this.#settle({ calls: calls.map(({ id, name, input }) => ({ id, name, input })) })
    }, ms)
  }

  #ended(exit) {
    this.#result ??= { ok: false, error: { message: 'sbx gave no answer' }, exit }
    this.#result.exit = exit
    this.#child.stdio[BYTES_FD]?.destroy()
    if (this.#settle) this.#finish()
  }

  #finish() {
    const doc = this.#result
    if (doc.ok === false && !this.#failure && this.#seen.size === 0) {
      return this.#settle(undefined, new SbxError(doc.error ?? {}, doc.exit || 70))
    }
    this.#settle({
      end: { doc, error: this.#failure ?? reasonOf(doc, this.#outCut), stdout: this.#out, stderr: this.#err, outCut: this.#outCut, errCut: this.#errCut },
    })
  }
}

/** The failure of a program in the words that clients know, or undefined. */
function reasonOf(doc, outCut) {
  if (doc.ok === false) return 'Execution failed or timed out'
  if (doc.status === 'timeout' || doc.status === 'cpu_limit') return 'Time limit exceeded'
  if (doc.status === 'memory_limit') return 'Out of memory'
  if (doc.status === 'output_limit' || (doc.stdout_truncated && !outCut)) return 'stdout length exceeded'
  if (doc.exit_code === 0) return undefined
  return `Sandbox exited with code ${Number.isInteger(doc.exit_code) ? doc.exit_code : 'unknown'}`
}

function errorText({ error_message: message, result }) {
  const text = typeof message === 'string' && message ? message : typeof result === 'string' && result ? result : 'Tool execution failed'
  return text.toWellFormed().slice(0, 100_000)
}
