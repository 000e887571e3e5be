// SPDX-License-Identifier: Apache-2.0
// The HTTP server: routes, who is asking, who has gone away, and one shape for every failure.
import { createServer } from 'node:http'
import multipart from '@fastify/multipart'
import Fastify, { LogController } from 'fastify'
import { auditCopyOf } from './auditcopy.js'
import { Auth } from './auth.js'
import { HttpError, notFound, toHttp } from './errors.js'
import { Dashboard, dashboardRoutes } from './dashboard.js'
import { Exec } from './exec.js'
import { Fairness, Rate } from './fairness.js'
import { Files } from './files.js'
import { mcpRoute } from './mcp.js'
import { Metrics, metricsRoute } from './metrics.js'
import { Preview, previewRoutes } from './preview.js'
import { Programmatic } from './programmatic.js'
import { Refusals } from './refusals.js'
import { Sbx } from './sbx.js'
import { Upload } from './upload.js'
import { Health, V1 } from './v1.js'

const PREFIXES = ['', '/v1']
const UPLOAD_WAIT_MS = 60_000
const PERMANENT_PROFILE = 'stateful'

/** Everything that answers, built once from the configuration; also what MCP over stdio uses. */
export function buildParts(cfg, log, env) {
  const sbx = new Sbx({ program: cfg.sbx, env: { ...env, ...(cfg.storage && { SANDBOX_STORAGE_PATH: cfg.storage }) }, log })
  const fairness = new Fairness({ perPrincipal: cfg.perPrincipal, total: cfg.total, queueMax: cfg.queueMax, waitMs: cfg.queueWaitMs })
  const rate = new Rate({ perMinute: cfg.ratePerMinute, burst: cfg.rateBurst })
  // Each upload holds a process and buffers; who waits is not read from, so nothing piles up here.
  const transfers = new Fairness({ perPrincipal: Math.max(1, cfg.uploadsTotal >> 1), total: cfg.uploadsTotal, queueMax: 1000, waitMs: UPLOAD_WAIT_MS })
  const gate = {
    upload: (principal, signal) => transfers.acquire(principal.user, signal),
    enter: async (principal, signal) => {
      rate.take(principal.user)
      return await fairness.acquire(principal.user, signal)
    },
    resume: (principal) => fairness.resume(principal.user),
    state: () => fairness.state,
  }
  const parts = { cfg, log, sbx, gate }
  parts.exec = new Exec(parts)
  parts.files = new Files(parts)
  parts.upload = new Upload(parts)
  parts.programmatic = new Programmatic(parts)
  parts.v1 = new V1(parts)
  parts.preview = new Preview(parts)
  parts.health = new Health(parts)
  parts.refusals = new Refusals(parts)
  parts.metrics = new Metrics()
  return parts
}

export async function buildApp(cfg, { log, env = process.env }) {
  const parts = buildParts(cfg, log, env)
  const auth = new Auth(cfg, log)
  const copy = auditCopyOf(parts)
  const app = Fastify({
    loggerInstance: log,
    logController: new LogController({ disableRequestLogging: true }),
    // The parser of forms logs the headers of a request when it is asked for everything.
    childLoggerFactory: (logger, bindings, opts) => logger.child(bindings, { ...opts, redact: ['busboyOptions'] }),
    bodyLimit: cfg.bodyMax,
    exposeHeadRoutes: false,
    onProtoPoisoning: 'remove',
    onConstructorPoisoning: 'remove',
    requestTimeout: cfg.requestMs,
    return503OnClosing: true,
    forceCloseConnections: true,
    rewriteUrl: (req) => collapse(req.url),
    frameworkErrors: (err, req, reply) => fail(err, req, reply),
    clientErrorHandler,
    routerOptions: { maxParamLength: 512 },
    serverFactory: (handler, opts) => createServer({
      requestTimeout: cfg.requestMs, headersTimeout: Math.min(cfg.requestMs, 30_000), connectionsCheckingInterval: Math.min(1000, cfg.requestMs),
      maxHeaderSize: opts.maxHeaderSize ?? 32 * 1024,
    }, handler),
  })
  jsonBodies(app)
  await app.register(multipart)
  app.decorateRequest('principal', null)
  app.decorateRequest('gone', null)
  previewRoutes(app, parts, context)
  app.addHook('onRequest', async (req, reply) => {
    // A kept connection costs old clients whole runs: their other library leaves a timeout on the socket.
    reply.header('connection', 'close')
    const gone = new AbortController()
    req.gone = gone.signal
    reply.raw.once('close', () => {
      if (!reply.raw.writableFinished) gone.abort(new HttpError(499, 'The client has gone away'))
    })
    if (!req.routeOptions.config?.open && !req.is404 && !req.routeOptions.config?.watch) req.principal = await parts.refusals.watch(req, () => auth.principal(req.headers))
  })
  app.addHook('onResponse', async (req, reply) => {
    parts.metrics.count(req, reply)
    req.log.info({
      method: req.method, route: req.routeOptions.url ?? null, status: reply.statusCode,
      ms: Math.round(reply.elapsedTime), user: req.principal?.user ?? null, ip: req.ip,
    }, 'request')
  })
  app.setErrorHandler(fail)
  app.setNotFoundHandler((req, reply) => fail(notFound('Route'), req, reply))
  for (const prefix of PREFIXES) interpreterRoutes(app, prefix, parts)
  restRoutes(app, parts)
  if (cfg.mcp) mcpRoute(app, parts)
  parts.copy = copy
  if (cfg.watchKey) {
    parts.dashboard = new Dashboard(parts)
    dashboardRoutes(app, parts)
    metricsRoute(app, parts)
  }
  app.decorate('load', parts.gate.state)
  app.addHook('onClose', async () => parts.programmatic.close())
  app.addHook('onClose', async () => { await Promise.all([copy?.stop(), parts.refusals.close(), parts.dashboard?.close()]) })
  copy?.start()
  return app
}

