#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// A stand-in for sbx in the adapter's tests: the same commands and answers over a directory in $SBX_STORAGE.
// It runs programs without any jail, so it is good for nothing else. The code may say what to misbehave like.
import { spawn } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import * as fs from 'node:fs'
import { dirname, join, relative } from 'node:path'

const store = process.env.SBX_STORAGE
const [command, ...options] = process.argv.slice(2)
const EXIT = { E_REQUEST: 64, E_LIMIT: 64, E_NOT_FOUND: 66, E_STORAGE_FULL: 73, E_BUSY: 75, E_RATE: 75, E_POLICY: 77, E_HOST: 71, E_INTERNAL: 70 }
const MIMES = { png: 'image/png', csv: 'text/csv', txt: 'text/plain', json: 'application/json', html: 'text/html' }
const CEILING = { wall_ms: 30_000, memory_bytes: 512 * 1024 * 1024 }
let isShort = false

const say = (doc) => fs.writeSync(1, `${JSON.stringify(doc)}\n`)
function fail(code, message, more = {}) {
  say({ v: 1, ok: false, error: { code, message, ...more } })
  process.exit(EXIT[code])
}
const toShort = (uuid) => {
  const bits = BigInt(`0x${uuid.replaceAll('-', '')}`)
  const body = ((bits >> 80n) << 74n) | (((bits >> 64n) & 0xfffn) << 62n) | (bits & ((1n << 62n) - 1n))
  let left = body << 4n
  const out = []
  for (let i = 0; i < 21; i++, left >>= 6n) out.unshift('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'[Number(left & 63n)])
  return out.join('')
}
const shown = (uuid) => (isShort ? toShort(uuid) : uuid)
const read = (file) => JSON.parse(fs.readFileSync(file, 'utf8'))
const records = () => fs.readdirSync(join(store, 'files')).map((name) => read(join(store, 'files', name)))
const find = (id) => records().find((file) => file.uuid === id || toShort(file.uuid) === id)
const sessionFile = (uuid) => join(store, 'sessions', uuid)
const findSession = (user, id) => fs.readdirSync(join(store, 'sessions'))
  .map((name) => read(sessionFile(name))).find((s) => s.user === user && (s.uuid === id || toShort(s.uuid) === id))
const saveSession = (s) => fs.writeFileSync(sessionFile(s.uuid), JSON.stringify(s))
const blob = (uuid) => join(store, 'blobs', uuid)
const sha = (bytes) => createHash('sha256').update(bytes).digest('hex')
const mimeOf = (name) => MIMES[name.split('.').pop()] ?? 'application/octet-stream'
const badName = (name) => typeof name !== 'string' || !name || name.startsWith('/') || /[\u0000-\u001f]/.test(name) || name.split('/').some((p) => ['', '.', '..'].includes(p))

function keep(session, name, bytes, origin, readOnly) {
  const uuid = randomUUID()
  const record = { uuid, user: session.user, session: session.uuid, name, size: bytes.length, mime: mimeOf(name), sha256: sha(bytes), origin, read_only: readOnly, created: new Date().toISOString() }
  fs.writeFileSync(blob(uuid), bytes)
  fs.writeFileSync(join(store, 'files', uuid), JSON.stringify(record))
  session.names[name] = uuid
  return record
}
const view = ({ uuid, name, size, mime, sha256, origin, created, read_only: ro }) => ({ id: shown(uuid), name, size, mime, sha256, origin, created, read_only: Boolean(ro) })

function request() {
  const doc = JSON.parse(fs.readFileSync(0, 'utf8'))
  isShort = doc.id_form === 'short'
  if (!/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/.test(doc.user)) fail('E_REQUEST', 'user: not a user name', { pointer: '/user' })
  fs.appendFileSync(join(store, 'requests'), `${JSON.stringify({ command, ...doc })}\n`)
  return doc
}
function openSession(doc) {
  if (!doc.session) return { uuid: randomUUID(), user: doc.user, revision: 0, names: {} }
  return findSession(doc.user, doc.session) ?? fail('E_NOT_FOUND', 'no such session')
}

