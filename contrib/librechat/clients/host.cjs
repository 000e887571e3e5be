// SPDX-License-Identifier: Apache-2.0
// The part of LibreChat around its tools: the HTTP calls of its server (axios with form-data, no kept
// connection), the list of files that a conversation holds, and the published node that runs tool calls.
const assert = require('node:assert/strict')
const http = require('node:http')
const { Readable } = require('node:stream')
const axios = require('axios')
const FormData = require('form-data')

// The releases as they are published; what each of them has is in the contract of the interface.
const GENERATIONS = {
  a: { version: '3.1.63', hasBash: false, hasHeader: true, hasKinds: false, hasDeleted: false },
  c: { version: '3.2.21', hasBash: true, hasHeader: false, hasKinds: true, hasDeleted: false },
  d: { version: '3.9.2', hasBash: true, hasHeader: false, hasKinds: true, hasDeleted: true },
}
const EXECUTE_CODE = 'execute_code'
const FRESH_MS = 23 * 3600 * 1000

/** The package of a generation, and the message class that its own copy of the framework has. */
function load(generation) {
  const name = `./${generation}/node_modules/@librechat/agents`
  const agents = require(name)
  const core = require.resolve('@langchain/core/messages', { paths: [require.resolve(name)] })
  const { version } = require(`${name}/package.json`)
  assert.equal(version, GENERATIONS[generation].version)
  assert.equal(require(`./${generation}/node_modules/node-fetch/package.json`).version, '2.7.0')
  return { agents, AIMessage: require(core).AIMessage, fetch: require(`./${generation}/node_modules/node-fetch`) }
}

/** The calls of LibreChat's server, in the shape that the generation sends them. */
class Server {
  constructor({ base, key, generation, user }) {
    Object.assign(this, { user, ...GENERATIONS[generation] })
    this.axios = axios.create({
      baseURL: this.hasHeader ? base : base.replace('//', `//${key}@`),
      headers: { 'User-Agent': 'LibreChat/1.0', ...(this.hasHeader && { 'X-API-Key': key }) },
      httpAgent: new http.Agent({ keepAlive: false }), maxBodyLength: Infinity, maxContentLength: Infinity,
      validateStatus: () => true,
    })
  }

  query(kind = 'user', id = this.user, version = undefined) {
    if (!this.hasKinds) return ''
    return `?kind=${kind}&id=${id}${version === undefined ? '' : `&version=${version}`}`
  }

  async send(path, form) {
    // The plain type stands above that of the form; axios puts the boundary back.
    const headers = { ...form.getHeaders(), 'Content-Type': 'multipart/form-data', 'User-Id': this.user }
    const { status, data } = await this.axios.post(path, form, { headers, timeout: 120_000 })
    assert.equal(status, 200, JSON.stringify(data))
    return data
  }

  /** Uploads one file as a stream of unknown length; resolves to the reference that LibreChat would keep. */
  async upload(name, content, { kind = 'user', id = this.user, version } = {}) {
    const form = new FormData()
    if (this.hasKinds) {
      form.append('kind', kind)
      form.append('id', id)
      if (version !== undefined) form.append('version', String(version))
    } else {
      form.append('entity_id', id)
    }
    form.append('file', Readable.from([Buffer.from(content)]), name.includes('/') ? { filepath: name } : { filename: name })
    const data = await this.send('/upload', form)
    assert.equal(data.message, 'success')
    assert.equal(data.files[0].filename, name)
    return this.reference(data.storage_session_id, data.files[0].fileId, name, { kind, id, version })
  }

  async batch(files, { kind, id, version, readOnly }) {
    const form = new FormData()
    form.append('kind', kind)
    form.append('id', id)
    if (version !== undefined) form.append('version', String(version))
    if (readOnly) form.append('read_only', 'true')
    for (const [name, content] of files) form.append('file', Readable.from([Buffer.from(content)]), { filepath: name })
    const data = await this.send('/upload/batch', form)
    assert.deepEqual([data.message, data.succeeded, data.failed], ['success', files.length, 0])
    assert.deepEqual(data.files.map(({ filename }) => filename), files.map(([name]) => name))
    return data.files.map(({ fileId, filename }) => this.reference(data.storage_session_id, fileId, filename, { kind, id, version }))
  }

  reference(session, id, name, { kind, id: owner, version }) {
    if (!this.hasKinds) return { session_id: session, id, name }
    return { storage_session_id: session, id, name, kind, resource_id: owner, ...(version !== undefined && { version }) }
  }

  sessionOf(file) {
    return file.storage_session_id ?? file.session_id
  }

  /** True when LibreChat would use the file as it is, instead of uploading it again. */
  async isFresh(file) {
    const session = this.sessionOf(file)
    if (this.hasKinds) {
      const { status, data } = await this.axios.get(`/sessions/${session}/objects/${file.id}${this.query(file.kind, file.resource_id, file.version)}`, { timeout: 5000 })
      return status === 200 && Date.now() - Date.parse(data.lastModified) < FRESH_MS
    }
    const { data } = await this.axios.get(`/files/${session}?detail=summary`, { timeout: 5000 })
    const entry = Array.isArray(data) && data.find(({ name }) => name.startsWith(`${session}/${file.id}`))
    return Boolean(entry) && Date.now() - Date.parse(entry.lastModified) < FRESH_MS
  }

  async download(file, session = this.sessionOf(file)) {
    const { status, data } = await this.axios.get(`/download/${session}/${file.id}${this.query()}`, { responseType: 'arraybuffer', timeout: 15_000 })
    assert.equal(status, 200, file.name)
    return Buffer.from(data)
  }

  async remove(file) {
    const { status } = await this.axios.delete(`/files/${this.sessionOf(file)}/${file.id}${this.query()}`)
    return status
  }

  async exec(body) {
    const { status, data } = await this.axios.post('/exec', body, { timeout: 15_000 })
    assert.equal(status, 200, JSON.stringify(data))
    return data
  }
}

/** One conversation: the published node keeps the files from call to call, as inside LibreChat. */
class Conversation {
  #count = 0

  constructor({ agents, AIMessage }, { tools, toolRegistry = new Map(), primed = [] }) {
    this.AIMessage = AIMessage
    this.sessions = new Map()
    if (primed.length) this.prime(primed)
    this.node = new agents.ToolNode({ tools, toolRegistry, sessions: this.sessions })
  }

  /** What LibreChat does before a turn with files that the user has attached. */
  prime(files) {
    const had = this.sessions.get(EXECUTE_CODE)
    this.sessions.set(EXECUTE_CODE, {
      session_id: had?.session_id ?? files[0].storage_session_id ?? files[0].session_id,
      files: [...(had?.files ?? []), ...files], lastUpdated: Date.now(),
    })
  }

  files() {
    return this.sessions.get(EXECUTE_CODE)?.files ?? []
  }

  file(name) {
    return this.files().findLast((file) => file.name === name)
  }

  /** All calls of one turn, at once. Resolves to their messages. */
  async turn(...calls) {
    const toolCalls = calls.map(([name, args]) => ({ id: `call_${++this.#count}`, name, args, type: 'tool_call' }))
    const { messages } = await this.node.invoke({ messages: [new this.AIMessage({ content: '', tool_calls: toolCalls })] })
    assert.equal(messages.length, calls.length)
    return messages.map((message) => ({
      isError: message.status === 'error', artifact: message.artifact ?? {},
      text: typeof message.content === 'string' ? message.content : JSON.stringify(message.content),
    }))
  }
}

module.exports = { Conversation, GENERATIONS, Server, load }
