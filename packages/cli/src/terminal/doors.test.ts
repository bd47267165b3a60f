// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Doors } from '@sallyport/agent'
import { createFakeAgent, DOCUMENT } from '../_fake-agent.ts'
import { FakeSink, runCli } from '../_harness.ts'
import { DoorNotes, renderRefusedDoors, renderUsedDoors } from './doors.ts'
import { PlainView } from './plain-view.ts'
import { createStyle } from './style.ts'

const style = createStyle(false)
const place = (job: string): string => job

function refused(step: string, target: string): Parameters<DoorNotes['describe']>[0] {
  const data = { code: 'server-name', target, reason: 'r', rule: null, remedy: null }
  return { seq: 1, run: 'r', at: '', type: 'door.refused', job: 'build', step, data }
}

test('a refused door is told at once, with its place, and made harmless', async () => {
  const plain = await runCli(['run'])
  assert.match(plain.stderr, /^test \(20\) \| Run tests \| ✗ refused evil\.example\.test:443 \(no rule\)$/m)
  const live = await runCli(['run'], { terminal: true })
  assert.match(live.stderr, /test \(20\) \| ✗ refused evil\.example\.test:443 \(no rule\) in step "Run tests"\n/)
})

test('a step that is refused a thousand doors does not push everything else off the screen', () => {
  const notes = new DoorNotes()
  const told = Array.from({ length: 1000 }, (_, index) => notes.describe(refused('1', `h${index}.test:443`))).filter(
    (text) => text !== null,
  )
  assert.equal(told.length, 11)
  assert.equal(told[0], '✗ refused h0.test:443 (server name)')
  assert.equal(told.at(-1), 'more of its doors are in the summary')
  assert.equal(notes.describe(refused('2', 'x.test:443')), '✗ refused x.test:443 (server name)', 'the next step starts anew')
})

test('alerts and first connections are told as well, other events of doors are not', () => {
  const notes = new DoorNotes()
  const event = { seq: 1, run: 'r', at: '', job: 'build', step: '1' }
  assert.equal(
    notes.describe({ ...event, type: 'door.alert', data: { kind: 'upload', detail: 'POST\nx', bytes: 1 } }),
    '! upload: POST ␊ x',
  )
  assert.match(
    notes.describe({ ...event, type: 'door.first-seen', data: { host: 'a.test', port: 443 } }) ?? '',
    /first connection to a\.test:443/,
  )
  assert.equal(notes.describe({ ...event, type: 'door.used', data: { host: 'a.test', port: 443, rule: null } }), null)
})

const REFUSED = {
  job: 'build',
  step: '1',
  code: 'no-rule',
  target: 'x.test:443',
  reason: 'no rule names it',
  rule: null,
  count: 1,
} as const

test('what would open refused doors is said once', () => {
  const doors = {
    observed: false,
    used: [],
    refused: [
      { ...REFUSED, remedy: 'add it' },
      { ...REFUSED, job: 'test', remedy: 'add it' },
    ],
  }
  assert.equal(
    renderRefusedDoors(doors, place, style),
    'Doors refused\n  build  x.test:443  no rule names it\n      add it\n  test   x.test:443  no rule names it\n',
  )
})

test('long lists are cut, and say so', () => {
  const used = Array.from({ length: 300 }, (_, index) => ({
    job: 'build',
    step: '1',
    host: `h${index}.test`,
    port: 443,
    protocol: 'tls' as const,
    rule: null,
    connections: 1,
    bytesOut: 1,
    bytesIn: 1,
    requests: [],
    requestsMore: 0,
  }))
  const refusals = Array.from({ length: 60 }, () => ({ ...REFUSED, remedy: null }))
  const doors: Doors = { observed: false, used, refused: refusals }
  assert.match(renderUsedDoors(doors, place, style), / {2}… 100 more in the record\n$/)
  assert.match(renderRefusedDoors(doors, place, style), / {2}… 10 more in the record\n$/)
})

test('that nothing was blocked stands in the summary of run and of exec, and in their documents', async () => {
  const doors = { ...DOCUMENT.doors, observed: true }
  const agent = createFakeAgent({
    run: async () => ({ ...DOCUMENT, doors }),
    exec: async () => ({
      id: 'r',
      exitCode: 0,
      error: null,
      kept: 0,
      dropped: 0,
      sourceChanges: [],
      refusals: [],
      weaker: [],
      doors,
      durationMs: 1,
      log: null,
    }),
  })
  assert.match((await runCli(['run'], { agent })).stdout, /^Egress was only observed: nothing was blocked$/m)
  assert.match((await runCli(['exec', '--', 'x'], { agent })).stderr, /^sallyport: Egress was only observed: nothing was blocked$/m)
  assert.equal(JSON.parse((await runCli(['run', '--json'], { agent })).stdout).doors.observed, true)
  assert.equal(JSON.parse((await runCli(['exec', '--json', '--', 'x'], { agent })).stdout).doors.observed, true)
})

test('exec tells its doors on stderr, at once and at its end', async () => {
  const agent = createFakeAgent({
    exec: async (_options, observer) => {
      observer.event({ seq: 1, run: 'r', at: '', type: 'run.notice', data: { message: 'one\x1b[2J' } })
      observer.event(refused('1', 'evil.example.test:443'))
      return {
        id: 'r',
        exitCode: 1,
        error: null,
        kept: 0,
        dropped: 0,
        sourceChanges: [],
        refusals: [],
        weaker: [],
        doors: DOCUMENT.doors,
        durationMs: 1,
        log: null,
      }
    },
  })
  const { stderr, stdout } = await runCli(['exec', '--', 'x'], { agent })
  assert.equal(stdout, '')
  assert.equal(
    stderr,
    `sallyport: notice: one
sallyport: ✗ refused evil.example.test:443 (server name)
sallyport: Doors used
    registry.example.test:443  tls, 3 connections  1.2 KiB out, 4.5 MiB in  sallyport.yml:4
sallyport: Doors refused
    evil.example.test:443 ×12  no rule names it
      add "evil.example.test:443" to jobs.test.egress in sallyport.yml
sallyport: record: sallyport runs show r
`,
  )
})

test('a hostile name in an event of a door cannot draw on the terminal', () => {
  const stderr = new FakeSink(true)
  const view = new PlainView({ stdout: new FakeSink(true), stderr, allowsColor: true })
  view.event(refused('1', '\x1b[2J\x1b]0;owned\x07a\r\nb'))
  assert.doesNotMatch(stderr.text, /\x1b|\r/)
  assert.equal(stderr.text.split('\n').length, 2)
})
