// SPDX-License-Identifier: Apache-2.0
// Who may look: one key that opens the dashboard and the metrics and nothing else.
import { credentials } from './auth.js'
import { HttpError } from './errors.js'
import { sameKey } from './keys.js'

// Before the colon of a Basic credential stands a name, behind it the key: as browsers ask for them.
function passwordOf(authorization = '') {
  const [, value] = /^basic +(\S+) *$/i.exec(authorization) ?? []
  return value && Buffer.from(value, 'base64').toString('utf8').replace(/^[^:]*:/, '')
}

/** Throws 401 unless the watch key was shown: as Basic password or user, as Bearer, or in X-API-Key. */
export function requireWatchKey(cfg, headers) {
  const { key } = credentials(headers)
  const shown = [key, passwordOf(headers.authorization)].filter(Boolean)
  // All are compared, whichever fits.
  const fits = shown.map((one) => sameKey(one, cfg.watchKey))
  if (!fits.includes(true)) throw new HttpError(401, shown.length ? 'Invalid credential' : 'A credential is required')
}

/** What a route of this kind is registered with. */
export const watched = ({ cfg, refusals }) => ({
  config: { watch: true },
  onRequest: async (req) => { await refusals.watch(req, async () => requireWatchKey(cfg, req.headers)) },
})
