// SPDX-License-Identifier: Apache-2.0
// Keys per user. A key is 256 random bits, so one SHA-256 of it is as hard to turn round as the key is to
// guess; the file holds nothing else, belongs to its owner alone and is always replaced whole.
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { closeSync, constants, fstatSync, fsyncSync, openSync, readFileSync, renameSync, statSync, unlinkSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { isUser } from './ids.js'

const hash = (key) => createHash('sha256').update(key, 'utf8').digest()
const FILE_MAX = 16 * 1024 * 1024

export class KeyFileError extends Error {}

/** Compares without telling by its time where the difference is, nor how long the right key is. */
export const sameKey = (a, b) => timingSafeEqual(hash(a), hash(b))

export function readKeys(file) {
  let fd
  try {
    fd = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (err) {
    if (err.code === 'ENOENT') return []
    throw new KeyFileError(`${file}: cannot be opened (${err.code})`)
  }
  try {
    const { mode, size } = fstatSync(fd)
    if ((mode & constants.S_IFMT) !== constants.S_IFREG || size > FILE_MAX) throw new KeyFileError(`${file}: not a file of keys`)
    if (mode & 0o077) throw new KeyFileError(`${file}: others can read it; chmod 600 it`)
    return parse(readFileSync(fd, 'utf8'), file)
  } finally {
    closeSync(fd)
  }
}

function parse(content, file) {
  let doc
  try {
    doc = JSON.parse(content)
  } catch {
    throw new KeyFileError(`${file}: not JSON`)
  }
  const good = (key) => typeof key?.id === 'string' && isUser(key.user) && /^[0-9a-f]{64}$/.test(key.sha256)
  if (doc?.v !== 1 || !Array.isArray(doc.keys) || !doc.keys.every(good)) throw new KeyFileError(`${file}: not a file of keys`)
  return doc.keys
}

/** One writer at a time: the lock is a file that only one process can make. */
function change(file, edit) {
  const lock = `${file}.lock`
  const fd = openLock(lock)
  const next = `${file}.${randomBytes(6).toString('hex')}.new`
  try {
    const [keys, result] = edit(readKeys(file))
    const out = openSync(next, 'wx', 0o600)
    try {
      writeSync(out, `${JSON.stringify({ v: 1, keys }, null, 2)}\n`)
      fsyncSync(out)
    } finally {
      closeSync(out)
    }
    renameSync(next, file)
    const dir = openSync(dirname(file), 'r')
    try {
      fsyncSync(dir)
    } finally {
      closeSync(dir)
    }
    return result
  } finally {
    closeSync(fd)
    unlinkSync(lock)
  }
}

function openLock(lock) {
  const until = Date.now() + 5000
  for (;;) {
    try {
      return openSync(lock, 'wx', 0o600)
    } catch (err) {
      if (err.code !== 'EEXIST') throw new KeyFileError(`${lock}: ${err.code}`)
      if (Date.now() > until) throw new KeyFileError(`${lock} exists; remove it if no other command is running`)
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50)
    }
  }
}

export function addKey(file, user) {
  if (!isUser(user)) throw new KeyFileError(`'${user}' is no user name`)
  const secret = `sbx_${randomBytes(32).toString('base64url')}`
  return change(file, (keys) => {
    const key = { id: randomBytes(6).toString('hex'), user, sha256: hash(secret).toString('hex'), created: new Date().toISOString() }
    return [[...keys, key], { id: key.id, user, key: secret }]
  })
}

export function removeKey(file, id) {
  return change(file, (keys) => {
    const left = keys.filter((key) => key.id !== id)
    if (left.length === keys.length) throw new KeyFileError(`no key '${id}'`)
    return [left, id]
  })
}

export const listKeys = (file) => readKeys(file).map(({ id, user, created }) => ({ id, user, created }))

/** The keys of a running server; a changed file is seen with the next request. */
export class KeyRing {
  #file
  #log
  #stamp
  #keys = []

  constructor(file, log) {
    this.#file = file
    this.#log = log
    this.#keys = readKeys(file)
    this.#stamp = stampOf(file)
  }

  /** The user of a key, or undefined. Looks at every entry, whichever fits. */
  find(secret) {
    this.#refresh()
    const wanted = hash(secret)
    let found
    for (const { sha256, user } of this.#keys) {
      if (timingSafeEqual(Buffer.from(sha256, 'hex'), wanted)) found = user
    }
    return found
  }

  #refresh() {
    const stamp = stampOf(this.#file)
    if (stamp === this.#stamp) return
    this.#stamp = stamp
    try {
      this.#keys = readKeys(this.#file)
    } catch (err) {
      // A file that went bad opens nothing.
      this.#keys = []
      this.#log.error({ reason: err.message }, 'the file of keys cannot be used')
    }
  }
}

function stampOf(file) {
  try {
    const { mtimeMs, ino, size, mode } = statSync(file)
    return `${mtimeMs}:${ino}:${size}:${mode}`
  } catch {
    return ''
  }
}
