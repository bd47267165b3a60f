// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FromGate } from '../contract.ts'
import { FROM_GATE_BYTES_MAX, parseFromGate } from '../control/parse-from-gate.ts'
import type { DoorKey } from '../ports.ts'
import { rule } from '../relay/_gate-world.ts'
import { DoorReport, REPORT_LIMITS } from './door-report.ts'

const door: DoorKey = { host: 'a.test', port: 443, protocol: 'tls', rule: rule({ to: 'a.test', port: 443 }) }
const refusal = { code: 'no-rule', target: 'a.test:443', reason: 'no rule', rule: null, remedy: null } as const

function reportOf(): { report: DoorReport; said: FromGate[] } {
  const said: FromGate[] = []
  return { report: new DoorReport('build/1', (message) => void said.push(message)), said }
}

function closed(report: DoorReport): Extract<FromGate, { type: 'step-closed' }> {
  const line = JSON.stringify(report.toClosed())
  assert.ok(Buffer.byteLength(line) < FROM_GATE_BYTES_MAX, `${Buffer.byteLength(line)} bytes`)
  const message = parseFromGate(line)
  assert.ok(message.type === 'step-closed')
  return message
}

const GET = { method: 'GET', graphql: false, websocket: false } as const

test('refusals of the same kind and target are one, told at the first', () => {
  const { report, said } = reportOf()
  for (let times = 0; times < 5; times++) report.refused(refusal)
  report.refused({ ...refusal, code: 'protocol' })
  assert.deepEqual(
    said.map(({ type }) => type),
    ['refused', 'refused'],
  )
  assert.deepEqual(
    closed(report).refused.map(({ count }) => count),
    [5, 1],
  )
})

test('whatever a job does, a report is one line that the supervisor takes, and nothing is lost from its counts', () => {
  const { report, said } = reportOf()
  const wide = '\u{10ffff}"\\'.repeat(500)
  for (let index = 0; index < 5000; index++) {
    report.refused({ code: 'path', target: `${index}${wide}`, reason: wide, rule: wide, remedy: wide })
    report.connected({ ...door, host: `${index}.${wide}` })
    for (let path = 0; path < 3; path++)
      report.request({ ...door, host: `${index % 50}.${wide}` }, { ...GET, path: `/${index}/${path}/${wide}` })
    report.alert('echo', `${index}`, null)
  }
  const message = closed(report)
  assert.equal(
    message.refused.reduce((sum, { count }) => sum + count, message.refusedMore),
    5000,
  )
  assert.equal(
    message.used.reduce((sum, { connections }) => sum + connections, 0),
    5000,
  )
  assert.equal(
    message.used.reduce((sum, { requests, requestsMore }) => requests.reduce((more, { count }) => more + count, sum + requestsMore), 0),
    15_000,
  )
  assert.ok(said.length <= 2 * REPORT_LIMITS.messages + REPORT_LIMITS.alertsOfKind)
  assert.ok(message.used.every(({ requests }) => requests.length <= REPORT_LIMITS.requestsOfDoor))
})

test('connections and bytes of one door add up, and the first is told', () => {
  const { report, said } = reportOf()
  report.count(report.connected(door), 10, 20)
  report.count(report.connected(door), 1, 2)
  report.request(door, { ...GET, path: '/x' })
  report.request(door, { ...GET, path: '/x', websocket: true })
  const [use] = closed(report).used
  assert.partialDeepStrictEqual(use, {
    host: 'a.test',
    port: 443,
    protocol: 'tls',
    rule: 'sallyport.yml:3',
    connections: 2,
    bytesOut: 11,
    bytesIn: 22,
  })
  assert.deepEqual(use?.requests, [{ method: 'GET', path: '/x', count: 2, graphql: false, websocket: true }])
  assert.deepEqual(
    said.map(({ type }) => type),
    ['used'],
  )
})

test('an upload is told once: much out, and little in', () => {
  const { report, said } = reportOf()
  const both = report.connected(door)
  for (let times = 0; times < 64; times++) report.count(both, 65_536, 65_536)
  assert.deepEqual(
    said.map(({ type }) => type),
    ['used'],
  )
  const out = report.connected({ ...door, host: 'b.test' })
  for (let times = 0; times < 64; times++) report.count(out, 65_536, 100)
  assert.deepEqual(
    said.flatMap((message) => (message.type === 'alert' ? [[message.kind, message.bytes]] : [])),
    [['upload', 1024 * 1024]],
  )
})