function interpreterRoutes(app, prefix, { exec, programmatic, upload, files, health }) {
  const post = (path, run) => app.post(prefix + path, async (req) => run(req.body, context(req)))
  post('/exec', (body, ctx) => exec.handle(body, ctx))
  post('/exec/programmatic', (body, ctx) => programmatic.handle(body, ctx))
  post('/exec/programmatic/cancel', (body, ctx) => programmatic.cancel(body, ctx))
  app.post(`${prefix}/upload`, async (req) => upload.single(req, context(req)))
  app.post(`${prefix}/upload/batch`, async (req) => upload.batch(req, context(req)))
  app.get(`${prefix}/download/:session/:file`, async (req, reply) => files.download(req.params, req.query, context(req), reply))
  app.get(`${prefix}/sessions/:session/objects/:file`, async (req) => files.probe(req.params, req.query, context(req)))
  app.get(`${prefix}/files/:session`, async (req) => files.list(req.params, req.query, context(req)))
  app.delete(`${prefix}/files/:session/:file`, async (req) => files.remove(req.params, req.query, context(req)))
  app.get(`${prefix}/health`, { config: { open: true } }, async (_req, reply) => healthy(health, reply))
}

function restRoutes(app, { v1, health, gate }) {
  app.post('/api/v1/execute', async (req) => v1.execute(req.body, context(req)))
  app.get('/api/v1/health', { config: { open: true } }, async (_req, reply) => healthy(health, reply))
  app.get('/api/v1/config', async (req) => v1.document('config', context(req)))
  app.get('/api/v1/stats', async (req) => ({ ...await v1.document('stats', context(req)), adapter: gate.state() }))
}

async function healthy(health, reply) {
  const ok = await health.check()
  return reply.code(ok ? 200 : 503).send(ok ? { status: 'ok' } : { status: 'unavailable', error: 'The sandbox is not available' })
}

/** What an operation needs of its request, and nothing of the framework. */
function context(req) {
  if (req.headers['x-codeapi-expected-profile'] === PERMANENT_PROFILE) throw new HttpError(409, 'execution_profile_mismatch')
  return {
    principal: req.principal,
    signal: req.gone,
    log: req.log,
    client: { ip: req.ip, agent: req.headers['user-agent'] ?? '' },
    requestId: req.headers['x-librechat-code-request-id'],
  }
}

function jsonBodies(app) {
  const parse = app.getDefaultJsonParser('remove', 'remove')
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (req, body, done) => {
    if (body === '') done(null, undefined)
    else parse(req, body, done)
  })
}

function fail(err, req, reply) {
  const http = toHttp(err)
  if (http.statusCode >= 500) req.log.error({ err: { name: err.name, message: err.message, code: err.code, stack: err.stack } }, 'failed')
  if (http.statusCode === 401) reply.header('www-authenticate', 'Basic realm="sbx"')
  reply.header('connection', 'close')
  return reply.code(http.statusCode).headers(http.headers ?? {}).send(http.body)
}

/** What never became a request: answered as JSON too, and the connection ends. */
function clientErrorHandler(err, socket) {
  if (err.code === 'ECONNRESET' || !socket.writable) return socket.destroy()
  const [status, text] = {
    ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'The request took too long'],
    HPE_HEADER_OVERFLOW: ['431 Request Header Fields Too Large', 'The headers are too large'],
  }[err.code] ?? ['400 Bad Request', 'Malformed request']
  const body = JSON.stringify({ error: text })
  socket.end(`HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`)
}

/** Old clients join a base URL that ends in a slash with a path that begins with one. */
export function collapse(url) {
  const at = url.indexOf('?')
  const path = at < 0 ? url : url.slice(0, at)
  return path.replace(/\/{2,}/g, '/') + (at < 0 ? '' : url.slice(at))
}
