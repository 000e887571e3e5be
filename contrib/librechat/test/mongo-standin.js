// SPDX-License-Identifier: Apache-2.0
// What stands in for a MongoDB server in the tests: the wire protocol (OP_MSG, and OP_QUERY for the first hello) and
// the few commands that the adapter uses, for the official driver. It is no database, and proves nothing about one
// beyond that protocol: the documents live in a Map. Outage, slowness and refusal are played.
import { createServer } from 'node:net'
import { BSON } from 'mongodb'

const OP_REPLY = 1
const OP_QUERY = 2004
const OP_MSG = 2013
const DUPLICATE = 11_000

const hello = () => ({
  helloOk: true, isWritablePrimary: true, ismaster: true, maxBsonObjectSize: 16_777_216, maxMessageSizeBytes: 48_000_000, maxWriteBatchSize: 100_000,
  localTime: new Date(), logicalSessionTimeoutMinutes: 30, connectionId: 1, minWireVersion: 0, maxWireVersion: 25, readOnly: false, ok: 1,
})
export const failure = (code, codeName, errmsg) => ({ ok: 0, code, codeName, errmsg })

/** The command of an OP_MSG, with the documents of its sequences put in their places. */
function readMessage(body) {
  let at = 4
  let command
  const sequences = {}
  while (at < body.length) {
    const kind = body[at++]
    const size = body.readInt32LE(at)
    const end = at + size
    if (kind === 0) command = BSON.deserialize(body.subarray(at, end))
    else {
      const zero = body.indexOf(0, at + 4)
      const list = sequences[body.toString('utf8', at + 4, zero)] = []
      for (let doc = zero + 1; doc < end; doc += body.readInt32LE(doc)) list.push(BSON.deserialize(body.subarray(doc, doc + body.readInt32LE(doc))))
    }
    at = end
  }
  return { ...command, ...sequences }
}

function readQuery(body) {
  const zero = body.indexOf(0, 4)
  return BSON.deserialize(body.subarray(zero + 9, zero + 9 + body.readInt32LE(zero + 9)))
}

function reply(op, responseTo, doc) {
  const bytes = BSON.serialize(doc)
  const before = Buffer.alloc(op === OP_MSG ? 21 : 36)
  before.writeInt32LE(before.length + bytes.length, 0)
  before.writeInt32LE(responseTo, 8)
  before.writeInt32LE(op === OP_MSG ? OP_MSG : OP_REPLY, 12)
  if (op !== OP_MSG) before.writeInt32LE(1, 32)
  return Buffer.concat([before, bytes])
}

const fits = (doc, filter) => Object.entries(filter).every(([key, wanted]) => doc[key] === wanted)

export class Standin {
  port
  commands = [] // names, in the order they came
  indexes = new Map()
  collections = new Map()
  sent = 0 // updates in all commands
  delayMs = 0
  refuse = undefined // (name, command) => failure document or undefined
  cutAfter = undefined // name of a command whose effect stays and whose answer is lost
  #server
  #sockets = new Set()

  get documents() {
    return [...(this.collections.get('sandbox_audit_logs')?.values() ?? [])]
  }