function upload() {
  const doc = request()
  const session = openSession(doc)
  const [{ name, fd, size_max: max, size }] = doc.files
  if (badName(name)) fail('E_REQUEST', 'bad name', { pointer: '/files/0/name' })
  const bytes = readDescriptor(fd, Math.min(max ?? Infinity, 32 * 1024 * 1024))
  if (size !== undefined && size !== bytes.length) fail('E_REQUEST', 'size differs')
  if (name.endsWith('.refused')) fail('E_POLICY', 'this type of file is not allowed')
  if (name.endsWith('.full')) fail('E_STORAGE_FULL', 'no space')
  const record = keep(session, name, bytes, 'upload', doc.read_only)
  session.revision++
  saveSession(session)
  say({ v: 1, ok: true, user: doc.user, session: shown(session.uuid), revision: session.revision, files: [view(record)] })
}
function readDescriptor(fd, max) {
  const chunks = []
  let size = 0
  for (;;) {
    const chunk = Buffer.alloc(65536)
    let n
    try {
      n = fs.readSync(fd, chunk)
    } catch (err) {
      if (err.code !== 'EAGAIN') throw err
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2)
      continue
    }
    if (n === 0) return Buffer.concat(chunks)
    size += n
    if (size > max) fail('E_LIMIT', 'the file is larger than allowed')
    chunks.push(chunk.subarray(0, n))
  }
}

function walk(root, dir = root) {
  return fs.readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
    const path = join(dir, entry.name)
    if (entry.isDirectory()) return walk(root, path)
    return [{ name: relative(root, path), path, isFile: entry.isFile() }]
  })
}
function mount(work, doc, session) {
  const inputs = new Map()
  const list = doc.files ?? Object.entries(session.names).map(([name, id]) => ({ id, name }))
  for (const [at, { id, name, user, read_only: ro }] of list.entries()) {
    if (badName(name)) fail('E_REQUEST', 'bad name', { pointer: `/files/${at}/name` })
    const record = find(id)
    if (!record || record.user !== (user ?? doc.user)) continue
    const path = join(work, name)
    try {
      for (let up = dirname(path); up.length > work.length; up = dirname(up)) if (fs.existsSync(up) && !fs.statSync(up).isDirectory()) fs.rmSync(up)
      fs.mkdirSync(dirname(path), { recursive: true })
      fs.rmSync(path, { recursive: true, force: true })
      fs.copyFileSync(blob(record.uuid), path)
    } catch { continue }
    inputs.set(name, { ...record, read_only: ro ?? record.read_only })
  }
  return inputs
}
function harvest(work, session, inputs) {
  const files = []
  const skipped = []
  const here = new Set()
  for (const { name, path, isFile } of walk(work)) {
    here.add(name)
    if (!isFile) { skipped.push({ name, reason: 'not a regular file' }); continue }
    const bytes = fs.readFileSync(path)
    const input = inputs.get(name)
    if (input && input.sha256 === sha(bytes)) continue
    if (input?.read_only) { skipped.push({ name, reason: 'read-only' }); continue }
    if (bytes.length > 4 * 1024 * 1024) { skipped.push({ name, reason: 'larger than the limit' }); continue }
    const record = keep(session, name, bytes, 'run')
    files.push({ ...view(record), change: input ? 'modified' : 'created', ...(input && { from: shown(input.uuid) }) })
  }
  for (const [name, input] of inputs) if (!here.has(name)) files.push({ id: shown(input.uuid), name, change: 'deleted' })
  return { files, skipped }
}
const PROGRAMS = { python: ['python3'], py: ['python3'], javascript: ['node'], js: ['node'], typescript: ['node'], bash: ['bash'] }

async function exec() {
  const doc = request()
  const isStream = doc.stream === true
  const run = PROGRAMS[doc.lang]
  if (!run) fail('E_REQUEST', `unknown language '${doc.lang}'`, { pointer: '/lang' })
  for (const [key, ceiling] of Object.entries(CEILING)) {
    if (doc.limits?.[key] > ceiling) fail('E_LIMIT', `${key} is above the ceiling`, { pointer: `/limits/${key}`, ceiling })
  }
  const asked = /^#fake (E_[A-Z_]+)/.exec(doc.code)?.[1]
  if (asked) fail(asked, 'as asked', asked === 'E_BUSY' ? { retry_after_ms: 6500 } : {})
  if (doc.code.startsWith('#fake garbage')) { fs.writeSync(1, 'warning: not JSON\n'); process.exit(0) }
  if (doc.code.startsWith('#fake silent')) process.exit(70)
  if (doc.code.startsWith('#fake crash')) process.kill(process.pid, 'SIGKILL')
  const session = openSession(doc)
  const work = fs.mkdtempSync(join(store, 'work-'))
  const place = fs.mkdtempSync(join(store, 'code-'))
  const inputs = mount(work, doc, session)
  const file = join(place, 'main')
  fs.writeFileSync(file, isStream ? doc.code : doc.code.replaceAll('/mnt/data', work))
  if (isStream) say({ v: 1, event: 'start', session: shown(session.uuid), exec_id: shown(randomUUID()) })
  const limits = { ...CEILING, ...doc.limits }
  const ended = await runProgram([...run, file, ...(doc.args ?? [])], work, doc, limits.wall_ms, isStream)
  const { files, skipped } = harvest(work, session, inputs)
  session.revision++
  saveSession(session)
  fs.rmSync(work, { recursive: true, force: true })
  fs.rmSync(place, { recursive: true, force: true })
  const answer = {
    v: 1, ok: true, exec_id: shown(randomUUID()), user: doc.user, session: shown(session.uuid), revision: session.revision, committed: true,
    ...ended, limits_hit: [], files, skipped, usage: { wall_ms: 31, cpu_ms: 24, memory_peak_bytes: 9437184 }, limits, profile: doc.profile ?? 'default',
  }
  say(isStream ? { ...answer, event: 'result' } : answer)
}

