// SPDX-License-Identifier: Apache-2.0
// Whole conversations, as a stock LibreChat holds them: its server's HTTP calls and its published tools over
// many turns, with uploads, plots, edits in place, deletions and duplicates of a name.
const assert = require('node:assert/strict')
const { after, before, describe, test } = require('node:test')
const { Conversation, GENERATIONS, load, Server } = require('./host.cjs')

let help
let adapter
let base
before(async () => {
  help = await import('../test/help.js')
  adapter = await help.adapter()
  base = `http://127.0.0.1:${adapter.port}/v1`
  // The first two read their base URL once, when they are loaded; the tool search has no other.
  process.env.LIBRECHAT_CODE_BASEURL = base.replace('//', `//${help.KEY}@`)
  delete process.env.PROXY
})
after(() => adapter?.close())

const SALES = 'month,total\nJan,3\nFeb,5\nMar,4\n'
const PLOT = `
import os
import pandas as pd
import matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot as plt
df = pd.read_csv("sales.csv")
df.plot(x="month", y="total", kind="bar")
os.makedirs("/mnt/data/charts", exist_ok=True)
plt.savefig("/mnt/data/charts/sales.png")
df.describe().to_csv("summary.csv")
print(int(df["total"].sum()))
`
const deferred = (name, description) => [name, { name, description, defer_loading: true, parameters: { type: 'object', properties: {} } }]
const weather = { name: 'get-weather', description: 'Weather of a city', parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] }, allowed_callers: ['code_execution'] }

