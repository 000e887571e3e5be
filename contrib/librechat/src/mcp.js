// SPDX-License-Identifier: Apache-2.0
// The same sandbox for clients of the Model Context Protocol: over stdio for one person, at /mcp for many.
import { Server } from '@modelcontextprotocol/sdk/server/index.js'
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import { CallToolRequestSchema, ListToolsRequestSchema } from '@modelcontextprotocol/sdk/types.js'
import { version } from './config.js'
import { bad, toHttp, tooLarge } from './errors.js'
import { isObject, limits, milliseconds, outcome, programArgs, programText } from './exec.js'
import { isId, safeName } from './ids.js'

const IMAGE_MAX = 4 * 1024 * 1024
const IMAGES_MAX = 4
const FILE_MAX = 8 * 1024 * 1024
const IMAGE = /^image\/(png|jpeg|gif|webp)$/

const text = (description) => ({ type: 'string', description })
const SESSION = text('Session whose files the program sees in /mnt/data; from an earlier answer. Absent: a new one.')
const runner = (name, lang, title, switchKey) => ({
  name, lang, switchKey,
  description: `Runs ${title} in a sandbox without a network. Files are in /mnt/data and stay in the session; print what you want to see.`,
  schema: {
    code: text('The program'), session: SESSION,
    args: { type: 'array', items: { type: 'string' }, description: 'Arguments of the program' },
    timeout_ms: { type: 'integer', minimum: 100, description: 'Wall time; only lowers the limit' },
  },
  required: ['code'],
  run: runProgram,
})

const TOOLS = [
  runner('run_python', 'python', 'a Python program', 'enablePython'),
  runner('run_javascript', 'javascript', 'a JavaScript program', 'enableJavascript'),
  runner('run_shell', 'bash', 'a Bash script', 'enableShell'),
  { name: 'list_files', description: 'Lists the files of a session.', schema: { session: text('The session') }, required: [], run: listFiles },
  { name: 'get_file', description: 'Shows one stored file: text as text, an image as an image.', schema: { id: text('Id of the file') }, required: ['id'], run: getFile },
  {
    name: 'upload_text_file', description: 'Stores a text file in a session, new or existing.',
    schema: { name: text('Name below /mnt/data'), content: text('The text'), session: SESSION }, required: ['name', 'content'], run: uploadText,
  },
]

/** One server object speaks for one principal; `memory` keeps the last session where there is one client. */
export function mcpServer(parts, context, memory = {}) {
  const server = new Server({ name: 'sbx', version }, { capabilities: { tools: {} } })
  const tools = TOOLS.filter(({ switchKey }) => !switchKey || parts.cfg[switchKey])
  server.setRequestHandler(ListToolsRequestSchema, () => ({
    tools: tools.map(({ name, description, schema, required }) => ({ name, description, inputSchema: { type: 'object', properties: schema, required } })),
  }))
  server.setRequestHandler(CallToolRequestSchema, async ({ params }, { signal }) => {
    const tool = tools.find(({ name }) => name === params.name)
    try {
      if (!tool) throw bad(`There is no tool ${String(params.name).slice(0, 64)}`)
      const input = isObject(params.arguments) ? params.arguments : {}
      const both = context.signal ? AbortSignal.any([signal, context.signal]) : signal
      return { content: await tool.run(parts, { ...context, signal: both }, input, tool, memory) }
    } catch (err) {
      const http = toHttp(err)
      if (http.statusCode >= 500) parts.log.error({ err: { name: err.name, message: err.message, code: err.code } }, 'a tool failed')
      return { isError: true, content: [say(http.body.message ?? http.body.error)] }
    }
  })
  return server
}

const say = (content) => ({ type: 'text', text: content })

function sessionOf(input, memory) {
  const session = input.session ?? memory.session
  if (session === undefined || session === '') return undefined
  if (!isId(session)) throw bad('session is not an id')
  return session
}