function runProgram(argv, cwd, doc, wallMs, isStream) {
  return new Promise((resolve) => {
    const child = spawn(argv[0], argv.slice(1), { cwd, stdio: [doc.stdin_fd ?? 'ignore', 'pipe', 'pipe'], detached: true, env: { PATH: process.env.PATH, HOME: '/tmp' } })
    const kill = (signal) => { try { process.kill(-child.pid, signal) } catch { /* it is gone */ } }
    process.on('SIGTERM', () => { kill('SIGKILL'); process.exit(143) })
    // The other end of our input is the caller; when it dies, so do we.
    const orphan = setInterval(() => { if (process.ppid === 1) { kill('SIGKILL'); process.exit(1) } }, 100)
    let isLate = false
    const timer = setTimeout(() => { isLate = true; kill('SIGKILL') }, wallMs)
    const text = { stdout: '', stderr: '' }
    for (const name of ['stdout', 'stderr']) {
      child[name].setEncoding('utf8').on('data', (data) => {
        if (isStream) say({ v: 1, event: name, data })
        else text[name] += data
      })
    }
    child.on('exit', (code, signal) => setTimeout(() => {
      clearTimeout(timer)
      clearInterval(orphan)
      kill('SIGKILL')
      const max = 1024 * 1024
      resolve({
        status: isLate ? 'timeout' : signal ? 'signal' : code === 0 ? 'success' : 'error', exit_code: code, signal: signal ?? null,
        stdout: text.stdout.slice(0, max), stderr: text.stderr.slice(0, max), stdout_truncated: text.stdout.length > max, stderr_truncated: text.stderr.length > max,
      })
    }, 20))
  })
}

function ls() {
  const doc = request()
  const session = findSession(doc.user, doc.session) ?? fail('E_NOT_FOUND', 'no such session')
  const all = records()
  say({ v: 1, ok: true, session: shown(session.uuid), revision: session.revision, files: Object.values(session.names).map((id) => view(all.find((f) => f.uuid === id))) })
}
function stat() {
  const doc = request()
  const file = find(doc.id)
  if (!file || file.user !== doc.user) fail('E_NOT_FOUND', 'no such file')
  say({ v: 1, ok: true, user: file.user, session: shown(file.session), ...view(file) })
}
function get() {
  const id = options[options.indexOf('--') + 1]
  const file = find(id)
  if (!file || file.user !== options[options.indexOf('-u') + 1]) { fs.writeSync(2, 'sbx: no such file\n'); process.exit(66) }
  process.stdout.write(fs.readFileSync(blob(file.uuid)))
}
function rm() {
  const doc = request()
  const session = findSession(doc.user, doc.session) ?? fail('E_NOT_FOUND', 'no such session')
  const file = find(doc.files[0])
  if (!file || session.names[file.name] !== file.uuid) fail('E_NOT_FOUND', 'no such file')
  delete session.names[file.name]
  session.revision++
  saveSession(session)
  fs.rmSync(join(store, 'files', file.uuid))
  say({ v: 1, ok: true, session: shown(session.uuid), revision: session.revision })
}

const COMMANDS = {
  exec, upload, ls, get, stat, rm,
  audit: async () => (await import('./fake-audit.mjs')).audit(options),
  doctor: () => (fs.existsSync(join(store, 'sick')) ? fail('E_HOST', 'no user namespaces') : say({ v: 1, ok: true })),
  stats: async () => (options.includes('--prometheus') ? (await import('./fake-watch.mjs')).prometheus() : say({ v: 1, ok: true, executions: 3 })),
  dashboard: async () => (await import('./fake-watch.mjs')).dashboard(),
  config: () => say({ v: 1, ok: true, storage: { value: store, source: 'environment' }, wall_ms: 30000 }),
}
for (const dir of ['files', 'blobs', 'sessions']) fs.mkdirSync(join(store, dir), { recursive: true })
await COMMANDS[command]()