for (const [generation, traits] of Object.entries(GENERATIONS)) {
  describe(`a conversation of generation ${generation} (${traits.version})`, () => {
    const { hasBash, hasHeader, hasKinds, hasDeleted } = traits
    const user = `65f1c0ffee65f1c0ffee65f${generation}`
    const calls = []
    let agents
    let server
    let chat
    let uploaded
    before(async () => {
      const loaded = load(generation)
      agents = loaded.agents
      server = new Server({ base, key: help.KEY, generation, user })
      const auth = { user_id: user, ...(hasHeader ? { apiKey: help.KEY } : { baseUrl: base.replace('//', `//${help.KEY}@`) }) }
      const lookup = { name: 'get-weather', invoke: async (input) => { calls.push(input.args ?? input); return { city: (input.args ?? input).city, t: (input.args ?? input).city.length } } }
      const tools = [agents.createCodeExecutionTool(auth), agents.createProgrammaticToolCallingTool(auth), agents.createToolSearch(hasHeader ? auth : { mode: 'code_interpreter' }), lookup]
      if (hasBash) tools.push(agents.createBashExecutionTool(auth), agents.createBashProgrammaticToolCallingTool(auth))
      const toolRegistry = new Map([['get-weather', weather], deferred('send_mail_mcp_post', 'Sends a letter'), deferred('read_calendar_mcp_post', 'Reads a calendar'), deferred('pay_bill_mcp_bank', 'Pays a bill')])
      uploaded = [await server.upload('sales.csv', SALES)]
      chat = new Conversation(loaded, { tools, toolRegistry, primed: uploaded })
    })
    const py = (code, more = {}) => ['execute_code', { lang: 'py', code, ...more }]
    const sh = (code, more = {}) => (hasBash ? ['bash_tool', { command: code, ...more }] : ['execute_code', { lang: 'bash', code, ...more }])
    async function said(call, what) {
      const [{ text, artifact, isError }] = await chat.turn(call)
      assert.equal(isError, false, text)
      assert.match(text, what)
      return artifact
    }

    test('an upload is fresh, and what nobody uploaded is not', async () => {
      assert.equal(await server.isFresh(uploaded[0]), true)
      assert.equal(await server.isFresh({ ...uploaded[0], id: 'AAAAAAAAAAAAAAAAAAAAA' }), false)
      assert.equal((await server.download(uploaded[0])).toString(), SALES)
    })
    test('a table becomes a picture and a summary, and both can be fetched', async () => { // S0-01, S0-19, S1-05, S0-03
      const { files, session_id: session } = await said(py(PLOT), /stdout:\n12\n/)
      assert.deepEqual(files.map(({ name }) => name).sort(), ['charts/sales.png', 'summary.csv'])
      const picture = await server.download(files.find(({ name }) => name.endsWith('.png')), session)
      assert.deepEqual([picture.subarray(0, 8).toString('latin1'), picture.length > 2000], ['\x89PNG\r\n\x1a\n', true])
      assert.match((await server.download(files.find(({ name }) => name === 'summary.csv'), session)).toString(), /^,total\ncount,3\.0\n/)
      assert.deepEqual(chat.files().map(({ name }) => name).sort(), ['charts/sales.png', 'sales.csv', 'summary.csv'])
    })
    test('every earlier file is there in the next call, folders too', async () => {
      await said(sh('find . -type f | sort; head -n1 sales.csv'), /\.\/charts\/sales\.png\n\.\/sales\.csv\n\.\/summary\.csv\nmonth,total$/)
    })
    test('an edit in place is what the next call sees; the first version stays', async () => {
      const { files } = await said(py('open("/mnt/data/sales.csv","a").write("Apr,9\\n")\nprint("added")'), /added/)
      const edited = files.find(({ name }) => name === 'sales.csv')
      assert.notEqual(edited.id, uploaded[0].id)
      await said(sh('tail -n1 sales.csv; wc -l < sales.csv'), /Apr,9\n5$/)
      assert.equal((await server.download(uploaded[0])).toString(), SALES)
      assert.equal((await server.download(chat.file('sales.csv'))).toString(), `${SALES}Apr,9\n`)
    })
    test('two calls of one turn that write the same name: both are kept, the later holds the name', async () => {
      const results = await chat.turn(py('open("/mnt/data/dup.txt","w").write("first")'), py('open("/mnt/data/dup.txt","w").write("second")'))
      const texts = await Promise.all(results.map(async ({ artifact }) => (await server.download(artifact.files[0], artifact.session_id)).toString()))
      assert.deepEqual(texts, ['first', 'second'])
      await said(sh('cat dup.txt'), /stdout:\nsecond/)
    })
    test('a name that the user uploads once more does not end the conversation', async () => {
      const again = await server.upload('sales.csv', 'month,total\nMay,1\n')
      assert.equal(await server.isFresh(again), true)
      chat.prime([again]) // the list now holds the name twice, and so does every later request
      assert.equal(chat.files().filter(({ name }) => name === 'sales.csv').length, 2)
      await said(sh('cat sales.csv'), /May,1/)
      await said(py('open("/mnt/data/sales.csv","a").write("Jun,2\\n")\nprint("ok")'), /ok/)
      await said(sh('cat sales.csv'), /May,1\nJun,2/)
    })
    test('a removed file is told where the client understands it, and otherwise comes back', async () => {
      const { deleted_files: gone } = await said(sh('rm dup.txt && echo removed'), /removed/)
      assert.deepEqual(gone, hasDeleted ? ['dup.txt'] : undefined)
      await said(sh('test -e dup.txt && echo there || echo gone'), hasDeleted ? /gone/ : /there/)
    })
    test('JavaScript and TypeScript with arguments and files', async () => {
      await said(['execute_code', { lang: 'js', code: 'const fs=require("fs");console.log(process.argv.slice(2).join("|"), fs.readFileSync("sales.csv","utf8").split("\\n")[0])', args: ['a b', '$HOME'] }], /a b\|\$HOME month,total/)
      await said(['execute_code', { lang: 'ts', code: 'type T = { n: number }\nconst t: T = { n: 6 * 7 }\nconsole.log(t.n)' }], /stdout:\n42/)
    })
    test('a program that fails tells why and ends nothing', async () => {
      const [{ text }] = await chat.turn(py('import sys\nprint("half")\nraise ValueError("no such month")'))
      assert.match(text, /half[^]*ValueError: no such month/)
      await said(sh('echo on'), /on/)
    })
    test('programmatic Python works on the files of the conversation and calls in parallel', async () => {
      calls.length = 0
      const code = 'import asyncio\nhead = open("/mnt/data/sales.csv").readline().strip()\nrs = await asyncio.gather(*[get_weather(city=c) for c in ("Brno","Oslo","Rome","Bonn")])\nopen("/mnt/data/weather.json","w").write(json.dumps(rs))\nprint(head, [r["t"] for r in rs])'
      const { files } = await said([agents.ProgrammaticToolCallingName ?? 'run_tools_with_code', { code, timeout: 20_000 }], /month,total \[4, 4, 4, 4\]/)
      assert.equal(calls.length, 4)
      assert.deepEqual(files.map(({ name }) => name), ['weather.json'])
      await said(sh('cat weather.json'), /"city": "Oslo"/)
    })
    if (hasBash) {
      test('programmatic Bash runs its jobs in parallel on the same files', async () => {
        calls.length = 0
        const code = 'set -euo pipefail\nfor c in Brno Oslo Rome; do get_weather "{\\"city\\":\\"$c\\"}" > "w-$c.json" & done\nwait\njq -r .t w-*.json 2>/dev/null | paste -sd+ || cat w-*.json'
        const { files } = await said([agents.BashProgrammaticToolCallingName ?? 'run_tools_with_bash', { code, timeout: 20_000 }], /4\+4\+4|"t":4[^]*"t":4[^]*"t":4/)
        assert.equal(calls.length, 3)
        assert.deepEqual(files.map(({ name }) => name).sort(), ['w-Brno.json', 'w-Oslo.json', 'w-Rome.json'])
      })
    }
    test('the tool search runs its pattern in the sandbox', async () => {
      const [{ text, isError, artifact }] = await chat.turn(['tool_search', { query: 'mail|calendar' }])
      assert.equal(isError, false, text)
      assert.deepEqual(artifact.tool_references.map(({ tool_name: name }) => name).sort(), ['read_calendar_mcp_post', 'send_mail_mcp_post'])
      const [none] = await chat.turn(['tool_search', { query: 'zzzz' }])
      assert.deepEqual(none.artifact.tool_references, [])
    })
    if (hasKinds) {
      test('files of a skill are read-only, in folders, and shared with the next call', async () => {
        const skill = { kind: 'skill', id: 'skill_1', version: 2, readOnly: true }
        const files = await server.batch([['skills/pptx/SKILL.md', '# Slides\n'], ['skills/pptx/scripts/build.py', 'print("built")\n'], ['skills/pptx/empty', '']], skill)
        for (const file of files) assert.equal(await server.isFresh(file), true)
        chat.prime(files)
        const { files: out = [] } = await said(sh('python3 skills/pptx/scripts/build.py; echo spoilt > skills/pptx/SKILL.md; wc -c < skills/pptx/empty'), /built\n0/)
        assert.deepEqual(out.filter((file) => !file.inherited), [])
        await said(sh('cat skills/pptx/SKILL.md'), /# Slides/)
      })
      test('what LibreChat itself reads and writes', async () => { // contract, section 12
        const files = chat.files().map(({ id, name, storage_session_id: s, kind, resource_id: r, version }) => ({ id, name, storage_session_id: s, kind, resource_id: r, version }))
        const bytes = Buffer.from('written "by" the host\n').toString('base64')
        const wrote = await server.exec({ lang: 'bash', files, code: `python3 - <<'PY'\nimport base64, json, os\nspec = json.loads(base64.b64decode('${Buffer.from(JSON.stringify({ path: '/mnt/data/notes/host.txt', bytes })).toString('base64')}'))\nos.makedirs(os.path.dirname(spec['path']), exist_ok=True)\nopen(spec['path'], 'wb').write(base64.b64decode(spec['bytes']))\nprint('WROTE', spec['path'])\nPY` })
        assert.deepEqual([wrote.stderr, wrote.files.filter((file) => !file.inherited).map(({ name }) => name)], ['', ['notes/host.txt']])
        const read = await server.exec({ lang: 'bash', files: wrote.files, session_id: wrote.session_id, code: "cat '/mnt/data/notes/host.txt'" })
        assert.deepEqual([read.stdout, read.stderr], ['written "by" the host\n', ''])
        const miss = await server.exec({ lang: 'bash', files, code: "cat '/mnt/data/none.txt'" })
        assert.match(miss.stderr, /no such file or directory/i)
        assert.equal(miss.stdout, '')
      })
    }
    test('a file that was deleted is no longer fresh, and the others still run', async () => {
      const extra = await server.upload('extra.txt', 'x')
      chat.prime([extra])
      assert.equal(await server.remove(extra), 200)
      assert.equal(await server.isFresh(extra), false)
      await said(sh('cat sales.csv | head -n1; test -e extra.txt || echo "extra is gone"'), /month,total\nextra is gone/)
    })
    test('every output of the conversation can still be fetched', async () => { // contract, 10.4
      for (const file of chat.files().filter(({ name }) => name !== 'extra.txt' && !name.startsWith('skills/'))) {
        assert.ok((await server.download(file)).length > 0, file.name)
      }
    })
  })
}

test('nothing of all this was a failure of the adapter, and no key is in its log', () => {
  const lines = adapter.logged.map((line) => JSON.parse(line))
  assert.deepEqual(lines.filter(({ level, status }) => level >= 50 || status >= 500), [])
  assert.ok(!adapter.logged.join('').includes(help.KEY))
  assert.equal(adapter.app.load().running, 0)
})
