// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Refusal } from '@sallyport/access'
import { createSecretSet } from '@sallyport/redaction'
import type { StepExit } from '@sallyport/sandbox'
import { DoorRecord } from '../record/door-record.ts'
import { Refusals } from '../record/refusals.ts'
import { FakeGate, NO_RULES } from './_fake-gate.ts'
import { JobDoors } from './job-doors.ts'
import type { SeenDestinations } from './seen-destinations.ts'

const SECRET = 'correct-horse-battery-staple'

const refusal = (target: string): Refusal => ({
  code: 'no-rule',
  target,
  reason: 'no rule allows it',
  rule: null,
  remedy: 'add "- evil.test:443" to jobs.build.egress in sallyport.yml',
})

const exited = (refusedPackets: StepExit['refusedPackets'] = []): StepExit => ({
  kind: 'exited',
  code: 0,
  message: null,
  files: {},
  limitHit: null,
  throttling: { periods: 0, throttled: 0 },
  refusedPackets,
})

interface Heard {
  readonly fake: FakeGate
  readonly doors: JobDoors
  readonly record: DoorRecord
  readonly refusals: Refusals
  readonly events: { type: string; data: Readonly<Record<string, unknown>>; step: string | undefined }[]
  readonly notes: string[]
}

async function open(): Promise<Heard> {
  const fake = new FakeGate()
  const secrets = createSecretSet()
  secrets.add(SECRET)
  const heard = { fake, record: new DoorRecord(false), refusals: new Refusals(), events: [] as Heard['events'], notes: [] as string[] }
  const seen = new Set<string>()
  const doors = new JobDoors(fake.gate, {
    ...heard,
    job: 'build',
    secrets,
    trap: null,
    seen: { isFirst: (host: string, port: number) => seen.size < seen.add(`${host}:${port}`).size } as unknown as SeenDestinations,
    report: (type, data, step) => heard.events.push({ type, data, step }),
  })
  doors.note = (text) => heard.notes.push(text)
  fake.attach()
  await doors.open('1', NO_RULES)
  return { ...heard, doors }
}

test('a refusal is an event and a line in the log at once, and stands in the document once the step is over', async () => {
  const { fake, doors, record, events, notes } = await open()
  fake.say({ type: 'refused', step: '1', refusal: refusal('evil.test:443') })
  await sleep(20)
  assert.deepEqual(
    events.map(({ type, step }) => [type, step]),
    [['door.refused', '1']],
  )
  assert.deepEqual(notes, [
    'sallyport: refused evil.test:443: no rule allows it; add "- evil.test:443" to jobs.build.egress in sallyport.yml',
  ])
  assert.deepEqual(record.doors.refused, [])
  fake.traffic = { used: [], refused: [{ refusal: refusal('evil.test:443'), count: 7 }], refusedMore: 3 }
  await doors.close('1', exited())
  assert.deepEqual(record.doors.refused, [{ ...refusal('evil.test:443'), job: 'build', step: '1', count: 7 }])
})

test('what is refused last, while the doors shut, is still a line of the log', async () => {
  const { fake, doors, notes } = await open()
  fake.say({ type: 'refused', step: '1', refusal: refusal('late.test:443') })
  await doors.close('1', exited())
  assert.equal(notes.length, 1)
})

const GET = { method: 'GET', count: 1, graphql: false, websocket: false } as const

test('a used door is an event when it opens, with the first time of a repository, and another with its bytes when it shuts', async () => {
  const { fake, doors, record, events } = await open()
  fake.say({ type: 'used', step: '1', host: 'web.test', port: 443, rule: 'sallyport.yml:4' })
  const use = {
    host: 'web.test',
    port: 443,
    protocol: 'tls',
    rule: 'sallyport.yml:4',
    connections: 2,
    bytesOut: 10,
    bytesIn: 20,
    requestsMore: 0,
  } as const
  fake.traffic = { used: [{ ...use, requests: [{ ...GET, path: `/${SECRET}` }] }], refused: [], refusedMore: 0 }
  await doors.close('1', exited())
  assert.deepEqual(
    events.map(({ type }) => type),
    ['door.used', 'door.first-seen', 'door.closed'],
  )
  assert.deepEqual(record.doors.used, [{ ...use, requests: [{ ...GET, path: '/***' }], job: 'build', step: '1' }])
  await doors.open('2', NO_RULES)
  fake.say({ type: 'used', step: '2', host: 'web.test', port: 443, rule: 'sallyport.yml:4' })
  await doors.close('2', exited())
  assert.equal(events.filter(({ type }) => type === 'door.first-seen').length, 1)
})

