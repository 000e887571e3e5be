// SPDX-License-Identifier: Apache-2.0
// The dashboard for Grafana and the rules for alerts name only what is there.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { adapter, exec, get, isReal } from './help.js'
import { Standin } from './mongo-standin.js'

const WATCH = 'w4tchw4tch'
const read = (name) => readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8')
const FUNCTIONS = new Set(['sum', 'max', 'min', 'by', 'rate', 'increase', 'histogram_quantile', 'label_values', 'and', 'or', 'unless'])

/** The metrics of an expression, each with the labels it is asked for. */
export function namesOf(expr) {
  const groups = [...expr.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, list]) => list.split(',').map((one) => one.trim()))
  const bare = expr.replace(/\bby \([^)]*\)/g, ' ').replace(/\[[^\]]*\]/g, ' ')
  const metrics = [...bare.matchAll(/([a-z_][a-z0-9_]*)(?:\{([^}]*)\})?/gi)].filter(([, name, labels]) => labels !== undefined || !FUNCTIONS.has(name))
  return metrics.filter(([, name]) => name !== 'instance').map(([, name, labels = '']) => ({
    name, labels: [...new Set([...labels.matchAll(/([a-z_]+)\s*(?:=~|!~|=|!=)/g)].map(([, one]) => one).concat(groups))].filter((one) => one !== 'instance'),
  }))
}

describe('what Prometheus is asked for', { skip: !isReal && 'needs the real sbx' }, () => {
  let server
  let mongo
  const types = new Set()
  const labels = new Map()
  const exists = ({ name, labels: wanted }, where) => {
    const base = types.has(name) ? name : name.replace(/_(bucket|sum|count)$/, '')
    assert.ok(types.has(base), `${where}: there is no metric ${name}`)
    assert.ok(labels.has(name), `${where}: ${name} has no value here, so its labels are not known`)
    for (const label of wanted) assert.ok(labels.get(name).has(label), `${where}: ${name} has no label ${label}`)
  }

  before(async () => {
    mongo = await new Standin().start()
    server = await adapter({ SBX_ADAPTER_WATCH_KEY: WATCH, MONGO_URI: mongo.uri() })
    // One of each, so that every labelled metric has a row.
    await exec(server, { lang: 'py', code: 'print(1)' })
    await get(server, `/files/${'A'.repeat(20)}Q`)
    await (await import('./help.js')).post(server, '/api/v1/execute', { language: 'python', code: 'while True: pass', timeout: 1 })
    const { text } = await get(server, '/metrics', { key: WATCH })
    for (const line of text.split('\n')) {
      const [, type] = /^# TYPE (\S+)/.exec(line) ?? []
      if (type) types.add(type)
      const [, name, list = ''] = /^([a-z_]+)(?:\{(.*)\})? /.exec(line) ?? []
      if (name) labels.set(name, new Set([...labels.get(name) ?? [], ...[...list.matchAll(/([a-z_]+)="/g)].map(([, one]) => one)]))
    }
    assert.ok(types.size > 30)
  })
  after(async () => {
    await server?.close()
    await mongo?.stop()
  })

  test('by the dashboard for Grafana exists', () => {
    const { panels, templating } = JSON.parse(read('grafana/sbx.json'))
    const queries = panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => [title, expr]))
    assert.ok(queries.length >= 30)
    for (const [title, expr] of queries) {
      const names = namesOf(expr)
      assert.ok(names.length, expr)
      for (const one of names) exists(one, title)
      assert.match(expr, /instance=~"\$instance"/)
    }
    for (const { type, definition } of templating.list) if (type === 'query') exists({ name: /label_values\(([a-z_]+),/.exec(definition)[1], labels: [] }, 'variable')
    assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length)
    for (const [i, one] of panels.entries()) {
      for (const other of panels.slice(i + 1)) {
        const [a, b] = [one.gridPos, other.gridPos]
        assert.ok(a.x + a.w <= b.x || b.x + b.w <= a.x || a.y + a.h <= b.y || b.y + b.h <= a.y, `${one.title} lies over ${other.title}`)
      }
      if (one.type !== 'row') assert.ok(one.title && one.fieldConfig.defaults.unit)
    }
  })
  test('by the rules for alerts exists, and isolation, audit and refusals have theirs', () => { // S3-57
    const rules = read('prometheus/sbx-alerts.yml')
    const exprs = [...rules.matchAll(/^ {8}expr: (.*)$/gm)].map(([, expr]) => expr)
    assert.equal(exprs.length, [...rules.matchAll(/- alert: /g)].length)
    for (const expr of exprs) for (const one of namesOf(expr)) exists(one, expr)
    for (const name of ['sbx_isolation_failures_total', 'sbx_audit_failures_total', 'sbx_rate_limited_total', 'sbx_busy_total', 'sbx_quota_refused_total']) assert.ok(exprs.some((expr) => expr.includes(name)), name)
  })
})

test('a name that is not there would be found', () => {
  assert.deepEqual(namesOf('sum by (le) (rate(sbx_a_bucket{instance=~"$instance",x="y"}[5m])) > 3 and sbx_b == 0'), [{ name: 'sbx_a_bucket', labels: ['x', 'le'] }, { name: 'sbx_b', labels: ['le'] }])
})
