// SPDX-License-Identifier: Apache-2.0
// How far the audit log was copied: one small file, replaced as a whole and on the disk before anybody goes on.
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs'
import { createHash } from 'node:crypto'
import { join } from 'node:path'

const isPosition = (doc) => doc?.v === 1 && Number.isSafeInteger(doc.seq) && doc.seq >= 0 && /^[0-9a-f]{64}$/.test(doc.hash)

export class Position {
  #dir
  #file

  /** `target` says what is copied to: another database begins at the beginning. */
  constructor(dir, target) {
    this.#dir = dir
    this.#file = join(dir, `audit-${createHash('sha256').update(target).digest('hex').slice(0, 16)}.json`)
  }

  /** { seq, hash, erasing } or undefined: copied through that record. A file that makes no sense is none. */
  read() {
    try {
      const doc = JSON.parse(readFileSync(this.#file, 'utf8'))
      return isPosition(doc) ? { seq: doc.seq, hash: doc.hash, isErasing: doc.erasing === true } : undefined
    } catch (err) {
      if (err.code === 'ENOENT' || err instanceof SyntaxError) return undefined
      throw err
    }
  }

  write({ seq, hash, isErasing }) {
    mkdirSync(this.#dir, { recursive: true, mode: 0o700 })
    const next = `${this.#file}.${process.pid}.new`
    const fd = openSync(next, 'w', 0o600)
    try {
      writeSync(fd, `${JSON.stringify({ v: 1, seq, hash, ...(isErasing && { erasing: true }) })}\n`)
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
    renameSync(next, this.#file)
    const dir = openSync(this.#dir, 'r')
    try {
      fsyncSync(dir)
    } finally {
      closeSync(dir)
    }
  }
}