test('a first destination is told at the end of the step where the gate told nothing of it before: no job hides one behind many others', async () => {
  const { fake, doors, events } = await open()
  const use = { port: 443, protocol: 'tls', rule: null, connections: 1, bytesOut: 1, bytesIn: 1, requests: [], requestsMore: 0 } as const
  const others = { ...use, host: '(others)', port: 0 }
  fake.traffic = {
    used: [{ ...use, host: 'late.test' }, { ...use, host: 'late.test', protocol: 'tcp' }, others],
    refused: [],
    refusedMore: 0,
  }
  await doors.close('1', exited())
  const first = events.filter(({ type }) => type === 'door.first-seen')
  assert.deepEqual(
    first.map(({ data, step }) => [step, data]),
    [['1', { host: 'late.test', port: 443 }]],
  )
})

test('what the kernel refused is a refusal of the step that sent it, or of none', async () => {
  const { doors, record, notes } = await open()
  const packet = { address: '203.0.113.5', protocol: 'udp', port: 443 } as const
  await doors.close(
    '1',
    exited([
      { ...packet, source: '198.18.1.1' },
      { ...packet, source: null, protocol: 'tcp' },
    ]),
  )
  assert.deepEqual(
    record.doors.refused.map(({ code, target, step }) => [code, target, step]),
    [
      ['datagram', '203.0.113.5:443/udp', '1'],
      ['step-ended', '203.0.113.5:443/tcp', null],
    ],
  )
  assert.equal(notes.length, 1)
})

test('a step that was not started leaves no door open, and closing again changes nothing', async () => {
  const { fake, doors, events } = await open()
  assert.equal(await doors.close('1', null), true)
  assert.equal(await doors.close('1', exited()), false)
  assert.equal(fake.heard.filter(({ type }) => type === 'close-step').length, 1)
  assert.deepEqual(events, [])
})

test('no secret and no control character of a hostile name reaches an event, a line or the document', async () => {
  const { fake, doors, record, events, notes } = await open()
  const hostile = refusal(`${SECRET}.evil.test\u001b[2J\n::add-mask::x`)
  fake.say({ type: 'refused', step: '1', refusal: hostile })
  fake.say({ type: 'alert', step: '1', kind: 'name-flood', detail: `\u0007${SECRET}`, bytes: null })
  fake.traffic = { used: [], refused: [{ refusal: hostile, count: 1 }], refusedMore: 0 }
  await doors.close('1', exited())
  const everything = JSON.stringify([events, notes, record.doors])
  assert.ok(!everything.includes(SECRET))
  assert.ok(!/\\u00|\\n|\\r/.test(everything), everything)
})

test('a flood of refusals fills neither the journal nor the document', async () => {
  const { fake, doors, events, refusals } = await open()
  for (let index = 0; index < 3000; index++) fake.say({ type: 'refused', step: '1', refusal: refusal(`x${index}.test:443`) })
  fake.traffic = { used: [], refused: [], refusedMore: 2000 }
  await doors.close('1', exited())
  assert.equal(events.length, 1000)
  assert.equal(refusals.refusals.length, 1)
  await doors.open('2', NO_RULES)
  fake.say({ type: 'refused', step: '2', refusal: refusal('evil.test:443') })
  await doors.close('2', exited())
  assert.equal(events.length, 1001)
})

test('a gate that is gone ends no close', async () => {
  const { fake, doors, record } = await open()
  fake.end()
  await fake.gate.lost
  assert.equal(await doors.close('1', exited()), false)
  assert.deepEqual(record.doors.used, [])
})
