// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { after, before, describe, test } from 'node:test'
import { adapter, exec, get, isReal, KEY, post, processes, raw, until } from './help.js'

const onlyFake = isReal ? 'needs the stand-in for sbx' : false
const PATH = '/exec/programmatic'
const TOOLS = [
  { name: 'get-weather', description: 'Weather', parameters: { type: 'object', properties: { city: { type: 'string' }, unit: { type: 'string' } }, required: ['city'] }, allowed_callers: ['code_execution'] },
  { name: 'my.tool', parameters: { type: 'object', properties: { 'max-results': {} } } },
]
let server
before(async () => { server = await adapter() })
after(() => server.close())

const begin = async (code, more = {}) => (await post(server, PATH, { code, tools: TOOLS, timeout: 10_000, ...more })).json
const go = async ({ continuation_token: token }, results) => (await post(server, PATH, { continuation_token: token, tool_results: results })).json
const running = async () => server.app.load().running

/** Runs a program to its end with a function for every call; tells the answer and the sizes of the rounds. */
async function play(code, answerTo, more) {
  const rounds = []
  let answer = await begin(code, more)
  while (answer.status === 'tool_call_required') {
    rounds.push(answer.tool_calls.length)
    answer = await go(answer, await Promise.all(answer.tool_calls.map(async (call) => ({ call_id: call.id, is_error: false, ...await answerTo(call) }))))
  }
  return { ...answer, rounds }
}
const echo = ({ input }) => ({ result: input })

