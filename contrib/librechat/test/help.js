// SPDX-License-Identifier: Apache-2.0
// A running adapter for a test, and small ways to talk to it.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import pino from 'pino'
import { buildApp } from '../src/app.js'
import { loadConfig } from '../src/config.js'

export const KEY = 'k3yk3yk3yk3y'
export const isReal = Boolean(process.env.SBX_REAL)
const PROGRAM = fileURLToPath(new URL('../server.mjs', import.meta.url))
const FAKE = fileURLToPath(new URL('./fake-sbx.mjs', import.meta.url))

/** The environment of an adapter over a storage of its own below `dir`. */
function environment(dir, settings) {
  const env = {
    PATH: process.env.PATH, HOME: process.env.HOME, ...(process.env.TMPDIR && { TMPDIR: process.env.TMPDIR }), ...(isReal && pick(process.env, /^(SBX_(?!REAL)|XDG_|DBUS_)/)),
    SBX: isReal ? process.env.SBX_REAL : FAKE, SBX_STORAGE: join(dir, 'storage'), SBX_STATE: join(dir, 'state'),
    SANDBOX_API_KEY: KEY, SBX_ADAPTER_QUEUE_WAIT_MS: '20000', ...settings,
  }
  if (isReal && !env.SBX_CONFIG) {
    // Files of agents and skills belong to others; only a trusted caller may mount them.
    env.SBX_CONFIG = join(dir, 'sbx.json')
    writeFileSync(env.SBX_CONFIG, '{"trusted":["*"],"user_sessions":100000,"slots_user":100}')
  }
  return env
}

/** Starts an adapter on a free port over its own storage; `close` removes all of it. */
export async function adapter(settings = {}) {
  const dir = mkdtempSync(join(tmpdir(), 'sbx-adapter-'))
  const env = environment(dir, settings)
  const cfg = loadConfig(env)
  const logged = []
  const log = pino({ level: 'trace' }, { write: (line) => logged.push(line) })
  const app = await buildApp(cfg, { log, env })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address()
  const base = `http://127.0.0.1:${port}`
  return {
    app, cfg, dir, env, base, port, logged,
    requests: () => readFileSync(join(env.SBX_STORAGE, 'requests'), 'utf8').trim().split('\n').map((line) => JSON.parse(line)),
    async close() {
      await app.close()
      rmSync(dir, { recursive: true, force: true, maxRetries: 30, retryDelay: 100 })
    },
  }
}