  async start() {
    this.#server = createServer((socket) => this.#serve(socket))
    await new Promise((resolve) => { this.#server.listen(this.port ?? 0, '127.0.0.1', resolve) })
    this.port = this.#server.address().port
    return this
  }

  /** As a server that goes down: connections end, the port refuses, what was written stays. */
  async stop() {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise((resolve) => { this.#server.close(resolve) })
  }

  uri(more = '') {
    return `mongodb://127.0.0.1:${this.port}/chat${more}`
  }

  #serve(socket) {
    this.#sockets.add(socket)
    socket.on('error', () => {}).on('close', () => this.#sockets.delete(socket))
    let buffer = Buffer.alloc(0)
    socket.on('data', (data) => {
      buffer = Buffer.concat([buffer, data])
      while (buffer.length >= 16 && buffer.length >= buffer.readInt32LE(0)) {
        const size = buffer.readInt32LE(0)
        this.#message(socket, buffer.subarray(0, size))
        buffer = buffer.subarray(size)
      }
    })
  }

  #message(socket, bytes) {
    const op = bytes.readInt32LE(12)
    const command = op === OP_MSG ? readMessage(bytes.subarray(16)) : op === OP_QUERY ? readQuery(bytes.subarray(16)) : {}
    const [name] = Object.keys(command)
    const isHello = /^(hello|ismaster)$/i.test(name)
    this.commands.push(name)
    const doc = isHello ? hello() : this.refuse?.(name, command) ?? this.#run(name, command)
    const answer = reply(op, bytes.readInt32LE(4), doc)
    if (this.cutAfter === name) {
      this.cutAfter = undefined
      return socket.destroy()
    }
    setTimeout(() => { if (socket.writable) socket.write(answer) }, isHello ? 0 : this.delayMs)
  }

  #run(name, command) {
    const collection = this.collections.get(command[name]) ?? new Map()
    if (['insert', 'update'].includes(name)) this.collections.set(command[name], collection)
    switch (name) {
      case 'saslStart': return { ok: 1, conversationId: 1, done: true, payload: new BSON.Binary() } // PLAIN takes any password
      case 'ping': case 'endSessions': return { ok: 1 }
      case 'createIndexes': return this.#createIndexes(command)
      case 'dropIndexes': return this.indexes.delete(command.index) ? { ok: 1 } : failure(27, 'IndexNotFound', 'index not found')
      case 'collMod': {
        const index = [...this.indexes.values()].find(({ key }) => key.createdAt && Object.keys(key).length === 1)
        index.expireAfterSeconds = command.index.expireAfterSeconds
        return { ok: 1 }
      }
      case 'insert': return writes(command.documents, command.ordered, (doc, answer) => {
        if (collection.has(doc._id)) return { code: DUPLICATE, errmsg: 'E11000 duplicate key error' }
        collection.set(doc._id, doc)
        answer.n++
      })
      case 'update': this.sent += command.updates.length
        return writes(command.updates, command.ordered, (one, answer, index) => update(collection, one, answer, index))
      case 'find': return { ok: 1, cursor: { id: BSON.Long.ZERO, ns: `chat.${command.find}`, firstBatch: [...collection.values()].filter((doc) => fits(doc, command.filter ?? {})) } }
      default: return failure(59, 'CommandNotFound', `no such command: '${name}'`)
    }
  }

  #createIndexes({ indexes }) {
    for (const index of indexes) {
      const old = this.indexes.get(index.name)
      if (old && old.expireAfterSeconds !== index.expireAfterSeconds) return failure(85, 'IndexOptionsConflict', 'an equivalent index exists with other options')
      this.indexes.set(index.name, { ...index })
    }
    return { ok: 1 }
  }
}

function writes(list, ordered, apply) {
  const answer = { ok: 1, n: 0, nModified: 0 }
  const errors = []
  for (const [index, one] of list.entries()) {
    const error = apply(one, answer, index)
    if (!error) continue
    errors.push({ index, ...error })
    if (ordered !== false) break
  }
  return errors.length ? { ...answer, writeErrors: errors } : answer
}

function update(collection, { q, u, upsert }, answer, index) {
  const found = collection.get(q._id)
  const isReplacement = !Object.keys(u)[0]?.startsWith('$')
  if (found) {
    answer.n++
    if (!isReplacement) return
    collection.set(q._id, { _id: q._id, ...u })
    answer.nModified++
  } else if (upsert) {
    collection.set(q._id, { _id: q._id, ...(isReplacement ? u : u.$setOnInsert) })
    answer.n++
    answer.upserted = [...answer.upserted ?? [], { index, _id: q._id }]
  }
}
