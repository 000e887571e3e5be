// SPDX-License-Identifier: Apache-2.0
// Files of kind agent and skill: uploaded by one user of a LibreChat that signs tokens, used by all of its users,
// also at the same time; what comes out of a run belongs to who ran it. Contract, sections 5.3, 6.4 and 14.
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { SignJWT } from 'jose'
import { adapter, call, exec, get, post, settleStorage, upload } from './help.js'

const place = mkdtempSync(join(tmpdir(), 'sbx-sharing-'))
const pair = generateKeyPairSync('ed25519')
let server
let one
let two
let stranger
before(async () => {
  const file = join(place, 'key.pem')
  writeFileSync(file, pair.publicKey.export({ type: 'spki', format: 'pem' }))
  server = await adapter({ SBX_ADAPTER_JWT_KEY: file, SBX_ADAPTER_TENANT: 'home' })
  one = await as('user1', 'home')
  two = await as('user2', 'home')
  stranger = await as('user1', 'elsewhere')
})
after(async () => {
  if (server) settleStorage(server)
  await server?.close()
  rmSync(place, { recursive: true, force: true })
})
async function as(sub, tenant) {
  const now = Math.floor(Date.now() / 1000)
  const token = await new SignJWT({ iss: 'librechat', aud: 'codeapi', sub, tenant_id: tenant, iat: now, nbf: now, exp: now + 290, jti: 'x' }).setProtectedHeader({ alg: 'EdDSA', typ: 'JWT', kid: 'k' }).sign(pair.privateKey)
  return { key: null, headers: { authorization: `Bearer ${token}` } }
}
const KINDS = [['agent', { id: 'agent_Ab1' }], ['skill', { id: '65f1c0ffee65f1c0ffee65f1', version: 3 }], ['skill', { id: 'a.b:c', version: 1 }]]
const queryOf = (kind, { id, version }) => `?kind=${kind}&id=${encodeURIComponent(id)}${version ? `&version=${version}` : ''}`

