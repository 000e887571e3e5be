// SPDX-License-Identifier: Apache-2.0
// Every environment variable, once: what it is called, what it means, how it is read. env.example, the
// README's table and the tests are held against this list.
import { availableParallelism } from 'node:os'
import { readFileSync } from 'node:fs'

class ConfigError extends Error {}
export { ConfigError }

const text = (value) => value
const path = (value) => value
const flag = (value, name) => {
  if (/^(1|true|yes|on)$/i.test(value)) return true
  if (/^(0|false|no|off)$/i.test(value)) return false
  throw new ConfigError(`${name}: '${value}' is neither true nor false`)
}
const int = (min, max) => (value, name) => {
  const n = /^\d{1,15}$/.test(value) ? Number(value) : NaN
  if (!(n >= min && n <= max)) throw new ConfigError(`${name}: '${value}' is not a whole number from ${min} to ${max}`)
  return n
}
const oneOf = (...words) => (value, name) => {
  if (!words.includes(value)) throw new ConfigError(`${name}: '${value}' is none of ${words.join(', ')}`)
  return value
}
const only = (good, reason) => (value, name) => {
  if (value.toLowerCase() === good) return value
  throw new ConfigError(`${name}=${value} is refused: ${reason}`)
}
const never = (reason) => (_value, name) => {
  throw new ConfigError(`${name} is refused: ${reason}`)
}
const user = (value, name) => {
  if (!/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/.test(value)) throw new ConfigError(`${name}: '${value}' is no user name`)
  return value
}
const origin = (value, name) => {
  const url = URL.canParse(value) ? new URL(value) : undefined
  if (!url || !/^https?:$/.test(url.protocol) || value !== url.origin) throw new ConfigError(`${name}: '${value}' is no origin such as https://preview.example.org`)
  return value
}
const secret = (min) => (value, name) => {
  if (value.length < min) throw new ConfigError(`${name} is too short: ${min} characters at least`)
  return value
}
const ancestors = (value, name) => {
  const words = value.trim().split(/\s+/)
  if (value === 'none') return "'none'"
  return words.map((word) => origin(word, name)).join(' ')
}
// The value is not repeated: there is a password in it.
const mongo = (value, name) => {
  if (!/^mongodb(\+srv)?:\/\/./.test(value)) throw new ConfigError(`${name} must begin with mongodb:// or mongodb+srv://`)
  return value
}

const LEVELS = { error: 'error', warn: 'warn', info: 'info', debug: 'debug', verbose: 'trace' }
const level = (value, name) => LEVELS[oneOf(...Object.keys(LEVELS))(value, name)]

const NO_IMAGE = 'programs run in a jail of this host, not in a container; choose a profile with SBX_PROFILE instead'
const ALWAYS = 'this protection cannot be switched off'

