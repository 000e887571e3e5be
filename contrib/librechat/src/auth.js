// SPDX-License-Identifier: Apache-2.0
// Who is asking. Several credentials may be shown, but they must say the same.
import { HttpError } from './errors.js'
import { kindUser, personUser } from './ids.js'
import { KeyRing, sameKey } from './keys.js'
import { jwtVerifier } from './jwt.js'

const CREDENTIAL_MAX = 16 * 1024
const refuse = (message) => new HttpError(401, message)
const looksLikeJwt = (value) => /^[\w-]+\.[\w-]+\.[\w-]+$/.test(value)

/** The key of a Basic credential: its user part. Some clients send it without the colon. */
function basicKey(value) {
  const plain = Buffer.from(value, 'base64').toString('utf8')
  const colon = plain.indexOf(':')
  return colon < 0 ? plain : plain.slice(0, colon)
}

/** The credentials of a request as keys and tokens, each kept once. */
export function credentials(headers) {
  const keys = new Set()
  const tokens = new Set()
  const apiKey = headers['x-api-key']
  if (apiKey !== undefined) keys.add(String(apiKey))
  const authorization = headers.authorization
  if (authorization !== undefined) {
    const [, scheme, value] = /^(\S+) +(\S+) *$/.exec(authorization) ?? []
    if (authorization.length > CREDENTIAL_MAX || !value) throw refuse('Malformed Authorization header')
    if (/^basic$/i.test(scheme)) keys.add(basicKey(value))
    else if (!/^bearer$/i.test(scheme)) throw refuse('Unknown authorization scheme')
    else if (looksLikeJwt(value)) tokens.add(value)
    else keys.add(value)
  }
  if (keys.size + tokens.size > 1) throw refuse('The credentials disagree')
  return { key: [...keys][0], token: [...tokens][0] }
}

export class Auth {
  #cfg
  #ring
  #verify

  constructor(cfg, log) {
    this.#cfg = cfg
    this.#ring = cfg.keysFile && new KeyRing(cfg.keysFile, log)
    this.#verify = jwtVerifier(cfg)
  }

  /** The principal of a request, or 401. */
  async principal(headers) {
    const { key, token } = credentials(headers)
    if (token !== undefined && this.#verify) return this.#byToken(token)
    const shown = key ?? token
    if (shown) {
      if (this.#cfg.apiKey && sameKey(shown, this.#cfg.apiKey)) return this.#shared()
      const user = this.#ring?.find(shown)
      if (user) return plainPrincipal(user)
    }
    if (this.#cfg.noAuth) return this.#anonymous(headers)
    throw refuse(shown ? 'Invalid credential' : 'A credential is required')
  }

  async #byToken(token) {
    try {
      const { sub, tenant } = await this.#verify(token)
      return tokenPrincipal(sub, tenant)
    } catch {
      throw refuse('Invalid bearer token')
    }
  }

  #shared() {
    return { ...plainPrincipal(this.#cfg.user), admin: true }
  }

  // Without a credential a page in somebody's browser could ask too; pages are the ones that send an Origin.
  #anonymous(headers) {
    if (headers.origin !== undefined) throw refuse('Requests of web pages need a credential')
    return this.#shared()
  }
}

/** A key is one principal, whatever a request says about kinds. */
const plainPrincipal = (user) => ({ user, admin: false, owner: () => user })

/** A token speaks for its subject, and names the owners of what agents and skills share. */
function tokenPrincipal(sub, tenant) {
  const user = personUser(sub, tenant)
  const owner = (kind, id) => {
    if ((kind !== 'agent' && kind !== 'skill') || typeof id !== 'string' || !/^[\w.:-]{1,128}$/.test(id)) return user
    return kindUser(kind, id, tenant)
  }
  return { user, admin: false, owner }
}
