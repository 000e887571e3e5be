// SPDX-License-Identifier: Apache-2.0
// The audit log of the stand-in for sbx: the lines of $SBX_STATE/audit.jsonl, which the tests write.
import * as fs from 'node:fs'
import { join } from 'node:path'

const file = join(process.env.SBX_STATE, 'audit.jsonl')
const records = () => {
  try {
    return fs.readFileSync(file, 'utf8').split('\n').slice(0, -1)
  } catch {
    return []
  }
}
const seqOf = (line) => Number(/^\{"seq":(\d+)/.exec(line)?.[1] ?? 0)
const valueOf = (options, name) => Number(options[options.indexOf(name) + 1])

export async function audit(options) {
  fs.mkdirSync(process.env.SBX_STATE, { recursive: true })
  fs.appendFileSync(join(process.env.SBX_STATE, 'asked'), `${options.join(' ')}\n`)
  if (options.includes('--request')) {
    const { count, ip, user_agent: agent } = JSON.parse(fs.readFileSync(0, 'utf8'))
    fs.appendFileSync(join(process.env.SBX_STATE, 'wrong-keys'), `${JSON.stringify({ count, ip, agent })}\n`)
    return fs.writeSync(1, `${JSON.stringify({ v: 1, ok: true, count })}\n`)
  }
  if (options.includes('-n')) return fs.writeSync(1, `${JSON.stringify({ v: 1, ok: true, records: records().slice(-1).map((line) => JSON.parse(line)) })}\n`)
  if (options[0] === 'export') return records().forEach((line) => fs.writeSync(1, `${line}\n`))
  for (let after = valueOf(options, '--after'); process.ppid !== 1; await new Promise((resolve) => { setTimeout(resolve, 20) })) {
    for (const line of records().filter((one) => seqOf(one) > after)) {
      // A pipe that is full makes us wait, as the real one does.
      if (!process.stdout.write(`${line}\n`)) await new Promise((resolve) => { process.stdout.once('drain', resolve) })
      after = seqOf(line)
    }
    if (fs.existsSync(join(process.env.SBX_STATE, 'end-tail'))) return fs.unlinkSync(join(process.env.SBX_STATE, 'end-tail'))
  }
}