async function runProgram({ cfg, exec, gate, files }, context, input, { lang }, memory) {
  const code = programText(input.code)
  const args = programArgs(input.args)
  const session = sessionOf(input, memory)
  const leave = await gate.enter(context.principal, context.signal)
  try {
    const doc = await exec.run({ lang, code, args, ...(session && { session }), limits: limits(cfg, milliseconds(input.timeout_ms)) }, context)
    memory.session = doc.session
    const { stdout, stderr } = outcome(doc, cfg)
    const lines = [`status: ${doc.status}${doc.exit_code ? ` (${doc.exit_code})` : ''}`, `session: ${doc.session}`]
    for (const file of doc.files ?? []) lines.push(`${file.change}: ${file.name}${file.id && file.change !== 'deleted' ? ` (id ${file.id}, ${file.size} bytes)` : ''}`)
    const content = [say(lines.join('\n'))]
    if (stdout) content.push(say(`stdout:\n${stdout}`))
    if (stderr) content.push(say(`stderr:\n${stderr}`))
    return [...content, ...await images(files, doc, context)]
  } finally {
    leave()
  }
}

async function images(files, doc, context) {
  const wanted = (doc.files ?? []).filter(({ change, mime, size }) => change !== 'deleted' && IMAGE.test(mime) && size <= IMAGE_MAX)
  const content = []
  for (const file of wanted.slice(0, IMAGES_MAX)) {
    const bytes = await files.bytes(context.principal.user, file.id, IMAGE_MAX, context)
    content.push({ type: 'image', data: bytes.toString('base64'), mimeType: file.mime })
  }
  return content
}

async function listFiles({ sbx }, context, input, _tool, memory) {
  const session = sessionOf(input, memory)
  if (!session) return [say('There is no session yet.')]
  const doc = await sbx.call(['ls', '--request', '-'], { user: context.principal.user, session, id_form: 'short' }, context)
  return [say(doc.files.map(({ id, name, size, mime }) => `${name}\t${size} bytes\t${mime}\tid ${id}`).join('\n') || 'The session has no files.')]
}

async function getFile({ files }, context, input) {
  const doc = await files.stat(input.id, {}, context)
  if (doc.size > FILE_MAX) throw tooLarge('The file is too large to be shown')
  const bytes = await files.bytes(doc.user, doc.id, FILE_MAX, context)
  if (IMAGE.test(doc.mime)) return [{ type: 'image', data: bytes.toString('base64'), mimeType: doc.mime }]
  const decoded = bytes.toString('utf8')
  if (!Buffer.from(decoded, 'utf8').equals(bytes)) return [say(`${doc.name}: ${doc.size} bytes of ${doc.mime}, which is not text.`)]
  return [say(decoded)]
}

async function uploadText({ files }, context, input, _tool, memory) {
  const name = safeName(input.name)
  if (name === '') throw bad('name is no usable file name')
  if (typeof input.content !== 'string') throw bad('content must be a text')
  const doc = await files.uploadText(name, input.content.toWellFormed(), { session: sessionOf(input, memory) }, context)
  memory.session = doc.session
  return [say(`stored: ${doc.files[0].name} (id ${doc.files[0].id})\nsession: ${doc.session}`)]
}

/** Each request stands alone, so any number of copies of the adapter may serve one client. */
export function mcpRoute(app, parts) {
  app.post('/mcp', async (req, reply) => {
    const context = { principal: req.principal, signal: req.gone, client: { ip: req.ip, agent: req.headers['user-agent'] ?? '' } }
    const server = mcpServer(parts, context)
    const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined, enableJsonResponse: true })
    reply.raw.once('close', () => server.close())
    await server.connect(transport)
    reply.hijack()
    reply.raw.setHeader('connection', 'close')
    await transport.handleRequest(req.raw, reply.raw, req.body ?? null)
  })
  const refuse = async (_req, reply) => reply.code(405).header('allow', 'POST').send({ error: 'Only POST is served here' })
  app.get('/mcp', refuse)
  app.delete('/mcp', refuse)
}

export async function serveStdio(parts) {
  const { user } = parts.cfg
  const principal = { user, admin: true, owner: () => user }
  const server = mcpServer(parts, { principal, client: { ip: '', agent: 'mcp' } }, {})
  await server.connect(new StdioServerTransport())
}