for (const [kind, whose] of KINDS) {
  describe(`files of the ${kind} ${whose.id}`, () => {
    const fields = [['kind', kind], ['id', whose.id], ...(whose.version ? [['version', String(whose.version)]] : []), ['read_only', 'true']]
    const query = queryOf(kind, whose)
    let up
    let refs
    before(async () => {
      up = (await upload(server, [['file', 'kit/SKILL.md', '# Kit\n'], ['file', 'kit/run.py', 'print("ran")\n']], { ...one, path: '/upload/batch', fields })).json
      assert.equal(up.message, 'success')
      refs = up.files.map(({ fileId, filename }) => ({ id: fileId, storage_session_id: up.storage_session_id, name: filename, kind, resource_id: whose.id, ...(whose.version && { version: whose.version }) }))
    })
    const path = (i = 0) => `${up.storage_session_id}/${up.files[i].fileId}`

    test('are fresh, listed and fetched for every user of the tenant', async () => {
      for (const who of [one, two]) {
        const probe = await get(server, `/sessions/${up.storage_session_id}/objects/${up.files[0].fileId}${query}`, who)
        assert.deepEqual([probe.status, probe.json.originalFilename], [200, 'kit/SKILL.md'])
        assert.equal((await get(server, `/download/${path(1)}${query}`, who)).text, 'print("ran")\n')
        assert.equal((await get(server, `/files/${up.storage_session_id}${query}&detail=full`, who)).json.length, 2)
      }
    })
    test('are mounted in the runs of both at once; what comes out is of who ran it', async () => {
      const code = 'python3 kit/run.py; echo spoilt > kit/SKILL.md; rm -f kit/run.py; id -un > out.txt; echo $RANDOM >> out.txt'
      const [mine, yours] = await Promise.all([one, two].map((who) => exec(server, { lang: 'bash', code, files: refs }, who)))
      for (const [run, who, other] of [[mine, one, two], [yours, two, one]]) {
        assert.equal(run.stdout, 'ran\n')
        const made = run.files.filter((file) => !file.inherited)
        assert.deepEqual(made.map(({ name }) => name), ['out.txt'])
        // Outputs are always asked for as the user's, also of runs with files of an agent or a skill.
        assert.equal((await get(server, `/download/${run.session_id}/${made[0].id}?kind=user&id=x`, who)).status, 200)
        assert.equal((await get(server, `/download/${run.session_id}/${made[0].id}?kind=user&id=x`, other)).status, 404)
        assert.equal((await get(server, `/download/${run.session_id}/${made[0].id}${query}`, other)).status, 404)
      }
      // The next run finds them as they were.
      assert.equal((await exec(server, { lang: 'bash', code: 'cat kit/SKILL.md; test -e kit/run.py && echo there', files: refs }, two)).stdout, '# Kit\nthere\n')
    })
    test('are there in programs that call tools', async () => {
      const end = (await post(server, '/exec/programmatic', { code: 'print(open("kit/SKILL.md").read().strip())', tools: [], files: refs, timeout: 20_000 }, two)).json
      assert.deepEqual([end.status, end.stdout], ['completed', '# Kit\n'])
    })
    test('are nobody\'s without their kind, and not those of another tenant', async () => { // S0-21
      assert.equal((await get(server, `/download/${path()}`, two)).status, 404)
      assert.equal((await get(server, `/download/${path()}?kind=user&id=user1`, one)).status, 404)
      for (const other of [`?kind=${kind}&id=another`, '?kind=skill&id=user1&version=1', `?kind=${kind === 'agent' ? 'skill' : 'agent'}&id=${whose.id}`]) assert.equal((await get(server, `/download/${path()}${other}`, two)).status, 404, other)
      assert.equal((await get(server, `/download/${path()}${query}`, stranger)).status, 404)
      assert.deepEqual((await get(server, `/files/${up.storage_session_id}${query}&detail=full`, stranger)).json, [])
      assert.match((await exec(server, { lang: 'bash', code: 'cat kit/SKILL.md', files: refs }, stranger)).stderr, /No such file/)
    })
    test('are removed by no user: all of them would lose them', async () => {
      assert.equal((await call(server, 'DELETE', `/files/${path()}${query}`, two)).status, 404)
      assert.equal((await call(server, 'DELETE', `/files/${path()}${query}`, one)).status, 404)
      assert.equal((await get(server, `/download/${path()}${query}`, one)).status, 200)
    })
  })
}

test('a user cannot name himself like an agent, and a key is one principal whatever the kind', async () => {
  const up = (await upload(server, [['file', 'a.txt', 'kit']], { ...one, fields: [['kind', 'agent'], ['id', 'agent_Ab1']] })).json
  const path = `/download/${up.session_id}/${up.files[0].fileId}`
  assert.equal((await get(server, path, await as('agent-agent_Ab1', 'home'))).status, 404)
  assert.equal((await get(server, `${path}?kind=agent&id=agent_Ab1`)).status, 404)
  const own = (await upload(server, [['file', 'a.txt', 'mine']], { fields: [['kind', 'skill'], ['id', 's'], ['version', '1']] })).json
  assert.equal((await get(server, `/download/${own.session_id}/${own.files[0].fileId}`)).text, 'mine')
})
test('a kind that is none, and an id that cannot be one, stay with the user', async () => {
  for (const [kind, id] of [['agent', '../x'], ['skill', ''], ['skill', 'x'.repeat(129)], ['agent', 'a b']]) {
    const up = (await upload(server, [['file', 'a.txt', 'mine']], { ...one, fields: [['kind', kind], ['id', id]] })).json
    const path = `/download/${up.session_id}/${up.files[0].fileId}`
    assert.equal((await get(server, path, one)).text, 'mine', `${kind} ${id.slice(0, 10)}`)
    assert.equal((await get(server, `${path}?kind=${kind}&id=${encodeURIComponent(id)}`, two)).status, 404)
  }
})
