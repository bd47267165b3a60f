// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ToGate } from '@sallyport/gate'
import { FakeGate, NO_RULES } from './_fake-gate.ts'

const doorsOf = (heard: readonly ToGate[]): { step: string; source: string; substitutions: number }[] =>
  heard.flatMap((message) =>
    message.type === 'open-step'
      ? [{ step: message.doors.step, source: message.doors.source, substitutions: message.doors.substitutions.length }]
      : [],
  )

test('a gate is configured as soon as it is started, with limits of ours, and is ready when it answers', async () => {
  const fake = new FakeGate()
  assert.equal(fake.gate.readyMs, null)
  fake.attach()
  await fake.gate.launch.ready
  const [first] = fake.heard
  assert.equal(first?.type, 'configure')
  assert.deepEqual(first?.type === 'configure' && first.config.limits, {
    connections: 2048,
    helloMs: 10_000,
    connectMs: 10_000,
    idleMs: 900_000,
    bytesOut: 5000,
  })
  assert.ok(fake.gate.readyMs !== null)
  assert.equal(await fake.gate.authority(), null)
})

test('every step has a source of its own, and no secret goes to the gate', async () => {
  const fake = new FakeGate()
  fake.attach()
  assert.deepEqual(await fake.gate.openStep('1', NO_RULES), { source: '198.18.1.1', relays: [] })
  await fake.gate.closeStep()
  assert.deepEqual((await fake.gate.openStep('2.1', NO_RULES)).source, '198.18.1.2')
  assert.deepEqual(doorsOf(fake.heard), [
    { step: '1', source: '198.18.1.1', substitutions: 0 },
    { step: '2.1', source: '198.18.1.2', substitutions: 0 },
  ])
})

test('a step is not said to be open before the gate says so', async () => {
  const fake = new FakeGate()
  fake.attach()
  await fake.gate.launch.ready
  fake.answers = false
  const opening = fake.gate.openStep('1', NO_RULES)
  assert.equal(await Promise.race([opening, sleep(50, 'waits')]), 'waits')
  fake.say({ type: 'step-open', step: '1' })
  await opening
})

test('the doors of one step are open at a time, and shut once', async () => {
  const fake = new FakeGate()
  fake.attach()
  await fake.gate.openStep('1', NO_RULES)
  await assert.rejects(fake.gate.openStep('2', NO_RULES), TypeError)
  assert.deepEqual(await fake.gate.closeStep(), { used: [], refused: [], refusedMore: 0 })
  assert.equal(await fake.gate.closeStep(), null)
  assert.equal(fake.heard.filter(({ type }) => type === 'close-step').length, 1)
})

test('a step that no set of rules speaks of is not opened', async () => {
  const fake = new FakeGate()
  fake.attach()
  await assert.rejects(fake.gate.openStep('1', []), TypeError)
  assert.deepEqual(doorsOf(fake.heard), [])
})

test('a packet belongs to the open step by its source alone', async () => {
  const fake = new FakeGate()
  fake.attach()
  await fake.gate.openStep('1', NO_RULES)
  const packet = { address: '203.0.113.5', protocol: 'udp', port: 443 } as const
  assert.ok(fake.gate.isOfOpenStep({ ...packet, source: '198.18.1.1' }))
  assert.ok(!fake.gate.isOfOpenStep({ ...packet, source: '198.18.1.2' }))
  assert.ok(!fake.gate.isOfOpenStep({ ...packet, source: null }))
  await fake.gate.closeStep()
  assert.ok(!fake.gate.isOfOpenStep({ ...packet, source: '198.18.1.1' }))
})

test('a question for a program is put to the sandbox, and its failure is an unknown program', async () => {
  const fake = new FakeGate()
  fake.attach()
  await fake.gate.openStep('1', NO_RULES)
  fake.say({ type: 'whose', id: 1, step: '1', port: 40_000 })
  fake.gate.bind({ executableOf: (step, port) => (port === 40_001 ? `/usr/bin/${step}` : assert.fail('gone')) })
  await sleep(20)
  fake.say({ type: 'whose', id: 2, step: '1', port: 40_001 })
  fake.say({ type: 'whose', id: 3, step: '1', port: 40_002 })
  await sleep(20)
  assert.deepEqual(
    fake.heard.filter(({ type }) => type === 'executable'),
    [
      { type: 'executable', id: 1, path: null },
      { type: 'executable', id: 2, path: '/usr/bin/1' },
      { type: 'executable', id: 3, path: null },
    ],
  )
})

test('a gate that ends opens nothing more, and says why', async () => {
  const fake = new FakeGate()
  fake.attach()
  await fake.gate.openStep('1', NO_RULES)
  fake.say({ type: 'failed', message: 'out of memory' })
  assert.match(await fake.gate.lost, /out of memory/)
  assert.equal(await fake.gate.closeStep(), null)
  await assert.rejects(fake.gate.openStep('2', NO_RULES), { code: 'GATE_LOST' })
})

test('a gate that ends before it is ready is told to whoever waits for it', async () => {
  const fake = new FakeGate()
  fake.answers = false
  fake.attach()
  fake.end()
  await assert.rejects(Promise.resolve(fake.gate.launch.ready), { code: 'GATE_LOST' })
  await assert.rejects(fake.gate.authority(), { code: 'GATE_LOST' })
})

test('what a gate says of a step that is not open is not heard', async () => {
  const fake = new FakeGate()
  const heard: string[] = []
  const hear = (step: string): void => void heard.push(step)
  fake.gate.listen({ used: hear, refused: hear, alert: hear })
  fake.attach()
  const tell = (step: string): void => fake.say({ type: 'used', step, host: 'web.test', port: 443, rule: null })
  tell('1')
  await sleep(20)
  await fake.gate.openStep('1', NO_RULES)
  for (const step of ['', '1', '2']) tell(step)
  await fake.gate.closeStep()
  tell('1')
  await sleep(20)
  await fake.gate.openStep('2', NO_RULES)
  assert.deepEqual(heard, ['1'])
})