// [name, key in the configuration (or null: only checked), reader, default, what it is]
export const VARIABLES = [
  ['SANDBOX_PORT', 'port', int(0, 65535), 3081, 'TCP port'],
  ['SBX_ADAPTER_HOST', 'host', text, '127.0.0.1', 'address to listen on; keep it private'],
  ['SBX_ADAPTER_SOCKET', 'socket', path, undefined, 'Unix socket to listen on instead of a port'],
  ['SBX', 'sbx', path, 'sbx', 'the sbx program'],
  ['SANDBOX_STORAGE_PATH', 'storage', path, undefined, 'handed to sbx: where files are stored; unset: the place sbx chooses'],
  ['SANDBOX_API_KEY', 'apiKey', text, undefined, 'the shared key'],
  ['LIBRECHAT_CODE_API_KEY', 'apiKeyLibreChat', text, undefined, 'the shared key where SANDBOX_API_KEY is not set'],
  ['SBX_ADAPTER_NO_AUTH', 'noAuth', flag, false, 'true: serve without any credential'],
  ['SBX_ADAPTER_USER', 'user', user, 'librechat', 'the sbx user that the shared key stands for'],
  ['SBX_ADAPTER_KEYS', 'keysFile', path, undefined, 'file of keys per user, written by `sbx-adapter keys`'],
  ['SBX_ADAPTER_JWT_KEY', 'jwtKey', path, undefined, 'PEM file with the public key of LibreChat'],
  ['SBX_ADAPTER_JWT_DIR', 'jwtDir', path, undefined, 'directory of PEM files, each named KID.pem'],
  ['SBX_ADAPTER_JWKS', 'jwks', text, undefined, 'JWKS document: a file or an http(s) URL'],
  ['SBX_ADAPTER_JWT_ISSUER', 'jwtIssuer', text, 'librechat', 'expected issuer'],
  ['SBX_ADAPTER_JWT_AUDIENCE', 'jwtAudience', text, 'codeapi', 'expected audience'],
  ['SBX_ADAPTER_TENANT', 'tenant', text, undefined, 'the tenant whose users keep their plain names in the storage'],
  ['SBX_PROFILE', 'profile', text, undefined, 'profile of executions; unset: the default of sbx'],
  ['SBX_TOOLS_PROFILE', 'toolsProfile', text, 'tools', 'profile of programmatic tool calling; its wall_ms bounds a whole run with all pauses'],
  ['SANDBOX_TIMEOUT_MS', 'timeoutMs', int(100, 3_600_000), undefined, 'wall time of a run; unset: that of the profile (30000)'],
  ['MAX_EXECUTION_TIME', 'timeoutS', int(1, 3600), undefined, 'the same in seconds; SANDBOX_TIMEOUT_MS goes before it'],
  ['SANDBOX_MEMORY_MB', 'memoryMb', int(16, 1_048_576), undefined, 'memory of a run in MiB; unset: that of the profile (512)'],
  ['MAX_MEMORY_MB', 'memoryMb2', int(16, 1_048_576), undefined, 'the same; SANDBOX_MEMORY_MB goes before it'],
  ['SANDBOX_MAX_CONCURRENT_EXECUTIONS', 'perPrincipal', int(1, 10_000), 5, 'runs at once per principal; more wait'],
  ['MAX_CONCURRENT_EXECUTIONS', 'total', int(1, 10_000), Math.max(10, 4 * availableParallelism()), 'runs at once in all; default 10, or 4 per core'],
  ['SBX_ADAPTER_QUEUE_MAX', 'queueMax', int(0, 100_000), 100, 'runs that may wait; more are answered 429'],
  ['SBX_ADAPTER_QUEUE_WAIT_MS', 'queueWaitMs', int(1, 600_000), 8000, 'how long a run may wait before it is answered 429'],
  ['RATE_LIMIT_PER_MINUTE', 'ratePerMinute', int(0, 1_000_000), 0, 'runs per minute and principal; 0: no limit here, sbx has its own'],
  ['RATE_LIMIT_BURST', 'rateBurst', int(1, 1_000_000), 10, 'runs at once before the rate counts'],
  ['ENABLE_PYTHON', 'enablePython', flag, true, 'Python may be asked for'],
  ['ENABLE_JAVASCRIPT', 'enableJavascript', flag, true, 'JavaScript and TypeScript may be asked for'],
  ['ENABLE_SHELL', 'enableShell', flag, true, 'Bash may be asked for; LibreChat itself needs it to read files'],
  ['ENABLE_RUST', 'enableRust', flag, true, 'Rust may be asked for, where the profile has it'],
  ['SBX_ADAPTER_OUTPUT_MAX', 'outputMax', int(1024, 67_108_864), 65_536, 'bytes of stdout and of stderr in an answer'],
  ['SBX_ADAPTER_BODY_MAX', 'bodyMax', int(1024, 1_073_741_824), 52_428_800, 'bytes of a JSON body'],
  ['SBX_ADAPTER_UPLOAD_MAX', 'uploadMax', int(1, 1_099_511_627_776), 157_286_400, 'bytes of one uploaded file'],
  ['SBX_ADAPTER_UPLOADS', 'uploadsTotal', int(1, 10_000), Math.max(8, 4 * availableParallelism()), 'uploads read at once, half of them of one principal; more wait; default 8, or 4 per core'],
  ['SBX_ADAPTER_BATCH_MAX', 'batchMax', int(1, 100_000), 1000, 'files in one batch'],
  ['SBX_ADAPTER_REQUEST_MS', 'requestMs', int(100, 3_600_000), 150_000, 'time a client has to send its request'],
  ['SBX_ADAPTER_PAUSED_MAX', 'pausedMax', int(1, 10_000), 32, 'programs that may wait for tool results at once'],
  ['SBX_ADAPTER_PAUSE_MS', 'pauseMs', int(100, 86_400_000), 600_000, 'how long a program waits for tool results'],
  ['SBX_ADAPTER_MCP', 'mcp', flag, true, 'serve the Model Context Protocol at /mcp'],
  ['SBX_ADAPTER_PREVIEW_ORIGIN', 'previewOrigin', origin, undefined, 'origin that serves previews of pages and nothing else, as browsers see it; never that of the chat; unset: no previews'],
  ['SBX_ADAPTER_PREVIEW_KEY', 'previewKey', secret(32), undefined, 'key that signs links to previews, the same for all copies; unset: a new one at every start'],
  ['SBX_ADAPTER_PREVIEW_MS', 'previewMs', int(1000, 86_400_000), 300_000, 'how long a link to a preview is good'],
  ['SBX_ADAPTER_PREVIEW_FRAME', 'previewFrame', ancestors, "'none'", 'origins that may show a preview in a frame, or none'],
  ['SBX_ADAPTER_PREVIEW_PROFILE', 'previewProfile', text, 'browser', 'profile whose language html makes pages static'],
  ['SBX_ADAPTER_WATCH_KEY', 'watchKey', text, undefined, 'key for /dashboard and /metrics, which only show; unset: neither is served'],
  ['SBX_ADAPTER_WATCH_MAX', 'watchMax', int(1, 1000), 20, 'dashboards that may be open at once'],
  ['SBX_ADAPTER_WATCH_MS', 'watchMs', int(200, 60_000), 2000, 'time between two looks while a dashboard is open'],
  ['SANDBOX_LOG_LEVEL', 'logLevel', level, 'info', 'error, warn, info, debug or verbose'],
  ['SANDBOX_AUDIT_TTL_DAYS', 'auditTtlDays', int(1, 36_500), undefined, 'handed to sbx: days until audit records expire, there and in the database'],
  ['ENABLE_AUDIT_LOG', null, only('true', 'the audit log belongs to sbx and is configured there'), true, 'only true'],
  ['NETWORK_MODE', null, only('none', 'programs have no network'), 'none', 'only none'],
  ['READ_ONLY_ROOT', null, only('true', ALWAYS), true, 'only true'],
  ['DROP_ALL_CAPABILITIES', null, only('true', ALWAYS), true, 'only true'],
  ['SANDBOX_DOCKER_IMAGE', null, never(NO_IMAGE), undefined, `refused: ${NO_IMAGE}`],
  ['CONTAINER_IMAGE', null, never(NO_IMAGE), undefined, `refused: ${NO_IMAGE}`],
  ['MONGO_URI', 'mongoUri', mongo, undefined, 'database that audit records are copied to, into `sandbox_audit_logs`; unset: they stay in the audit log of sbx'],
  ['MONGO_MAX_POOL_SIZE', 'mongoPoolMax', int(1, 100_000), 10, 'connections to the database, at most'],
  ['MONGO_MIN_POOL_SIZE', 'mongoPoolMin', int(0, 100_000), 2, 'connections to the database, at least'],
  ['SBX_ADAPTER_STATE', 'stateDir', path, undefined, 'directory that keeps how far the audit log was copied; unset: `adapter` in the state directory of sbx'],
]