/** An adapter as a process of its own, over a storage that outlives it: `start`, `kill`, and start it again. */
export function daemon(settings = {}) {
  const dir = mkdtempSync(join(tmpdir(), 'sbx-adapter-'))
  const env = environment(dir, { SANDBOX_PORT: '0', ...settings })
  const self = {
    dir, env, pid: undefined,
    async start() {
      const child = spawn(process.execPath, [PROGRAM], { env, stdio: ['ignore', 'pipe', 'inherit'] })
      self.gone = new Promise((resolve) => { child.once('exit', resolve) })
      Object.assign(self, { child, pid: child.pid })
      const address = await new Promise((resolve, reject) => {
        let text = ''
        child.stdout.on('data', (data) => {
          text += data
          const ready = text.split('\n').find((line) => line.includes('"msg":"ready"'))
          if (ready) resolve(JSON.parse(ready).address)
        })
        child.once('exit', (code) => reject(new Error(`the adapter ended with ${code}: ${text}`)))
        setTimeout(() => reject(new Error(`the adapter is not ready: ${text}`)), 30_000).unref()
      })
      return Object.assign(self, { port: address.port, base: `http://127.0.0.1:${address.port}` })
    },
    async kill(signal = 'SIGKILL') {
      self.child.kill(signal)
      return await self.gone
    },
    /** Memory in MiB, now and at its highest. */
    memory() {
      const status = readFileSync(`/proc/${self.pid}/status`, 'utf8')
      const of = (name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)[1]) / 1024
      return { now: of('VmRSS'), peak: of('VmHWM') }
    },
    /** Milliseconds that its threads have computed so far. */
    computed() {
      return readdirSync(`/proc/${self.pid}/task`)
        .reduce((sum, thread) => sum + Number(readFileSync(`/proc/${self.pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]) / 1e6, 0)
    },
    async close() {
      if (self.child && self.child.exitCode === null && self.child.signalCode === null) await self.kill('SIGTERM')
      rmSync(dir, { recursive: true, force: true, maxRetries: 30, retryDelay: 100 })
    },
  }
  return self
}

const pick = (env, names) => Object.fromEntries(Object.entries(env).filter(([name]) => names.test(name)))

export async function call(server, method, path, { body, headers = {}, key = KEY, raw } = {}) {
  const answer = await fetch(server.base + path, {
    method,
    headers: { ...(key && { 'x-api-key': key }), ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
    body: raw ?? (body === undefined ? undefined : JSON.stringify(body)),
  })
  const text = await answer.text()
  let json
  try { json = JSON.parse(text) } catch { /* not JSON */ }
  return { status: answer.status, headers: answer.headers, text, json }
}

export const post = (server, path, body, more) => call(server, 'POST', path, { body, ...more })
export const get = (server, path, more) => call(server, 'GET', path, more)
export const exec = async (server, body, more) => (await post(server, '/exec', body, more)).json

/** A multipart body made by hand: fields as [name, value], files as [name, filename, content, type]. */
export function form(fields, files, boundary = 'b0undary') {
  const chunks = []
  for (const [name, value] of fields) chunks.push(`--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`)
  for (const [name, filename, content, type = 'application/octet-stream'] of files) {
    chunks.push(`--${boundary}\r\nContent-Disposition: form-data; name="${name}"; filename="${filename}"\r\nContent-Type: ${type}\r\n\r\n`, content, '\r\n')
  }
  chunks.push(`--${boundary}--\r\n`)
  return Buffer.concat(chunks.map((chunk) => Buffer.from(chunk)))
}

export async function upload(server, files, { fields = [], path = '/upload', headers = {}, key } = {}) {
  return await call(server, 'POST', path, { raw: form(fields, files), headers: { 'content-type': 'multipart/form-data; boundary=b0undary', ...headers }, key })
}

/** Sends raw bytes and gathers what comes back until the other side ends; `leave` closes at once instead. */
export function raw(server, pieces, { leaveAfterMs, timeoutMs = 15_000, half = false } = {}) {
  return new Promise((resolve, reject) => {
    const socket = connect(server.port, '127.0.0.1')
    const timer = setTimeout(() => { socket.destroy(); reject(new Error('no answer in time')) }, timeoutMs)
    let text = ''
    socket.setEncoding('utf8').on('data', (data) => { text += data })
    socket.on('error', () => {})
    socket.on('close', () => { clearTimeout(timer); resolve(text) })
    socket.on('connect', () => {
      for (const piece of pieces) socket.write(piece)
      if (half) socket.end()
      if (leaveAfterMs !== undefined) setTimeout(() => socket.destroy(), leaveAfterMs)
    })
  })
}

export async function until(check, what = 'it', ms = 5000) {
  const end = Date.now() + ms
  for (;;) {
    const value = await check()
    if (value) return value
    if (Date.now() > end) throw new Error(`${what} did not happen`)
    await new Promise((resolve) => { setTimeout(resolve, 20) })
  }
}

/** The programs of sbx and the jails that run as this user: none may outlive what it was started for. */
export function processes() {
  const own = readlinkSync('/proc/self/ns/pid')
  const found = []
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      if (statSync(`/proc/${pid}`).uid !== process.getuid() && !isHidden(pid)) continue
      const comm = readFileSync(`/proc/${pid}/comm`, 'utf8').trim()
      if (/^sbx/.test(comm) || namespaceOf(pid) !== own) found.push(`${comm} ${pid}`)
    } catch { /* it has ended meanwhile */ }
  }
  return found.sort()
}

// A process that may not be dumped belongs to root here, but its status tells whose it is.
function isHidden(pid) {
  return new RegExp(`^Uid:\\s+${process.getuid()}\\s`, 'm').test(readFileSync(`/proc/${pid}/status`, 'utf8'))
}

function namespaceOf(pid) {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`)
  } catch (err) {
    if (err.code === 'EACCES') return 'hidden'
    throw err
  }
}

/** What a server has open and what lies in the directories of this user: the same before and after. */
export const traces = () => ({
  descriptors: readdirSync('/proc/self/fd').length, processes: processes(), temporary: readdirSync(tmpdir()).sort(),
})

/** The stored files as they lie on disk, whoever they belong to. */
export function stored(server) {
  if (!existsSync(server.env.SBX_STORAGE)) return []
  if (!isReal) return readdirSync(join(server.env.SBX_STORAGE, 'blobs'))
  const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/
  return readdirSync(server.env.SBX_STORAGE, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && uuid.test(entry.name) && !(entry.parentPath ?? entry.path).includes('/.ids'))
    .map(({ name }) => name)
}

/**
 * Runs sbx itself over the storage of a server: what is left of killed runs is removed, and all of it is whole.
 * After a kill the sums and names of what nobody was told of may be mended first; contents may not be wrong.
 */
export function settleStorage(server, { wasKilled = false } = {}) {
  if (!isReal) return
  sbxJson(server, 'gc', '--json')
  let doc = sbxJson(server, 'fsck', '--json')
  if (wasKilled && doc.ok === false) {
    if (!/sum of the user's bytes|no revision names/.test(doc.error.message)) throw new Error(doc.error.message)
    doc = sbxJson(server, 'fsck', '--repair', '--json')
    doc = sbxJson(server, 'fsck', '--json')
  }
  if (doc.ok !== true || doc.problems.length) throw new Error(`fsck: ${JSON.stringify(doc).slice(0, 1000)}`)
  const left = readdirSync(server.env.SBX_STORAGE, { withFileTypes: true, recursive: true })
    .filter((entry) => /\/\.run$/.test(entry.parentPath ?? entry.path))
  if (left.length) throw new Error(`left in .run: ${left.map(({ name }) => name)}`)
}

/** The JSON answer of an sbx over the storage of a server, whatever its status. */
export const sbxJson = (server, ...args) => JSON.parse(spawnSync(server.env.SBX, args, { env: server.env, encoding: 'utf8', maxBuffer: 1 << 26 }).stdout)
