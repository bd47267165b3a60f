// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EMPTY_BASELINE, formatBaseline, parseBaseline } from './baseline.ts'
import type { Baseline, SecretRead, WatchedGrant, WatchedRun } from './contract.ts'
import { judgeRun, LEARNING_RUNS } from './judge-run.ts'

const AT = '2026-01-02T10:00:00.000Z'
const READ: SecretRead = {
  secret: 'TOKEN',
  job: 'build (20)',
  step: '2',
  stepId: 'publish',
  delivery: 'env',
  provider: 'given',
  path: null,
  at: AT,
}
const GRANT: WatchedGrant = {
  secret: 'TOKEN',
  job: 'build',
  stepId: 'publish',
  delivery: 'env',
  namesHosts: false,
  isConditional: true,
  place: 'sallyport.yml:3',
}

const run = (parts: Partial<WatchedRun>): WatchedRun => ({ at: AT, reads: [], denials: [], grants: [], jobs: ['build'], ...parts })
const rules = (baseline: Baseline, parts: Partial<WatchedRun>): readonly string[] =>
  judgeRun(baseline, run(parts)).findings.map(({ rule }) => rule)
const after = (count: number, parts: Partial<WatchedRun>): Baseline =>
  Array.from({ length: count }).reduce<Baseline>((baseline) => judgeRun(baseline, run(parts)).baseline, EMPTY_BASELINE)

test('the first runs learn, say what, and raise no alarm', () => {
  for (let runs = 0; runs < LEARNING_RUNS; runs++) {
    const { findings } = judgeRun(after(runs, {}), run({ reads: [READ] }))
    assert.deepEqual(
      findings.map(({ rule, severity }) => [rule, severity]),
      [['learning', 'info']],
    )
    assert.match(findings[0]?.message ?? '', /TOKEN by build\.publish/)
  }
})

test('a reader that no earlier run had is told, once, and another path or delivery is another reader', () => {
  const known = after(LEARNING_RUNS, { reads: [READ] })
  assert.deepEqual(rules(known, { reads: [READ] }), [])
  assert.deepEqual(rules(known, { reads: [{ ...READ, step: '7', job: 'build (24)' }] }), [], 'the same step in another place of the matrix')
  for (const other of [{ secret: 'OTHER' }, { job: 'test' }, { stepId: 'x' }, { delivery: 'file' }, { provider: 'vault' }, { path: 'a' }]) {
    const reads = [{ ...READ, ...other }]
    const judged = judgeRun(known, run({ reads: [...reads, ...reads] }))
    assert.deepEqual(
      judged.findings.map(({ rule }) => rule),
      ['first-time-reader'],
      JSON.stringify(other),
    )
    assert.deepEqual(rules(judged.baseline, { reads }), [])
  }
})

test('an hour far from every known one is unusual, also around midnight, once there are enough reads', () => {
  const at = (hour: string): SecretRead => ({ ...READ, at: `2026-01-02T${hour}:30:00.000Z` })
  const few = after(19, { reads: [at('23')] })
  assert.deepEqual(rules(few, { reads: [at('12')] }), [])
  const enough = after(20, { reads: [at('23')] })
  assert.deepEqual(rules(enough, { reads: [at('12')] }), ['unusual-time'])
  assert.deepEqual(rules(enough, { reads: [at('00')] }), [])
})

test('many reads within a minute are a burst, unless they always were that many', () => {
  const reads = Array.from({ length: 21 }, (_, index) => ({ ...READ, at: new Date(Date.parse(AT) + index * 1000).toISOString() }))
  assert.deepEqual(rules(after(3, { reads: [READ] }), { reads }), ['burst'])
  assert.deepEqual(rules(after(3, { reads }), { reads }), [])
  const slow = reads.map((read, index) => ({ ...read, at: new Date(Date.parse(AT) + index * 10_000).toISOString() }))
  assert.deepEqual(rules(after(3, { reads: [READ] }), { reads: slow }), [])
})

test('a denied probe is told at once, a condition that does not hold is none', () => {
  const denial = { secret: 'TOKEN', job: 'build', step: '1', at: AT }
  assert.deepEqual(rules(EMPTY_BASELINE, { denials: [{ ...denial, code: 'not-granted' }] }), ['denied-probe'])
  assert.deepEqual(rules(EMPTY_BASELINE, { denials: [{ ...denial, code: 'condition' }] }), [])
})

test('a grant is unused after ten runs of its job without a read', () => {
  const parts = { grants: [GRANT] }
  assert.deepEqual(rules(after(8, parts), parts), [])
  assert.deepEqual(rules(after(9, parts), parts), ['unused-grant'])
  assert.deepEqual(rules(after(20, { ...parts, jobs: [] }), parts), [], 'the job did not run')
  const used = judgeRun(after(9, parts), run({ ...parts, reads: [READ] }))
  assert.deepEqual(rules(used.baseline, parts), [])
})

test('a real value where a placeholder would do, and a release secret for everything, are over-granted', () => {
  const of = (grant: Partial<WatchedGrant>): readonly string[] => rules(EMPTY_BASELINE, { grants: [{ ...GRANT, stepId: 'a', ...grant }] })
  assert.deepEqual(of({}), [])
  assert.deepEqual(of({ namesHosts: true }), ['over-granted'])
  assert.deepEqual(of({ namesHosts: true, delivery: 'placeholder' }), [])
  assert.deepEqual(of({ job: 'release', isConditional: false }), ['over-granted'])
  assert.deepEqual(of({ isConditional: false }), [])
})

test('findings and what is remembered are bounded', () => {
  const reads = Array.from({ length: 5000 }, (_, index) => ({ ...READ, secret: `S${index}`, at: AT }))
  const { findings, baseline } = judgeRun(after(3, {}), run({ reads: reads.slice(0, 3000) }))
  assert.equal(findings.length, 50)
  assert.equal(baseline.readers.length, 2048)
  assert.deepEqual(parseBaseline(formatBaseline(baseline)), baseline)
})

test('a baseline that is damaged in any way says nothing', () => {
  const whole = formatBaseline(after(2, { reads: [READ], grants: [{ ...GRANT, stepId: 'b' }] }))
  assert.notEqual(parseBaseline(whole), null)
  for (let length = 0; length < whole.trimEnd().length; length++) assert.equal(parseBaseline(whole.slice(0, length)), null)
  const content = JSON.parse(whole) as Record<string, unknown>
  const damages = [
    { version: 2 },
    { runs: -1 },
    { runs: '1' },
    { readers: {} },
    { readers: [null] },
    { readers: [{ key: 'a', count: 0.5 }] },
    { secrets: [{ name: 'a', reads: 1, hours: [1], burst: 0 }] },
    { unused: [{ key: 1, runs: 1 }] },
  ]
  for (const damage of damages) assert.equal(parseBaseline(JSON.stringify({ ...content, ...damage })), null, JSON.stringify(damage))
})
