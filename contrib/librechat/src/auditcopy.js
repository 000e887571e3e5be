// SPDX-License-Identifier: Apache-2.0
// Copies the audit log of sbx to a database. The log stays the truth: `sbx audit tail --after N` gives what stands
// behind the last record that the database acknowledged, a batch is held until it is written, and the pipe to sbx
// fills meanwhile. So an outage costs no memory and loses nothing.
import { hostname } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { isShallow, parseObject } from './lines.js'
import { MongoSink } from './mongo.js'
import { Position } from './position.js'
import { stop } from './sbx.js'

const LINE_MAX = 1024 * 1024
const BATCH = 200
const BACKOFF = [200, 30_000]
const WARN_MS = 60_000
const SETTLE_MS = 2000
const STOP_MS = 2000

/** A record as the collection has it: those fields, dates as dates, the hash as the key. */
export function toDocument(record, host) {
  const { hash, error, createdAt, updatedAt, ...rest } = record
  return {
    _id: hash,
    ...rest,
    ...(error !== undefined && { error: typeof error === 'string' ? error : String(error?.code ?? 'unknown') }),
    host,
    hash,
    createdAt: new Date(createdAt),
    updatedAt: new Date(updatedAt ?? createdAt),
  }
}

const isRecord = (r) => r && Number.isSafeInteger(r.seq) && /^[0-9a-f]{64}$/.test(r.hash) && typeof r.action === 'string' &&
  !Number.isNaN(Date.parse(r.createdAt)) && isShallow(r)

/** The records of a child's output, in groups as they come: nothing is read while the last group is worked on. */
async function* groups(stdout) {
  let rest = ''
  let list = []
  stdout.setEncoding('utf8')
  for await (const text of stdout) {
    const lines = (rest + text).split('\n')
    rest = lines.pop()
    if (rest.length > LINE_MAX) throw new Error('sbx wrote a line without an end')
    for (const line of lines) {
      const record = parseObject(line)
      if (!isRecord(record)) throw new Error('sbx wrote something that is no audit record')
      list.push(record)
      if (list.length === BATCH) {
        yield list
        list = []
      }
    }
    if (list.length) yield list
    list = []
  }
}

export class AuditCopy {
  #sbx
  #sink
  #open
  #position
  #log
  #host
  #settleMs
  #backoff
  #stopping = new AbortController()
  #child
  #done
  #at // { seq, hash, isErasing }: copied through this record
  #state = { isUp: false, copied: 0, failures: 0, missed: 0, heldSince: undefined }
  #warnedAt = -Infinity

  constructor({ sbx, sink, openPosition, log, host = hostname(), settleMs = SETTLE_MS, backoff = BACKOFF }) {
    this.#sbx = sbx
    this.#sink = sink
    this.#open = openPosition
    this.#log = log
    this.#host = host
    this.#settleMs = settleMs
    this.#backoff = backoff
  }

