// SPDX-License-Identifier: Apache-2.0
// Who may run now. A bounded number per principal and in all; who waits is served round-robin over the
// principals, so that one with a hundred requests does not stand before one with a single request.
import { rateLimited } from './errors.js'

export class Fairness {
  #perPrincipal
  #total
  #queueMax
  #waitMs
  #running = new Map()
  #count = 0
  #queues = new Map() // insertion order is the order of service: who is served goes to the back
  #waiting = 0

  constructor({ perPrincipal, total, queueMax, waitMs }) {
    this.#perPrincipal = perPrincipal
    this.#total = total
    this.#queueMax = queueMax
    this.#waitMs = waitMs
  }

  get state() {
    return { running: this.#count, waiting: this.#waiting }
  }

  /** Resolves to a function that gives the place back, or rejects with 429. */
  acquire(who, signal) {
    if (signal?.aborted) return Promise.reject(signal.reason)
    if (!this.#queues.has(who) && this.#free(who)) return Promise.resolve(this.#take(who))
    const mine = this.#queues.get(who) ?? []
    // No principal may fill the whole queue.
    if (this.#waiting >= this.#queueMax || mine.length >= Math.max(1, this.#queueMax >> 1)) {
      return Promise.reject(rateLimited(this.#waitMs / 1000))
    }
    return new Promise((resolve, reject) => {
      const entry = { resolve }
      const leave = (err) => {
        this.#drop(who, entry)
        reject(err)
      }
      const timer = setTimeout(() => leave(rateLimited(this.#waitMs / 1000)), this.#waitMs)
      const onAbort = () => leave(signal.reason)
      signal?.addEventListener('abort', onAbort, { once: true })
      entry.done = () => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', onAbort)
      }
      mine.push(entry)
      this.#queues.set(who, mine)
      this.#waiting++
    })
  }

  /** A run that was paused goes on without waiting: its process exists already. */
  resume(who) {
    return this.#take(who)
  }

  #free(who) {
    return this.#count < this.#total && (this.#running.get(who) ?? 0) < this.#perPrincipal
  }

  #take(who) {
    this.#count++
    this.#running.set(who, (this.#running.get(who) ?? 0) + 1)
    let given = false
    return () => {
      if (given) return
      given = true
      this.#count--
      const left = this.#running.get(who) - 1
      if (left) this.#running.set(who, left)
      else this.#running.delete(who)
      this.#serve()
    }
  }

  #serve() {
    for (const [who, queue] of [...this.#queues]) {
      if (this.#count >= this.#total) return
      if (!this.#free(who)) continue
      const entry = queue.shift()
      this.#waiting--
      this.#queues.delete(who)
      if (queue.length) this.#queues.set(who, queue)
      entry.done()
      entry.resolve(this.#take(who))
    }
  }

  #drop(who, entry) {
    entry.done()
    const queue = this.#queues.get(who)
    const at = queue?.indexOf(entry) ?? -1
    if (at < 0) return
    queue.splice(at, 1)
    this.#waiting--
    if (!queue.length) this.#queues.delete(who)
  }
}

const BUCKETS_MAX = 10_000

/** Token buckets, one per principal; without a rate everything passes. */
export class Rate {
  #perMs
  #burst
  #now
  #buckets = new Map()

  constructor({ perMinute, burst, now = Date.now }) {
    this.#perMs = perMinute / 60_000
    this.#burst = burst
    this.#now = now
  }

  take(who) {
    if (!this.#perMs) return
    const now = this.#now()
    const bucket = this.#buckets.get(who) ?? { tokens: this.#burst, at: now }
    bucket.tokens = Math.min(this.#burst, bucket.tokens + (now - bucket.at) * this.#perMs)
    bucket.at = now
    this.#buckets.delete(who)
    this.#buckets.set(who, bucket)
    if (this.#buckets.size > BUCKETS_MAX) this.#buckets.delete(this.#buckets.keys().next().value)
    if (bucket.tokens < 1) throw rateLimited((1 - bucket.tokens) / this.#perMs / 1000)
    bucket.tokens--
  }
}
