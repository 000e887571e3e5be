// SPDX-License-Identifier: Apache-2.0
// The log: one JSON object a line with a time of RFC 3339; for a person at a terminal, plain lines.
import pino from 'pino'

// Bodies and credentials are never logged; this is for the day somebody logs a whole request.
const REDACT = ['headers', 'req.headers', 'authorization', 'key', '*.authorization', '*["x-api-key"]']

/** What pino is given, whatever it writes to. */
export const logOptions = (cfg) => ({
  level: cfg.logLevel,
  redact: REDACT,
  base: { name: 'sbx-adapter' },
  timestamp: pino.stdTimeFunctions.isoTime,
  formatters: { level: (label) => ({ level: label === 'trace' ? 'verbose' : label }) },
})

/** A log on a descriptor; `isPlain` makes it lines for a person. */
export async function makeLog(cfg, fd = 1, isPlain = (fd === 2 ? process.stderr : process.stdout).isTTY && process.env.NODE_ENV !== 'production') {
  if (!isPlain) return pino(logOptions(cfg), pino.destination({ fd, sync: fd === 2 }))
  const { default: pretty } = await import('pino-pretty')
  const lines = pretty({ destination: fd, sync: true, colorize: false, translateTime: 'SYS:HH:MM:ss', ignore: 'name', customLevels: 'verbose:10', singleLine: true })
  return pino(logOptions(cfg), lines)
}