/** Reads the environment; throws ConfigError with one line that says what is wrong. */
export function loadConfig(env) {
  const cfg = {}
  for (const [name, key, read, fallback] of VARIABLES) {
    const raw = env[name]
    const value = raw === undefined || raw === '' ? fallback : read(raw, name)
    if (key) cfg[key] = value
  }
  cfg.apiKey ??= cfg.apiKeyLibreChat
  cfg.timeoutMs ??= cfg.timeoutS && cfg.timeoutS * 1000
  cfg.memoryMb ??= cfg.memoryMb2
  for (const key of ['apiKeyLibreChat', 'timeoutS', 'memoryMb2']) delete cfg[key]
  if (cfg.mongoPoolMin > cfg.mongoPoolMax) throw new ConfigError('MONGO_MIN_POOL_SIZE is above MONGO_MAX_POOL_SIZE')
  if (cfg.previewOrigin && cfg.previewFrame.split(' ').includes(cfg.previewOrigin)) {
    throw new ConfigError('SBX_ADAPTER_PREVIEW_ORIGIN: previews must not have the origin of the page that frames them')
  }
  if (cfg.apiKey !== undefined && cfg.apiKey.length < 8) throw new ConfigError('SANDBOX_API_KEY is too short: 8 characters at least')
  if (cfg.watchKey !== undefined && cfg.watchKey.length < 8) throw new ConfigError('SBX_ADAPTER_WATCH_KEY is too short: 8 characters at least')
  if (cfg.watchKey !== undefined && cfg.watchKey === cfg.apiKey) throw new ConfigError('SBX_ADAPTER_WATCH_KEY must differ from SANDBOX_API_KEY: it only shows')
  return cfg
}

/** Refuses to serve everybody by accident. */
export function requireAuth(cfg) {
  if (cfg.noAuth || cfg.apiKey || cfg.keysFile || cfg.jwtKey || cfg.jwtDir || cfg.jwks) return
  throw new ConfigError('no credential is configured: set SANDBOX_API_KEY (or SBX_ADAPTER_KEYS, SBX_ADAPTER_JWT_KEY, ...); SBX_ADAPTER_NO_AUTH=1 serves without one')
}

export const version = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).version
