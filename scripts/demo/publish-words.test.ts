// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PublishRun } from './publish-run.ts'
import { judgePublish, renderPublish } from './publish-words.ts'

const TOKEN = 'npm_0123456789abcdef0123456789abcdef0123'
const HELD = 'npm_9876543210fedcba9876543210fedcba9876'
const refusal = (target: string): PublishRun['refused'][number] => ({
  code: 'placeholder',
  target,
  reason: 'it holds the placeholder of REGISTRY_TOKEN',
  rule: null,
  remedy: null,
  job: 'publish',
  step: '2',
  count: 1,
})
const arrival = { kind: 'http', method: 'PUT', uri: '/upload/a', status: '200', host: 'registry.test' } as const
const GOOD: PublishRun = {
  token: TOKEN,
  exitCode: 0,
  log: `held ${HELD}\nstored\n`,
  told: '{}',
  arrivals: [{ ...arrival, authorization: `Bearer ${TOKEN}` }],
  refused: [refusal('GET https://evil.test/title'), refusal('GET https://evil.test/collect')],
}

test('a publish that succeeds with a placeholder, which is refused elsewhere, has no fault', () => {
  assert.deepEqual(judgePublish(GOOD), [])
  const text = renderPublish(GOOD)
  assert.match(text, new RegExp(`REGISTRY_TOKEN=${HELD}`))
  assert.ok(!text.includes(TOKEN))
  assert.equal(text.split('\n').filter((line) => line.includes('evil.test')).length, 2)
})

const bad: Readonly<Record<string, Partial<PublishRun>>> = {
  'the job held the token': { log: `held ${TOKEN}\n` },
  'the job held it, masked': { log: 'held ***\n' },
  'nobody said what the job held': { log: '' },
  'the run told the token': { told: `{"a":"${TOKEN}"}` },
  'it failed': { exitCode: 1 },
  'the registry got the placeholder': { arrivals: [{ ...arrival, authorization: `Bearer ${HELD}` }] },
  'nothing arrived': { arrivals: [] },
  'something arrived elsewhere': { arrivals: [...GOOD.arrivals, { ...arrival, host: 'evil.test', authorization: '' }] },
  'one request was not refused': { refused: GOOD.refused.slice(1) },
  'it was refused for another reason': { refused: GOOD.refused.map((each) => ({ ...each, code: 'no-rule' as const })) },
}
for (const [name, change] of Object.entries(bad))
  test(`it is a fault when ${name}`, () => assert.equal(judgePublish({ ...GOOD, ...change }).length >= 1, true))
