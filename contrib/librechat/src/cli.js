// SPDX-License-Identifier: Apache-2.0
// The command line: serve, mcp, keys.
import { chmodSync, statSync, unlinkSync } from 'node:fs'
import { buildApp, buildParts } from './app.js'
import { ConfigError, loadConfig, requireAuth, version } from './config.js'
import { addKey, KeyFileError, listKeys, removeKey } from './keys.js'
import { makeLog } from './log.js'
import { serveStdio } from './mcp.js'

const USAGE = `usage: sbx-adapter [serve]
       sbx-adapter mcp                serve the Model Context Protocol on stdin and stdout
       sbx-adapter keys add USER      make a key and print it, once
       sbx-adapter keys rm ID         remove a key
       sbx-adapter keys ls            list the keys
       sbx-adapter --help | --version
All settings come from the environment; see env.example.
`

class UsageError extends Error {}

async function serve(env) {
  const cfg = loadConfig(env)
  requireAuth(cfg)
  const log = await makeLog(cfg)
  if (cfg.noAuth) log.warn('SBX_ADAPTER_NO_AUTH is set: whoever reaches this server can run programs')
  const app = await buildApp(cfg, { log, env })
  if (cfg.socket) await listenOnSocket(app, cfg.socket)
  else await app.listen({ port: cfg.port, host: cfg.host, listenTextResolver: () => `listening on ${cfg.host}` })
  const address = app.server.address()
  log.info({ address, version, sbx: cfg.sbx }, 'ready')
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => app.close().then(() => process.exit(0)))
}

async function listenOnSocket(app, path) {
  try {
    // Only a socket is ever removed: one that was left behind.
    if (statSync(path).isSocket()) unlinkSync(path)
  } catch (err) {
    if (err.code !== 'ENOENT') throw err
  }
  const mask = process.umask(0o177)
  try {
    await app.listen({ path })
  } finally {
    process.umask(mask)
  }
  chmodSync(path, 0o660)
}

function keys([verb, operand, ...rest], env) {
  const { keysFile } = loadConfig(env)
  if (!keysFile) throw new ConfigError('SBX_ADAPTER_KEYS is not set')
  const verbs = { add: addKey, rm: removeKey, ls: listKeys }
  if (!Object.hasOwn(verbs, verb ?? '') || rest.length || (verb === 'ls') !== (operand === undefined)) throw new UsageError('keys: add USER, rm ID or ls')
  const result = verbs[verb](keysFile, operand)
  if (verb === 'add') process.stdout.write(`${result.key}\n`)
  else if (verb === 'ls') for (const key of result) process.stdout.write(`${key.id}\t${key.user}\t${key.created}\n`)
}

async function mcp(env) {
  const cfg = loadConfig(env)
  const log = await makeLog(cfg, 2)
  await serveStdio(buildParts(cfg, log, env))
}

async function run([command = 'serve', ...rest], env) {
  if (command === '-h' || command === '--help') return process.stdout.write(USAGE)
  if (command === '--version') return process.stdout.write(`sbx-adapter ${version}\n`)
  if (command === 'keys') return keys(rest, env)
  if (rest.length) throw new UsageError(`${command}: no operand is expected`)
  if (command === 'serve') return await serve(env)
  if (command === 'mcp') return await mcp(env)
  throw new UsageError(`unknown command '${command}'`)
}

/** One line for a person and a status for a script; never a stack. */
export async function main(argv, env) {
  try {
    await run(argv, env)
  } catch (err) {
    const status = err instanceof UsageError ? 2 : err instanceof ConfigError || err instanceof KeyFileError ? 78 : 1
    process.stderr.write(`sbx-adapter: ${err.message}${status === 2 ? '; try --help' : ''}\n`)
    process.exitCode = status
    if (status === 1) process.exit(1)
  }
}
