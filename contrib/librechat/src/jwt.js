// SPDX-License-Identifier: Apache-2.0
// Tokens that LibreChat signs: EdDSA or RS256, public keys from a PEM file, a directory or a JWKS document.
import { createPublicKey } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { createLocalJWKSet, createRemoteJWKSet, jwtVerify } from 'jose'
import { ConfigError } from './config.js'

const SKEW_S = 30
const LIFE_S = 300
const ALGORITHMS = { ed25519: 'EdDSA', rsa: 'RS256' }

function readPem(file) {
  let key
  try {
    key = createPublicKey(readFileSync(file))
  } catch {
    throw new ConfigError(`${file}: not a public key in PEM form`)
  }
  if (!(key.asymmetricKeyType in ALGORITHMS)) throw new ConfigError(`${file}: neither Ed25519 nor RSA`)
  return key
}

// A key answers for its own algorithm only; the header of a token chooses nothing.
function fit(key, header) {
  if (!key || ALGORITHMS[key.asymmetricKeyType] !== header.alg) throw new Error('no key for this token')
  return key
}

function keySource(cfg) {
  if (cfg.jwtKey) {
    const key = readPem(cfg.jwtKey)
    return (header) => fit(key, header)
  }
  if (cfg.jwtDir) {
    const keys = new Map(readdirSync(cfg.jwtDir).filter((name) => name.endsWith('.pem'))
      .map((name) => [basename(name, '.pem'), readPem(join(cfg.jwtDir, name))]))
    if (!keys.size) throw new ConfigError(`${cfg.jwtDir}: no file KID.pem`)
    return (header) => fit(keys.get(header.kid), header)
  }
  if (/^https?:\/\//.test(cfg.jwks)) return createRemoteJWKSet(new URL(cfg.jwks), { timeoutDuration: 5000 })
  try {
    return createLocalJWKSet(JSON.parse(readFileSync(cfg.jwks, 'utf8')))
  } catch {
    throw new ConfigError(`${cfg.jwks}: not a JWKS document`)
  }
}

/** undefined when no key is configured; else a function from token to { sub, tenant }, which throws. */
export function jwtVerifier(cfg) {
  if (!cfg.jwtKey && !cfg.jwtDir && !cfg.jwks) return undefined
  const source = keySource(cfg)
  return async (token) => {
    const { payload } = await jwtVerify(token, source, {
      algorithms: Object.values(ALGORITHMS),
      issuer: cfg.jwtIssuer,
      audience: cfg.jwtAudience,
      clockTolerance: SKEW_S,
      requiredClaims: ['sub', 'iat', 'exp'],
    })
    if (payload.exp - payload.iat > LIFE_S) throw new Error('the token lives too long')
    if (typeof payload.sub !== 'string' || payload.sub === '' || payload.sub.length > 512) throw new Error('no subject')
    const tenant = payload.tenant_id
    if (tenant !== undefined && typeof tenant !== 'string') throw new Error('no tenant')
    return { sub: payload.sub, tenant: tenant === cfg.tenant ? undefined : tenant }
  }
}
