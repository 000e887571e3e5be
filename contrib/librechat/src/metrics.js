// SPDX-License-Identifier: Apache-2.0
// /metrics, as text for Prometheus: what sbx counts, then what only the adapter knows.
import { collect, stop } from './sbx.js'
import { watched } from './watch.js'

const BUCKETS = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]
const TEXT_MAX = 4 * 1024 * 1024
const ASK_MS = 10_000

/** What is counted of requests. Routes, methods and statuses are few, so the table is bounded. */
export class Metrics {
  #requests = new Map()
  #buckets = BUCKETS.map(() => 0)
  #seconds = 0
  #count = 0

  count(req, reply) {
    const key = `${req.method}\t${req.routeOptions.url ?? 'none'}\t${reply.statusCode}`
    this.#requests.set(key, (this.#requests.get(key) ?? 0) + 1)
    const seconds = reply.elapsedTime / 1000
    this.#seconds += seconds
    this.#count++
    for (const [i, limit] of BUCKETS.entries()) if (seconds <= limit) this.#buckets[i]++
  }

  text(parts, isSbxThere) {
    const { running, waiting } = parts.gate.state()
    const copy = parts.copy?.state
    const lines = []
    const add = (name, type, help, rows) => {
      lines.push(`# HELP sbx_adapter_${name} ${help}`, `# TYPE sbx_adapter_${name} ${type}`)
      for (const [labels, value] of rows) lines.push(`sbx_adapter_${name}${labels} ${value}`)
    }
    const one = (value) => [['', value]]
    add('sbx_up', 'gauge', 'Whether sbx answered when it was asked for its counters.', one(isSbxThere ? 1 : 0))
    add('requests_total', 'counter', 'Requests that were answered.', [...this.#requests].map(([key, n]) => {
      const [method, route, status] = key.split('\t')
      return [`{method="${label(method)}",route="${label(route)}",status="${status}"}`, n]
    }))
    add('request_duration_seconds', 'histogram', 'Time from a request to the end of its answer.', [
      ...BUCKETS.map((limit, i) => [`_bucket{le="${limit}"}`, this.#buckets[i]]), ['_bucket{le="+Inf"}', this.#count], ['_sum', this.#seconds], ['_count', this.#count],
    ])
    add('running', 'gauge', 'Runs that go on in this adapter.', one(running))
    add('waiting', 'gauge', 'Requests that wait for a place in this adapter.', one(waiting))
    add('auth_failures_total', 'counter', 'Requests with a wrong credential.', one(parts.refusals.total))
    add('dashboards', 'gauge', 'Dashboards that are open.', one(parts.dashboard?.clients ?? 0))
    add('resident_memory_bytes', 'gauge', 'Memory of the adapter.', one(process.memoryUsage.rss()))
    add('audit_database_up', 'gauge', 'Whether the database takes audit records; absent without one.', copy ? one(copy.isUp ? 1 : 0) : [])
    add('audit_copied_total', 'counter', 'Audit records that were copied to the database.', one(copy?.copied ?? 0))
    add('audit_copy_failures_total', 'counter', 'Attempts to write to the database that failed.', one(copy?.failures ?? 0))
    add('audit_missed_total', 'counter', 'Audit records that had expired before they could be copied.', one(copy?.missed ?? 0))
    add('audit_behind_seconds', 'gauge', 'For how long audit records wait for the database.', one((copy?.behindMs ?? 0) / 1000))
    return `${lines.join('\n')}\n`
  }
}

const label = (text) => String(text).replace(/[\\"\n]/g, '_')

/** The counters of sbx as it writes them, or undefined. */
async function ofSbx({ sbx }) {
  const child = sbx.start(['stats', '--prometheus', '--die-with-parent'])
  child.stdin.end()
  const timer = setTimeout(() => stop(child), ASK_MS)
  const text = await collect(child, TEXT_MAX)
  clearTimeout(timer)
  const { exit } = await child.ended
  return exit === 0 ? text.toString('utf8') : undefined
}

export function metricsRoute(app, parts) {
  app.get('/metrics', watched(parts), async (_req, reply) => {
    const counters = await ofSbx(parts)
    return reply.type('text/plain; version=0.0.4; charset=utf-8').send((counters ?? '') + parts.metrics.text(parts, counters !== undefined))
  })
}
