// SPDX-License-Identifier: Apache-2.0
// The adapter is killed at any moment, with everything going on at once. Nothing it had started goes on, nothing
// that it had acknowledged is lost, nothing half done is shown, and the next one starts on what is there.
import assert from 'node:assert/strict'
import { randomBytes, randomInt } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { daemon, exec, get, isReal, post, processes, settleStorage, stored, until, upload } from './help.js'

const KILLS = Number(process.env.KILLS ?? 8)
const TOOL = [{ name: 'get', parameters: { type: 'object', properties: { a: {} } } }]
let server
before(() => { server = daemon({ SANDBOX_MAX_CONCURRENT_EXECUTIONS: '20', MAX_CONCURRENT_EXECUTIONS: '20' }) })
after(() => server?.close())
const download = async (up) => (await get(server, `/download/${up.session}/${up.id}`)).text

/** Requests of all kinds until the server is gone; what it acknowledged is remembered. */
function traffic(acknowledged) {
  const again = async (one) => { try { for (;;) await one() } catch { /* it is gone */ } }
  const remember = (session, id, text) => acknowledged.push({ session, id, text })
  return Promise.all([
    again(async () => {
      const text = randomBytes(randomInt(1, 300_000)).toString('hex')
      const { json } = await upload(server, [['file', 'one.txt', text]])
      if (json.message === 'success') remember(json.session_id, json.files[0].fileId, text)
    }),
    again(async () => {
      const texts = [1, 2, 3].map(() => randomBytes(2000).toString('hex'))
      const { json } = await upload(server, texts.map((text, i) => ['file', `d/${i}.txt`, text]), { path: '/upload/batch' })
      if (json.succeeded === 3) for (const [i, file] of json.files.entries()) remember(json.session_id, file.fileId, texts[i])
    }),
    again(async () => {
      const text = randomBytes(8).toString('hex')
      const json = await exec(server, { lang: 'bash', code: `printf ${text} > out.txt` })
      if (json.files) remember(json.session_id, json.files[0].id, text)
    }),
    again(() => exec(server, { lang: 'bash', code: 'sleep 60 & sleep 60' })),
    again(() => post(server, '/exec/programmatic', { code: 'await get(a=1)', tools: TOOL, timeout: 60_000 })),
    again(() => post(server, '/exec/programmatic', { code: 'import time\ntime.sleep(60)', tools: TOOL, timeout: 60_000 })),
    again(async () => {
      const last = acknowledged.at(-1)
      if (last) await download(last)
      else await get(server, '/health')
    }),
  ])
}

describe('kill -9', { skip: isReal ? false : 'needs the real sbx' }, () => {
  test(`${KILLS} times, while everything goes on`, async () => {
    const acknowledged = []
    for (let n = 0; n < KILLS; n++) {
      await server.start()
      assert.equal((await get(server, '/health', { key: null })).status, 200)
      // What was acknowledged before the last kill is there, whole.
      for (const up of acknowledged.slice(-12)) assert.equal(await download(up), up.text)
      const load = traffic(acknowledged)
      await new Promise((resolve) => { setTimeout(resolve, randomInt(50, 2500)) })
      await server.kill()
      await load
      await until(() => processes().length === 0, `the end of ${processes()}`, 10_000)
    }
    await server.start()
    assert.ok(acknowledged.length > 0, `${acknowledged.length}`)
    for (const up of acknowledged) assert.equal(await download(up), up.text)
    await server.kill('SIGTERM')
    settleStorage(server, { wasKilled: true })
  })
  test('an upload that was on its way is not stored in part', async () => {
    await server.start()
    const before = stored(server).length
    const { connect } = await import('node:net')
    const { form, KEY } = await import('./help.js')
    const body = form([], [['file', 'half.txt', Buffer.alloc(3_000_000, 'x')]])
    for (let n = 0; n < 5; n++) {
      const sockets = Array.from({ length: 4 }, () => {
        const socket = connect(server.port, '127.0.0.1')
        socket.on('error', () => {})
        socket.write(`POST /upload HTTP/1.1\r\nhost: x\r\nx-api-key: ${KEY}\r\ncontent-type: multipart/form-data; boundary=b0undary\r\ncontent-length: ${body.length}\r\n\r\n`)
        socket.write(body.subarray(0, 2_500_000))
        return socket
      })
      await until(() => processes().filter((name) => name.startsWith('sbx ')).length >= 4, 'the start of the uploads', 10_000)
      await new Promise((resolve) => { setTimeout(resolve, randomInt(10, 300)) })
      await server.kill()
      for (const socket of sockets) socket.destroy()
      await until(() => processes().length === 0, 'the end of the uploads', 10_000)
      await server.start()
    }
    await server.kill('SIGTERM')
    settleStorage(server, { wasKilled: true })
    assert.equal(stored(server).length, before)
  })
  test('a clean end waits for nothing either', async () => {
    await server.start()
    const run = exec(server, { lang: 'bash', code: 'sleep 60' }).catch(() => undefined)
    await until(() => processes().length > 0, 'the start of the program', 10_000)
    const since = Date.now()
    assert.equal(await server.kill('SIGTERM'), 0)
    await run
    await until(() => processes().length === 0, 'the end of the program', 10_000)
    assert.ok(Date.now() - since < 10_000)
  })
})
