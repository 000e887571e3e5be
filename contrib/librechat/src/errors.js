// SPDX-License-Identifier: Apache-2.0
// What can go wrong, as HTTP. Bodies always carry a string `error`; texts of the host never get into one.

export class HttpError extends Error {
  constructor(status, error, extra = {}) {
    super(error)
    this.statusCode = status
    this.body = { error, ...extra }
  }
}

export const bad = (message, extra) => new HttpError(400, message, extra)
export const notFound = (what) => new HttpError(404, `${what} not found`)
export const tooLarge = (message) => new HttpError(413, message)
export const unavailable = (message = 'The sandbox is not available') => new HttpError(503, message)

export function rateLimited(seconds, message = 'Too many executions') {
  const wait = Math.max(1, Math.ceil(seconds))
  const err = new HttpError(429, 'rate_limited', { message, retry_after_seconds: wait })
  err.headers = { 'retry-after': String(wait) }
  return err
}

/** A failure that sbx itself reported, with its stable code and exit status. */
export class SbxError extends Error {
  constructor({ code = 'E_INTERNAL', message = 'sbx failed', pointer, hint, retry_after_ms: retry }, exit = 70) {
    super(message)
    Object.assign(this, { code, pointer, hint, retryAfterMs: retry, exit })
  }
}

const BY_EXIT = {
  64: (err) => bad(err.message, err.pointer ? { details: err.pointer } : {}),
  66: () => notFound('File or session'),
  73: () => tooLarge('The storage is full'),
  75: (err) => rateLimited((err.retryAfterMs ?? 1000) / 1000),
  77: (err) => bad(err.message),
  71: () => unavailable('This host cannot isolate programs'),
}

/** Every failure of an operation becomes one of ours; what has no row is 503. */
export function toHttp(err) {
  if (err instanceof HttpError) return err
  if (err instanceof SbxError) return (BY_EXIT[err.exit] ?? (() => unavailable()))(err)
  const status = err.statusCode
  if (status === 413) return tooLarge('The request is too large')
  if (status === 408) return new HttpError(408, 'The request took too long')
  if (status >= 400 && status < 500) return bad(status === 415 ? 'Unsupported content type' : publicText(err))
  return unavailable()
}

// Messages of the parsers are safe to show, except where they would repeat the body.
function publicText(err) {
  if (err.code === 'FST_ERR_CTP_INVALID_JSON_BODY' || err instanceof SyntaxError) return 'The body is not valid JSON'
  return typeof err.message === 'string' ? err.message.slice(0, 200) : 'Bad request'
}
