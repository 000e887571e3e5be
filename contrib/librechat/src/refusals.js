// SPDX-License-Identifier: Apache-2.0
// Wrong keys go into the audit log of sbx, summed over a moment and per address, so that whoever tries a million
// of them starts no million processes.
const GATHER_MS = 1000
const ADDRESSES_MAX = 50

export class Refusals {
  #sbx
  #log
  #gatherMs
  #waiting = new Map()
  #timer
  #writing = Promise.resolve()
  #total = 0

  constructor({ sbx, log, gatherMs = GATHER_MS }) {
    this.#sbx = sbx
    this.#log = log
    this.#gatherMs = gatherMs
  }

  get total() {
    return this.#total
  }

  /** Runs a check; what it refuses with 401 is noted if a credential was shown at all. */
  async watch(req, check) {
    try {
      return await check()
    } catch (err) {
      const { authorization, 'x-api-key': key, 'user-agent': agent = '' } = req.headers
      if (err.statusCode === 401 && (authorization !== undefined || key !== undefined)) this.#note(req.ip, agent)
      throw err
    }
  }

  #note(ip, agent) {
    this.#total++
    // Beyond so many addresses in one moment they are counted as one.
    const who = this.#waiting.has(ip) || this.#waiting.size < ADDRESSES_MAX ? ip : 'many'
    const entry = this.#waiting.get(who) ?? { count: 0, agent: who === ip ? agent : '' }
    entry.count++
    this.#waiting.set(who, entry)
    this.#timer ??= setTimeout(() => this.#flush(), this.#gatherMs).unref()
  }

  #flush() {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const list = [...this.#waiting]
    this.#waiting.clear()
    // One process at a time, whatever comes.
    this.#writing = this.#writing.then(async () => {
      for (const [ip, { count, agent }] of list) await this.#write(ip, agent, count)
    })
  }

  async #write(ip, agent, count) {
    // eslint-disable-next-line no-control-regex
    const request = { what: ['auth-failure'], count, ip, user_agent: agent.replace(/[\u0000-\u001f\u007f]/g, ' ').slice(0, 200) }
    try {
      await this.#sbx.call(['audit', '--request', '-'], request, { timeoutMs: 20_000 })
    } catch (err) {
      this.#log.error({ reason: err.message, count }, 'wrong keys could not be recorded')
    }
  }

  async close() {
    this.#flush()
    await this.#writing
  }
}