  /** For the metrics: is the database there, through which record is it copied, for how long is one held. */
  get state() {
    const { heldSince, ...rest } = this.#state
    return { ...rest, seq: this.#at?.seq ?? 0, behindMs: heldSince === undefined ? 0 : Date.now() - heldSince }
  }

  start() {
    this.#done = this.#run()
  }

  async stop() {
    this.#stopping.abort()
    if (this.#child) stop(this.#child)
    // What is being written may end; a database that does not answer is not waited for.
    await Promise.race([this.#done, sleep(STOP_MS, undefined, { ref: false })])
    await this.#sink.close()
    await this.#done
  }

  get #isStopping() {
    return this.#stopping.signal.aborted
  }

  async #run() {
    while (!this.#isStopping) {
      const before = this.#state.copied
      try {
        await this.#insist(() => this.#sink.ready())
        if (!this.#isStopping) await this.#follow()
      } catch (err) {
        if (!this.#isStopping) this.#log.error({ reason: err.message }, 'the audit log cannot be read')
      }
      if (!this.#isStopping) await this.#pause(this.#state.copied > before ? this.#backoff[0] : Math.min(5000, this.#backoff[1]))
    }
  }

  async #pause(ms) {
    await sleep(ms, undefined, { signal: this.#stopping.signal }).catch(() => {})
  }

  /** Does it until it is done; gives up only when the server stops. */
  async #insist(action) {
    for (let wait = this.#backoff[0]; !this.#isStopping; wait = Math.min(2 * wait, this.#backoff[1])) {
      try {
        await action()
        this.#up()
        return true
      } catch (err) {
        this.#failed(err)
        await this.#pause(wait)
      }
    }
    return false
  }

  #up() {
    if (!this.#state.isUp) this.#log.info({ database: this.#sink.target, seq: this.#at?.seq }, 'audit records go to the database')
    this.#state.isUp = true
    this.#warnedAt = -Infinity
  }

  #failed(err) {
    this.#state.isUp = false
    this.#state.failures++
    if (Date.now() - this.#warnedAt < WARN_MS) return
    this.#warnedAt = Date.now()
    this.#log.warn({ err: this.#sink.describe(err) }, 'the database takes no audit records; they are kept and sent later')
  }

  async #follow() {
    this.#at = await this.#begin()
    const from = this.#at
    // The last record is asked for again: it shows that this is the log that it was.
    let isChecked = from.seq === 0
    const child = this.#sbx.start(['audit', 'tail', '--after', String(Math.max(0, from.seq - 1)), '--json', '--die-with-parent'])
    this.#child = child
    child.stdin.end()
    try {
      if (from.isErasing) await this.#erase()
      for await (let records of groups(child.stdout)) {
        if (!isChecked) {
          isChecked = true
          if (!this.#isSameLog(records[0], from)) return
        }
        records = records.filter(({ seq }) => seq > this.#at.seq)
        if (records.length && !await this.#take(records)) return
      }
      const { exit } = await child.ended
      if (!this.#isStopping) this.#log.warn({ exit, said: child.said.trim().slice(0, 500) }, 'sbx ended while the audit log was followed')
    } finally {
      stop(child)
      this.#child = undefined
    }
  }

  /** Where to go on: behind the last record that was copied, unless the log is another one since. */
  async #begin() {
    this.#position ??= await this.#open()
    const at = this.#at ?? this.#position.read()
    if (!at) return { seq: 0, hash: '' }
    const { records: [newest] } = await this.#sbx.call(['audit', '-n', '1', '--json'])
    return newest && newest.seq >= at.seq ? at : this.#anew(at)
  }

  #anew({ seq }) {
    this.#log.warn({ seq }, 'the audit log is another one than before; it is copied from its beginning')
    return { seq: 0, hash: '' }
  }

  #isSameLog(first, from) {
    if (first.seq !== from.seq || first.hash === from.hash) return true
    this.#at = this.#anew(from)
    return false
  }

  /** Writes a group and notes it; false when the server stops before that. */
  async #take(records) {
    const last = records.at(-1)
    this.#lookForGaps(records)
    this.#state.heldSince = Date.now()
    const documents = records.map((record) => toDocument(record, this.#host))
    if (!await this.#insist(() => this.#sink.write(documents))) return false
    const mustErase = this.#at.isErasing || records.some(({ action }) => action === 'audit.erased')
    this.#note({ seq: last.seq, hash: last.hash, isErasing: mustErase })
    this.#state.copied += records.length
    this.#state.heldSince = undefined
    this.#log.debug({ records: records.length, seq: last.seq }, 'audit records copied')
    if (mustErase && !await this.#erase()) return false
    // The log is locked while it is erased, so what was erased before another record came is erased for good.
    if (mustErase && last.action !== 'audit.erased') this.#note({ seq: last.seq, hash: last.hash, isErasing: false })
    return true
  }

  #note(at) {
    this.#at = at
    this.#position.write(at)
  }

  #lookForGaps(records) {
    let { seq } = this.#at
    for (const record of records) {
      const missed = record.seq - seq - 1
      if (missed > 0 && seq > 0) {
        this.#state.missed += missed
        this.#log.error({ missed, from: seq + 1 }, 'audit records were gone before they could be copied')
      }
      seq = record.seq
    }
  }

  /** Records of a person were blanked in the log: so are their copies. Looks again until nothing changes. */
  async #erase() {
    for (let before = -1; !this.#isStopping;) {
      const now = await this.#eraseOnce()
      if (now === before) {
        this.#log.info({ records: now }, 'records that were erased are erased in the database')
        return true
      }
      before = now
      await this.#pause(this.#settleMs)
    }
    return false
  }

  async #eraseOnce() {
    const child = this.#sbx.start(['audit', 'export', '--die-with-parent'])
    child.stdin.end()
    let count = 0
    try {
      for await (const records of groups(child.stdout)) {
        const documents = records.filter(({ erased }) => erased === true).map((record) => toDocument(record, this.#host))
        if (documents.length && !await this.#insist(() => this.#sink.replace(documents))) return count
        count += documents.length
      }
      const { exit } = await child.ended
      if (exit !== 0) throw new Error('the audit log could not be exported')
    } finally {
      stop(child)
    }
    return count
  }
}

/** What a server copies with, or undefined when no database is configured. Throws for a URI that cannot be used. */
export function auditCopyOf({ cfg, sbx, log }) {
  if (!cfg.mongoUri) return undefined
  const sink = new MongoSink({ uri: cfg.mongoUri, ttlDays: cfg.auditTtlDays, poolMax: cfg.mongoPoolMax, poolMin: cfg.mongoPoolMin })
  const openPosition = async () => {
    const dir = cfg.stateDir ?? join((await sbx.call(['config', '--json'])).settings.state.value, 'adapter')
    return new Position(dir, sink.target)
  }
  return new AuditCopy({ sbx, sink, openPosition, log: log.child({ part: 'audit' }) })
}
