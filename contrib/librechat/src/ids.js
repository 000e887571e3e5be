// SPDX-License-Identifier: Apache-2.0
// The shapes of ids, user names and file names, and nothing that touches a disk.
import { createHash } from 'node:crypto'

// 122 random bits and four zero bits in base64url: the last character can only be one of four.
const SHORT = /^[A-Za-z0-9_-]{20}[AQgw]$/
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/i
const USER = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/
// Prefixes of names that only this file may make; a person cannot take one of them.
const RESERVED = /^(agent|skill|h)-/

export const isId = (s) => typeof s === 'string' && (SHORT.test(s) || UUID.test(s))
export const isUser = (s) => typeof s === 'string' && USER.test(s) && !RESERVED.test(s)

const digest = (...parts) => createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 40)

/** The storage user of a person: the name itself where it is one, else a fixed hash form. */
export function personUser(sub, tenant) {
  if (tenant === undefined && isUser(sub)) return sub
  return `h-${digest('person', tenant ?? null, sub)}`
}

/** The storage user of what an agent or a skill owns, shared by all persons of a tenant. */
export function kindUser(kind, id, tenant) {
  const plain = `${kind}-${id}`
  if (tenant === undefined && USER.test(plain) && !/^[0-9a-f]{40}$/.test(id)) return plain
  return `${kind}-${digest(kind, tenant ?? null, id)}`
}

const NAME_MAX = 255
const PATH_MAX = 1024
const DEPTH_MAX = 32

/**
 * A name below the workspace without anything that could lead out of it; '' when nothing is left.
 * Names come from people's files, so a bad one is made harmless instead of refused: a refused one
 * would come back with every later call of the conversation.
 */
export function safeName(raw) {
  if (typeof raw !== 'string' || raw.length > 8 * PATH_MAX) return ''
  const parts = raw.toWellFormed()
    // eslint-disable-next-line no-control-regex
    .replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\\]/g, '_')
    .split('/')
    .filter((part) => part !== '' && part !== '.' && part !== '..')
  if (parts.length === 0 || parts.length > DEPTH_MAX) return ''
  if (parts.some((part) => Buffer.byteLength(part) > NAME_MAX)) return ''
  const name = parts.join('/')
  return Buffer.byteLength(name) > PATH_MAX ? '' : name
}
