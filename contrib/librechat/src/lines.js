// SPDX-License-Identifier: Apache-2.0
// JSON lines from somebody who is not trusted: bounded, and checked before they mean anything.

/** Cuts a stream of text into lines; calls `onLong` once when one exceeds `max` characters. */
export class Lines {
  #max
  #onLine
  #onLong
  #parts = []
  #size = 0

  constructor(max, onLine, onLong) {
    this.#max = max
    this.#onLine = onLine
    this.#onLong = onLong
  }

  push(text) {
    let from = 0
    for (;;) {
      const end = text.indexOf('\n', from)
      const piece = text.slice(from, end < 0 ? undefined : end)
      this.#size += piece.length
      if (this.#size > this.#max) {
        this.#max = -1
        return this.#onLong()
      }
      if (piece) this.#parts.push(piece)
      if (end < 0) return
      const line = this.#parts.join('')
      this.#parts = []
      this.#size = 0
      this.#onLine(line)
      from = end + 1
    }
  }
}

/** The object in a line, or undefined. */
export function parseObject(line) {
  try {
    const value = JSON.parse(line)
    return value !== null && typeof value === 'object' && !Array.isArray(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** Deep values break whoever walks them by recursion, so they stop here. */
export function isShallow(value, max = 64) {
  let level = [value]
  for (let depth = 0; level.length; depth++) {
    if (depth > max) return false
    const next = []
    for (const item of level) {
      if (item !== null && typeof item === 'object') for (const child of Object.values(item)) next.push(child)
    }
    level = next
  }
  return true
}
