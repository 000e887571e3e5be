// SPDX-License-Identifier: Apache-2.0
// What the stand-in for sbx answers to who watches: a page of the shape of the real one, with $SBX_STATE/page in it.
import * as fs from 'node:fs'
import { join } from 'node:path'

const state = process.env.SBX_STATE
const told = (name) => { try { return fs.readFileSync(join(state, name), 'utf8') } catch { return '' } }

export function prometheus() {
  if (told('no-stats')) process.exit(70)
  fs.writeSync(1, '# HELP sbx_running Runs at this moment.\n# TYPE sbx_running gauge\nsbx_running 0\n')
}

export function dashboard() {
  fs.mkdirSync(state, { recursive: true })
  const request = JSON.parse(fs.readFileSync(0, 'utf8'))
  fs.appendFileSync(join(state, 'looks'), `${JSON.stringify(request)}\n`)
  if (told('no-page')) {
    fs.writeSync(1, '{"v":1,"ok":false,"error":{"code":"E_INTERNAL","message":"broken"}}\n')
    process.exit(70)
  }
  const section = (id, text) => `<section class="panel " aria-labelledby="${id}"><h2 id="${id}">${id}</h2>\n<p>${text}</p></section>\n`
  const html = `<!doctype html>\n<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>t</title><style>
p{color:red}
</style></head><body><header><h1>t</h1><p>Written <time>${new Date().toISOString()}</time></p></header>
<dl class="cards">\n<div class="card plain"><dt>Runs</dt><dd>${told('page') || 0}</dd></div>\n</dl>
<main id="main">\n${section('minutes', told('page'))}${section('health', 'good')}</main></body></html>\n`
  fs.writeSync(1, `${JSON.stringify({ v: 1, ok: true, html })}\n`)
}
