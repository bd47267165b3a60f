// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { LogEntry } from '@sallyport/audit-log'
import { ORIGIN, testRecord } from '../_log.ts'
import type { ExportRecord } from '../contract.ts'
import { ocsfProblems } from './_ocsf-schema.ts'
import { jsonLine } from './json-line.ts'
import { ocsfLine, toOcsf } from './ocsf.ts'

/** One of each kind that we write, and some that do not make sense. */
const entries: readonly Partial<LogEntry>[] = [
  { type: 'source.opened' },
  { type: 'source.closed', data: { events: 3, dropped: {} } },
  { type: 'source.closed', data: { events: 3, dropped: { overload: 2 } } },
  { type: 'run.started', data: { workflows: ['ci.yml'] } },
  { type: 'run.finished', data: { conclusion: 'success' } },
  { type: 'job.prepared', job: 'build' },
  { type: 'job.finished', job: 'build', data: { conclusion: 'failure' } },
  { type: 'job.closed', job: 'build', data: { events: 3 } },
  { type: 'job.refused', job: 'build', data: { code: 'X' } },
  { type: 'step.started', job: 'build', step: '1' },
  { type: 'step.finished', job: 'build', step: '1', data: { conclusion: 'cancelled' } },
  { type: 'step.log', job: 'build', step: '1', private: { commitment: Buffer.alloc(32).toString('base64'), bytes: 5 } },
  { type: 'door.used', job: 'build', step: '1', data: { host: 'registry.example.test', port: 443, rule: 'sallyport.yml:3' } },
  { type: 'door.first-seen', job: 'build', step: '1', data: { host: '2001:db8::1', port: 443 } },
  { type: 'door.closed', job: 'build', data: { host: '192.0.2.1', port: 443, bytesIn: 7, bytesOut: 5 } },
  { type: 'door.refused', job: 'build', data: { code: 'no-rule', target: 'evil.example.test:443', reason: 'no rule' } },
  { type: 'door.refused', job: 'build', data: { code: 'no-rule', target: '[2001:db8::1]:22', reason: 'no rule' } },
  { type: 'door.refused', job: 'build', data: { code: 'path', target: 'POST https://api.example.test/gists', reason: 'no rule' } },
  { type: 'door.refused', job: 'build', data: { code: 1, target: 'x:99999', reason: null } },
  { type: 'door.alert', job: 'build', data: { kind: 'upload', detail: 'much', bytes: 1 } },
  { type: 'door.other', data: { host: '', port: 'x', bytesIn: 'x' } },
  { type: 'lease.granted', job: 'build', data: { secret: 'TOKEN' } },
  { type: 'policy.decided' },
  { type: 'host.kernel', source: 'host/kernel', data: { text: 'oom' } },
]

const foreign: ExportRecord = { origin: ORIGIN, index: 7, leaf: Buffer.from([0xff, 0, 1]), entry: null, omittedDataBytes: 0 }

describe('an event of OCSF', () => {
  for (const [index, entry] of entries.entries())
    test(`of ${entry.type} (${index}) is as the schema says`, () => {
      assert.deepEqual(ocsfProblems(toOcsf(testRecord(index, entry))), [])
    })

  test('of what is no entry of ours, and of one that was too long, is so, too', () => {
    assert.deepEqual(ocsfProblems(toOcsf(foreign)), [])
    assert.deepEqual(ocsfProblems(toOcsf({ ...testRecord(1), omittedDataBytes: 9000 })), [])
  })

  test('says who refused what', () => {
    const event = toOcsf(
      testRecord(1, { type: 'door.refused', job: 'build', data: { code: 'no-rule', target: 'evil.example.test:443', reason: 'no rule' } }),
    )
    assert.deepEqual(
      { class: event['class_uid'], activity: event['activity_id'], action: event['action_id'], to: event['dst_endpoint'] },
      { class: 4001, activity: 5, action: 2, to: { hostname: 'evil.example.test', port: 443 } },
    )
  })

  test('has the leaf, so that its hash can be proven', () => {
    const record = testRecord(3, { data: { text: 'é\u2028' } })
    assert.deepEqual(Buffer.from(String(JSON.parse(ocsfLine(record)).raw_data)), Buffer.from(record.leaf))
  })

  test('that the schema does not have is found', () => {
    const event = toOcsf(testRecord(1, { type: 'run.started' }))
    const { app: _app, ...without } = event as { app: unknown }
    for (const wrong of [
      without,
      { ...event, app: {} },
      { ...event, activity_id: 50 },
      { ...event, colour: 1 },
      { ...event, time: 'now' },
      { ...event, action_id: 1 },
    ])
      assert.notDeepEqual(ocsfProblems(wrong), [])
  })
})

describe('a line of JSON', () => {
  test('is one line of ASCII, whatever the entry holds, and says the same', () => {
    const record = testRecord(0, { data: { text: 'a\nb\r\0\u2028é😀\x7f' } })
    for (const format of [jsonLine, ocsfLine]) assert.match(format(record), /^[\x20-\x7e]+$/)
    assert.deepEqual(JSON.parse(jsonLine(record)), { origin: ORIGIN, index: 0, entry: record.entry })
  })

  test('carries what is no entry of ours as it is', () => {
    assert.deepEqual(JSON.parse(jsonLine(foreign)), { origin: ORIGIN, index: 7, leaf: '/wAB' })
  })
})
