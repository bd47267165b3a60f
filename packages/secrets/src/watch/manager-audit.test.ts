// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ManagerAudit, type ManagerAuditOptions, type OwnRead } from './manager-audit.ts'
import type { ManagerRead } from './manager-log.ts'

const T = Date.parse('2026-11-22T20:00:00Z')
const JOB = { run: 'r1', job: 'build' }
const ours = new Map([['mark-1', JOB]])

function makeAudit(changes: Partial<ManagerAuditOptions> = {}): ManagerAudit {
  const isWatched = (path: string): boolean => path === 'kv/a'
  return new ManagerAudit({ isWatched, namesOf: (path) => [path], known: new Set(), sinceMs: Number.NEGATIVE_INFINITY, ...changes })
}

function show(audit: ManagerAudit, changes: Partial<ManagerRead> & { readonly afterMs?: number } = {}): void {
  const { afterMs = 60_000, ...more } = changes
  const read = {
    atMs: T + afterMs,
    id: 'i',
    operation: 'read',
    paths: ['kv/a'],
    mark: 'mark-1',
    who: null,
    name: 'n',
    from: '::1',
    isLogin: false,
  }
  audit.add('log', { kind: 'read', line: 1, read: { ...read, ...more } })
}

/** The log reaches two minutes, around what is shown. */
function reach(audit: ManagerAudit): void {
  for (const afterMs of [0, 120_000]) audit.add('log', { kind: 'other', line: 1, atMs: T + afterMs })
}

const own = (afterMs = 60_000, changes: Partial<OwnRead> = {}): OwnRead => ({
  ...JOB,
  atMs: T + afterMs,
  secret: 'A',
  path: 'kv/a',
  ...changes,
})
const rulesOf = (findings: readonly { readonly rule: string }[]): readonly string[] => findings.map(({ rule }) => rule)

describe('a manager’s log beside ours', () => {
  test('with the same reads has nothing to tell', () => {
    const audit = makeAudit()
    reach(audit)
    show(audit)
    show(audit)
    assert.deepEqual([audit.judge(ours), audit.end([own(), own(61_000)])], [[], []])
    assert.deepEqual(audit.counts, { reads: 2, ours: 2, known: 0 })
  })

  test('shows a read that went around the broker, once', () => {
    const audit = makeAudit()
    show(audit, { mark: 'somebody', name: 'root', from: '10.0.0.9' })
    const [finding, ...others] = audit.judge(ours)
    assert.deepEqual(
      [finding?.rule, finding?.severity, finding?.path, finding?.place, others],
      ['read-around-broker', 'high', 'kv/a', 'log:1', []],
    )
    assert.match(finding?.message ?? '', /"root" from 10\.0\.0\.9 read "kv\/a"/)
    assert.deepEqual(audit.judge(ours), [])
  })

  test('does not tell of what no job may have, of what is older, or of whom the operator expects by what the manager knows', () => {
    const audit = makeAudit({ sinceMs: T, known: new Set(['e-1']) })
    show(audit, { mark: 'x', paths: ['kv/b'] })
    show(audit, { mark: 'x', afterMs: -1 })
    show(audit, { mark: 'x', who: 'e-1' })
    assert.deepEqual(audit.judge(ours), [])
    assert.deepEqual(audit.counts, { reads: 1, ours: 0, known: 1 })
    // A name is anybody's choice
    show(audit, { mark: 'x', name: 'e-1' })
    assert.deepEqual(rulesOf(audit.judge(ours)), ['read-around-broker'])
  })

  test('shows a batch that may hold anything, and a login with the role', () => {
    const audit = makeAudit()
    show(audit, { mark: 'x', paths: ['*'] })
    show(audit, { mark: 'x', paths: ['arn:role'], isLogin: true })
    assert.deepEqual(rulesOf(audit.judge(ours)), ['read-around-broker', 'login-around-broker'])
  })

  test('that lacks a read of ours was cut, or is another one', () => {
    const audit = makeAudit()
    reach(audit)
    show(audit)
    audit.judge(ours)
    const [finding, ...others] = audit.end([own(), own(61_000)])
    assert.deepEqual([finding?.rule, others], ['read-not-shown', []])
    assert.match(finding?.message ?? '', /2 times while the log was written, and it shows once/)
  })

  test('need not show what was read before it began, after it ended, or at its edges', () => {
    const audit = makeAudit()
    reach(audit)
    assert.deepEqual(audit.end([own(-1), own(120_001), own(1000), own(119_000)]), [])
    assert.deepEqual(makeAudit().end([own()]), [])
  })

  test('counts for each job: what another one read is no excuse', () => {
    const audit = makeAudit()
    reach(audit)
    show(audit)
    audit.judge(ours)
    assert.deepEqual(rulesOf(audit.end([own(60_000, { job: 'deploy' })])), ['read-not-shown'])
  })

  test('that shows more of a job than it read says so', () => {
    const audit = makeAudit()
    reach(audit)
    show(audit)
    show(audit)
    audit.judge(ours)
    assert.deepEqual(rulesOf(audit.end([own()])), ['read-more-often'])
  })

  test('tells what is missing, and what cannot be read', () => {
    const audit = makeAudit()
    audit.add('log', { kind: 'gap', line: 3, atMs: T, why: 'w' })
    audit.add('log', { kind: 'unreadable', line: 4, why: 'w' })
    audit.cut('log', 'w')
    assert.deepEqual(rulesOf(audit.judge(ours)), ['log-gap', 'log-unreadable', 'log-gap'])
  })
})