describe('a Python program', () => {
  test('the conversation of the contract', async () => {
    const first = await begin("a, b = await asyncio.gather(get_weather(city='Brno'), get_weather(city='Oslo'))\nprint(a['t'], b['t'])")
    assert.equal(first.status, 'tool_call_required')
    assert.match(first.continuation_token, /^[\w-]{43}$/)
    assert.deepEqual(first.tool_calls.map(({ name, input }) => [name, input]), [['get-weather', { city: 'Brno' }], ['get-weather', { city: 'Oslo' }]])
    assert.equal(new Set(first.tool_calls.map(({ id }) => id)).size, 2)
    const last = await go(first, first.tool_calls.map(({ id }, i) => ({ call_id: id, result: { t: 11 - 8 * i }, is_error: false })))
    assert.deepEqual([last.status, last.stdout, last.stderr, last.files], ['completed', '11 3\n', '', []])
    assert.match(last.session_id, /^[\w-]{21}$/)
    if (first.session_id) assert.equal(first.session_id, last.session_id)
  })
  test('a hundred calls go out in one round, twenty in a row in twenty', async () => {
    const many = await play('rs = await asyncio.gather(*[get_weather(city=str(i)) for i in range(100)])\nprint(sum(int(r["city"]) for r in rs))', echo)
    assert.deepEqual([many.rounds, many.stdout], [[100], '4950\n'])
    const row = await play('for i in range(20): print((await get_weather(city=str(i)))["city"], end=" ")', echo)
    assert.equal(row.rounds.length, 20)
    assert.equal(row.stdout, `${Array.from({ length: 20 }, (_, i) => i).join(' ')} `)
  })
  test('the program runs once, and its output comes once', async () => {
    const { stdout, rounds } = await play('import random\nx = random.random()\nprint("before", x)\nawait get_weather(city="a")\nprint("after", x)\nimport subprocess\nsubprocess.run(["echo", "child"])', echo)
    assert.equal(rounds.length, 1)
    const [, one, two] = /^before (\S+)\nafter (\S+)\nchild\n$|^child\nbefore (\S+)\nafter (\S+)\n$/.exec(stdout).filter(Boolean)
    assert.equal(one, two)
  })
  test('a failing tool is an exception, which can be caught', async () => {
    const fails = () => ({ is_error: true, result: null, error_message: 'no such city' })
    const caught = await play('try:\n  await get_weather(city="x")\nexcept ToolExecutionError as e:\n  print("caught:", e)', fails)
    assert.equal(caught.stdout, 'caught: no such city\n')
    const not = await play('print("one")\nawait get_weather(city="x")', fails)
    assert.deepEqual([not.status, not.error, not.stdout], ['error', 'Sandbox exited with code 1', 'one\n'])
    assert.match(not.stderr, /^Traceback .*\n {2}File "main.py", line 2, in <module>\n[^]*ToolExecutionError: no such city\n$/)
  })
  test('tracebacks name the line of the program and nothing of the runner', async () => {
    const { stderr } = await begin('def f():\n    return 1/0\n\nf()')
    assert.match(stderr, /File "main.py", line 4, in <module>\n {4}f\(\)[^]*line 2, in f\n {4}return 1\/0[^]*ZeroDivisionError/)
    assert.ok(!/runner|in run_python|eval\(/.test(stderr), stderr)
    assert.match((await begin('def f(:')).stderr, /File "main.py", line 1\n[^]*SyntaxError/)
  })
  test('the program text is left alone: quotes, global, async and plain main', async () => {
    assert.equal((await begin('x = """a\n  b"""\nprint(repr(x))')).stdout, "'a\\n  b'\n")
    assert.equal((await play('n = 0\nasync def f():\n  global n\n  n += (await get_weather(city="q"))["k"]\nawait f()\nprint(n)', () => ({ result: { k: 5 } }))).stdout, '5\n')
    assert.equal((await play('async def main():\n  print(await get_weather(city="z"))\nif __name__ == "__main__":\n  asyncio.run(main())', echo)).stdout, "{'city': 'z'}\n")
    assert.equal((await begin('x: Optional[List[int]] = json.loads("[1]")\nprint(x, os.getcwd() != "", sys.argv)')).stdout, "[1] True ['main.py']\n")
  })
  test('exit codes are those of the program', async () => {
    assert.equal((await begin('import sys; print("x"); sys.exit(3)')).error, 'Sandbox exited with code 3')
    assert.equal((await begin('import sys; sys.exit(0)')).status, 'completed')
    const said = await begin('raise SystemExit("words")')
    assert.deepEqual([said.error, said.stderr], ['Sandbox exited with code 1', 'words\n'])
    assert.equal((await begin('import os; os._exit(4)')).error, 'Sandbox exited with code 4')
  })
  test('parameters: positions, None, names that are none, what is missing', async () => {
    const seen = []
    const keep = (call) => { seen.push(call.input); return echo(call) }
    await play('await get_weather("Brno", unit=None)\nawait my_tool', keep).catch(() => {})
    assert.deepEqual(seen, [{ city: 'Brno' }])
    assert.match((await begin('await get_weather(unit="C")')).stderr, /TypeError: get_weather\(\) missing required argument: 'city'/)
    const dash = await play('print(await mytool(max_results=3))', keep)
    assert.equal(dash.stdout, "{'max-results': 3}\n")
    assert.match((await begin('await get_weather(city={1})')).stderr, /TypeError/)
  })
  test('results of every JSON type arrive as they are', async () => {
    const values = [null, 0, 1.5, 'täxt 😀', [1, [2]], { a: { b: null } }, true, '']
    let i = 0
    const { stdout } = await play(`for _ in range(${values.length}): print(json.dumps(await get_weather(city="x"), ensure_ascii=False))`, () => ({ result: values[i++] }))
    assert.deepEqual(stdout.trim().split('\n').map((line) => JSON.parse(line)), values)
  })
  test('a large result arrives, an absurd one is an error in the program', async () => {
    const big = 'x'.repeat(2_000_000)
    assert.equal((await play('print(len(await get_weather(city="x")))', () => ({ result: big }))).stdout, '2000000\n')
    assert.match((await play('try: await get_weather(city="x")\nexcept Exception as e: print(e)', () => ({ result: 'x'.repeat(9_000_000) }))).stdout, /too large/)
  })
  test('files go in and come out', async () => {
    const [file] = (await exec(server, { lang: 'bash', code: 'echo hi > in.txt' })).files
    const end = await play('t = open("in.txt").read()\nr = await get_weather(city=t.strip())\nopen("out.txt","w").write(r["city"])', echo, { files: [file] })
    assert.deepEqual(end.files.map(({ name, storage_session_id: s }) => [name, s]), [['out.txt', end.session_id]])
    assert.equal((await get(server, `/download/${end.session_id}/${end.files[0].id}`)).text, 'hi')
  })
  test('the time is per segment; waiting for the client does not count', async () => {
    const first = await begin('await get_weather(city="x")\nprint("on")', { timeout: 1500 })
    await new Promise((resolve) => { setTimeout(resolve, 2200) })
    assert.equal((await go(first, [{ call_id: first.tool_calls[0].id, result: 1, is_error: false }])).stdout, 'on\n')
    const late = await begin('print("started", flush=True)\nwhile True: pass', { timeout: 1000 })
    assert.deepEqual([late.status, late.error, late.stdout], ['error', 'Time limit exceeded', 'started\n'])
    assert.equal(await running(), 0)
  })
  test('output is bounded and does not disturb the calls', async () => {
    const { stdout, stderr, status } = await play('print("x"*3000000)\nawait get_weather(city="x")\nprint("end")', echo)
    assert.deepEqual([status, stdout.length, stderr], ['completed', 65_536, 'stdout was cut.\n'])
  })
  test('a process left in the background does not delay the end', async () => {
    const start = Date.now()
    assert.equal((await begin('import subprocess\nsubprocess.Popen(["sleep","30"])\nprint("done")')).stdout, 'done\n')
    assert.ok(Date.now() - start < 5000)
  })
  test('its stdin is empty', async () => {
    assert.equal((await begin('import sys\nprint(repr(sys.stdin.read()))')).stdout, "''\n")
  })
  test('calls of threads and slow tasks go out too', async () => {
    const { stdout } = await play('import threading, time\nasync def one(i):\n  await asyncio.sleep(0.05*i)\n  return (await get_weather(city=str(i)))["city"]\nprint(await asyncio.gather(*[one(i) for i in range(4)]))\nt=threading.Thread(target=lambda: asyncio.run(get_weather(city="t")))\nt.start(); t.join()\nprint("joined")', echo)
    assert.equal(stdout, "['0', '1', '2', '3']\njoined\n")
  })
})

describe('a Bash program', () => {
  const bash = (code, answerTo = echo) => play(code, answerTo, { lang: 'bash' })
  test('calls at top level, in substitutions, pipelines, loops and jobs', async () => {
    const code = [
      'set -euo pipefail', 'get_weather \'{"city":"top"}\'', 'x=$(get_weather \'{"city":"sub"}\')', 'echo "$x"',
      'get_weather \'{"city":"pipe"}\' | tr a-z A-Z', 'printf "a\\nb\\n" | while read -r l; do get_weather "{\\"city\\":\\"$l\\"}"; done',
      'for i in 1 2 3; do get_weather "{\\"city\\":\\"$i\\"}" > "f$i" & done', 'wait', 'cat f1 f2 f3', 'my_tool',
    ].join('\n')
    const { stdout, stderr, status, rounds, files } = await bash(code)
    assert.deepEqual([status, stderr], ['completed', ''])
    assert.deepEqual(stdout.trim().split('\n'), ['{"city":"top"}', '{"city":"sub"}', '{"CITY":"PIPE"}', '{"city":"a"}', '{"city":"b"}', '{"city":"1"}', '{"city":"2"}', '{"city":"3"}', '{}'])
    assert.deepEqual(files.map(({ name }) => name).sort(), ['f1', 'f2', 'f3'])
    assert.ok(rounds.includes(3), `the jobs went out together: ${rounds}`)
  })
  test('a text keeps its quotes; an error goes to stderr with a status', async () => {
    assert.equal((await bash('get_weather \'{"city":"x"}\'', () => ({ result: 'a "b" ü' }))).stdout, '"a \\"b\\" ü"\n')
    const failed = await bash('get_weather \'{"city":"x"}\' || echo "status $?"', () => ({ is_error: true, error_message: 'no such city' }))
    assert.deepEqual([failed.stdout, failed.stderr], ['status 1\n', 'no such city\n'])
    const ended = await bash('set -e\nget_weather\necho never', () => ({ is_error: true, error_message: 'no' }))
    assert.deepEqual([ended.status, ended.error, ended.stdout], ['error', 'Sandbox exited with code 1', ''])
  })
  test('what is no JSON object never leaves the sandbox', async () => {
    const { rounds, stderr, stdout } = await bash('get_weather "[1]" || get_weather "{" || echo both')
    assert.deepEqual([rounds, stdout], [[], 'both\n'])
    assert.match(stderr, /must be a JSON object/)
  })
  test('a long argument and an own stdin', async () => {
    const { stdout } = await bash('big=$(head -c 300000 /dev/zero | tr "\\0" x)\nget_weather "{\\"city\\":\\"$big\\"}" | wc -c', ({ input }) => ({ result: input.city.length }))
    assert.equal(stdout.trim(), '7')
    assert.equal((await bash('exit 7')).error, 'Sandbox exited with code 7')
    assert.match((await bash('kill -9 $$')).error, /^Sandbox exited with code 137$/)
  })
  test('the line that newer clients put in front does no harm', async () => {
    assert.equal((await bash('{ :; } & wait $!\necho ok')).stdout, 'ok\n')
  })
})

describe('tokens and ends', () => {
  test('a token counts once, and only for its principal', async () => {
    const first = await begin('await get_weather(city="x")\nprint("on")')
    const results = [{ call_id: first.tool_calls[0].id, result: 1, is_error: false }]
    const body = { continuation_token: first.continuation_token, tool_results: results }
    assert.equal((await post(server, PATH, { ...body, tool_results: 'x' })).status, 400)
    const [one, two] = await Promise.all([post(server, PATH, body), post(server, PATH, body)])
    assert.deepEqual([one.status, two.status].sort(), [200, 404])
    assert.equal((await post(server, PATH, body)).status, 404)
    for (const token of ['', 'x', 7, null, {}, ['a'], '__proto__']) assert.equal((await post(server, PATH, { continuation_token: token, tool_results: [] })).status, 404)
  })
  test('unknown results are ignored, missing ones are errors in the program', async () => {
    const first = await begin('try: await get_weather(city="x")\nexcept Exception as e: print("error:", e)')
    assert.equal((await go(first, [{ call_id: 'call_999', result: 1 }])).stdout, 'error: no result was given\n')
  })
  test('cancel ends the run of the request, and no other', async () => {
    const headers = { 'x-librechat-code-request-id': '0b8e2c1a-1111-4222-8333-944445555666' }
    const other = await begin('await get_weather(city="x")\nprint("alive")')
    const slow = post(server, PATH, { code: 'import time\ntime.sleep(30)', tools: TOOLS, timeout: 60_000 }, { headers })
    await until(async () => await running() === 1, 'the start')
    assert.deepEqual((await post(server, `${PATH}/cancel`, { request_id: 'unknown' })).json, { cancelled: false })
    assert.deepEqual((await post(server, `/v1${PATH}/cancel`, { request_id: headers['x-librechat-code-request-id'] })).json, { cancelled: true })
    assert.equal((await slow).json.status, 'error')
    assert.equal(await running(), 0)
    assert.equal((await go(other, [{ call_id: other.tool_calls[0].id, result: 1 }])).stdout, 'alive\n')
  })
  test('a client that goes away ends its program', async () => {
    const body = JSON.stringify({ code: 'import time\ntime.sleep(30)', tools: TOOLS, timeout: 60_000 })
    await raw(server, [`POST ${PATH} HTTP/1.1\r\nhost: x\r\nx-api-key: ${KEY}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`], { leaveAfterMs: 600 })
    await until(async () => await running() === 0, 'the end of the run')
  })
  test('paused programs are bounded in number and in time, and take no place of others', async () => {
    const other = await adapter({ SBX_ADAPTER_PAUSED_MAX: '2', SBX_ADAPTER_PAUSE_MS: '900', SANDBOX_MAX_CONCURRENT_EXECUTIONS: '1' })
    const start = () => post(other, PATH, { code: 'await get_weather(city="x")', tools: TOOLS, timeout: 10_000 })
    try {
      const one = await start()
      assert.equal((await start()).json.status, 'tool_call_required')
      assert.equal((await start()).status, 429)
      assert.equal((await exec(other, { lang: 'bash', code: 'echo free' })).stdout, 'free\n')
      await until(async () => (await start()).status === 200, 'the expiry')
      assert.equal((await post(other, PATH, { continuation_token: one.json.continuation_token, tool_results: [] })).status, 404)
    } finally { await other.close() }
  })
  test('the end of the adapter is the end of its programs', async () => {
    const other = await adapter()
    const mark = `mark-${process.pid}-${Date.now()}`
    await post(other, PATH, { code: `import subprocess\nsubprocess.Popen(["bash","-c","exec -a ${mark} sleep 60"])\nawait get_weather(city="x")`, tools: TOOLS })
    const marked = () => execFileSync('sh', ['-c', `grep -lz '^${mark}' /proc/[0-9]*/cmdline 2>/dev/null | wc -l`], { encoding: 'utf8' }).trim() !== '0'
    const alive = isReal ? () => processes().length > 0 : marked
    await until(alive, 'the start of the program')
    await other.close()
    await until(() => !alive(), 'the end of the program')
  })
})

describe('requests that are wrong', () => {
  test('are 400', async () => {
    for (const body of [[], 'x', 7, null, {}, { code: '' }, { code: 7 }, { code: 'x', tools: 7 }, { code: 'x', tools: [7] }, { code: 'x', tools: [{}] }, { code: 'x', tools: [{ name: '' }] }, { code: 'x', tools: [{ name: 'a\nb' }] },
      { code: 'x', tools: [{ name: 'a-b' }, { name: 'a_b' }] }, { code: 'x', lang: 'js', tools: [] }, { code: 'x', lang: 7, tools: [] }, { code: 'x', files: 'y', tools: [] }]) {
      assert.equal((await post(server, PATH, body)).status, 400, JSON.stringify(body))
    }
    assert.equal((await begin('print(1)', { tools: undefined })).stdout, '1\n')
    assert.equal((await begin('print(1)', { tools: [], lang: 'py', timeout: 'x', session_id: 7 })).stdout, '1\n')
  })
  test('a refusal of sbx is answered as such', { skip: onlyFake }, async () => {
    assert.equal((await begin('print(1)', { files: [{ id: 'AAAAAAAAAAAAAAAAAAAAA', name: 'x/\u0085' }] })).stdout, '1\n')
  })
})

describe('a program that fights the runner', () => {
  // The program shares its process with the runner, so it can take the runner's descriptor.
  const SINK = 'import gc, os\nsink = next(o for o in gc.get_objects() if type(o).__name__ == "Wire").sink\n'
  const forge = (lines) => `${SINK}os.write(sink, ${JSON.stringify(lines)}.encode())\nprint("end")`
  test('cannot call a tool that was not given to it', async () => {
    const answer = await begin(forge('{"t":"call","id":1,"name":"rm","input":{}}\n{"t":"idle"}\n'))
    assert.deepEqual([answer.status, answer.error], ['error', 'Sandbox requested an unregistered tool: rm'])
  })
  test('cannot confuse the adapter by malformed lines', async () => {
    for (const lines of ['\n\n}{\n[]\n7\n"x"\nnull\n', '{"t":"nothing"}\n{"t":"out"}\n{"t":"out","s":7}\n{"t":"idle"}\n{"t":"cut","n":-1}\n']) {
      assert.equal((await begin(forge(lines))).status, 'completed', lines)
    }
    for (const call of ['{"t":"call"}', '{"t":"call","id":-1,"name":"get-weather","input":{}}', '{"t":"call","id":1.5,"name":"get-weather","input":{}}', '{"t":"call","id":1,"name":["get-weather"],"input":{}}', '{"t":"call","id":1,"name":"get-weather","input":[]}', '{"t":"call","id":1,"name":"__proto__","input":{}}']) {
      assert.equal((await begin(forge(`${call}\n`))).status, 'error', call)
    }
    const twice = '{"t":"call","id":9,"name":"get-weather","input":{}}\n'
    assert.equal((await begin(forge(twice + twice))).status, 'error')
    const deep = await begin(`${SINK}os.write(sink, b'{"t":"call","id":1,"name":"get-weather","input":{"a":' + b"["*50000 + b"]"*50000 + b"}}\\n")`)
    assert.equal(deep.status, 'error')
  })
  test('cannot fill the memory of the adapter with one line or with calls', async () => {
    const line = await begin(`${SINK}while True: os.write(sink, b"x"*65536)`, { timeout: 5000 })
    assert.equal(line.status, 'error')
    const calls = await begin('await asyncio.gather(*[get_weather(city=str(i)) for i in range(6000)])')
    assert.deepEqual([calls.status, calls.error], ['error', 'stdout length exceeded'])
  })
})
