// SPDX-License-Identifier: Apache-2.0
// The database that audit records are copied to. The driver keeps the connections; here is what is written and
// what may be said about a failure: never the password of the URI.
import { MongoClient } from 'mongodb'
import { ConfigError } from './config.js'

export const COLLECTION = 'sandbox_audit_logs'
const DATABASE = 'sandbox'
const TTL_INDEX = 'sbx_ttl'
const INDEX_CONFLICT = new Set([85, 86])
const NOT_THERE = new Set([26, 27])

/** Removes the URI, and what in it is secret, from a text. */
export function scrubber(uri) {
  const [, userinfo = ''] = /^mongodb(?:\+srv)?:\/\/(.*)@/s.exec(uri) ?? []
  const password = userinfo.slice(userinfo.indexOf(':') + 1)
  const secrets = new Set([uri, userinfo, password, decoded(password), encodeURIComponent(decoded(password))])
  secrets.delete('')
  const longestFirst = [...secrets].sort((a, b) => b.length - a.length)
  return (text) => longestFirst.reduce((clean, secret) => clean.replaceAll(secret, '***'), String(text))
}

function decoded(text) {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function openClient(uri, { poolMax, poolMin, timeouts }) {
  const has = (option) => new RegExp(`[?&]${option}=`, 'i').test(uri)
  const options = {
    appName: 'sbx-adapter',
    serverSelectionTimeoutMS: 5000,
    connectTimeoutMS: 5000,
    socketTimeoutMS: 30_000,
    ...timeouts,
    ...(!has('maxPoolSize') && { maxPoolSize: poolMax }),
    ...(!has('minPoolSize') && { minPoolSize: poolMin }),
    // What is acknowledged here is never read again from sbx, so it must have been written for good.
    ...(!has('w') && { writeConcern: { w: 'majority', journal: true } }),
  }
  let client
  try {
    client = new MongoClient(uri, options)
  } catch (err) {
    throw new ConfigError(`MONGO_URI is refused: ${scrubber(uri)(err.message).slice(0, 200)}`)
  }
  if (client.options.writeConcern?.w === 0) throw new ConfigError('MONGO_URI is refused: with w=0 records would be lost unseen')
  return client
}

export class MongoSink {
  #client
  #records
  #ttlDays
  #scrub
  #isReady = false

  constructor({ uri, ttlDays, poolMax = 10, poolMin = 2, timeouts = {} }) {
    this.#scrub = scrubber(uri)
    this.#client = openClient(uri, { poolMax, poolMin, timeouts })
    const name = this.#client.options.dbName === 'test' && !/^[^?]*\/\/[^/]*\/test(\?|$)/.test(uri) ? DATABASE : this.#client.options.dbName
    this.#records = this.#client.db(name).collection(COLLECTION)
    this.#ttlDays = ttlDays
  }

  /** Which database this is, without who logs in: a position is worth something for this one only. */
  get target() {
    const { hosts, srvHost } = this.#client.options
    return `${srvHost ?? hosts.map(String).sort().join(',')}/${this.#records.dbName}.${COLLECTION}`
  }

  /** The indexes that the queries and the expiry need. Made once for each start; harmless when they are there. */
  async ready() {
    if (this.#isReady) return
    // Asked for by name: a client whose first connection failed makes no second one by itself.
    await this.#client.connect()
    await this.#records.createIndexes([
      { key: { userId: 1, createdAt: -1 }, name: 'sbx_user' },
      { key: { action: 1, status: 1, createdAt: -1 }, name: 'sbx_action' },
      { key: { sessionId: 1, createdAt: -1 }, name: 'sbx_session' },
      { key: { host: 1, seq: 1 }, name: 'sbx_order' },
    ])
    await this.#expire()
    this.#isReady = true
  }

  async #expire() {
    if (this.#ttlDays === undefined) {
      await this.#records.dropIndex(TTL_INDEX).catch((err) => { if (!NOT_THERE.has(err.code)) throw err })
      return
    }
    const expireAfterSeconds = this.#ttlDays * 86_400
    try {
      await this.#records.createIndexes([{ key: { createdAt: 1 }, name: TTL_INDEX, expireAfterSeconds }])
    } catch (err) {
      if (!INDEX_CONFLICT.has(err.code)) throw err
      // It is there with another number of days.
      await this.#records.db.command({ collMod: COLLECTION, index: { keyPattern: { createdAt: 1 }, expireAfterSeconds } })
    }
  }

  /** Writes records in their order; those that are there already stay as they are. */
  async write(records) {
    const result = await this.#records.bulkWrite(records.map(({ _id, ...rest }) => (
      { updateOne: { filter: { _id }, update: { $setOnInsert: rest }, upsert: true } })), { ordered: true })
    if (result.matchedCount + result.upsertedCount !== records.length) throw new Error('the database did not take all records')
  }

  /** Puts other contents in the place of records that are there. */
  async replace(records) {
    await this.#records.bulkWrite(records.map(({ _id, ...rest }) => ({ replaceOne: { filter: { _id }, replacement: rest } })), { ordered: false })
  }

  /** What a log may say about a failure. */
  describe(err) {
    return { name: err.name, code: err.code, codeName: err.codeName, message: this.#scrub(err.message).slice(0, 300) }
  }

  async close() {
    await this.#client.close()
  }
}
