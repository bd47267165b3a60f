// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { auditPlaces } from '@sallyport/agent'
import { HttpServer, textAnswer } from '@sallyport/http'
import { makeState, ORIGIN, publishEntries, RunningCommand } from './_audit.ts'
import { registerAuditExport } from './audit-export.ts'

interface Totals {
  readonly delivered: number
  readonly missing: number
  readonly next: number
  readonly size: number
}

async function exportOnce(state: string, ...argv: readonly string[]): Promise<RunningCommand> {
  const command = new RunningCommand(registerAuditExport, ['export', '--once', '--state', state, ...argv])
  await command.ended
  return command
}

function lines(text: string): Record<string, unknown>[] {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
}

test('exports to a file, and goes on where it stood', async (t) => {
  const state = makeState(t)
  await publishEntries(state, 300)
  const file = join(dirname(state), 'out.jsonl')
  const first = await exportOnce(state, '--to', 'jsonl', file, '--json')
  assert.equal(first.exitCode, 0, first.stderr)
  assert.deepEqual((JSON.parse(first.stdout) as Totals).delivered, 300)
  await publishEntries(state, 20, 300)
  const second = await exportOnce(state, '--to', 'jsonl', file)
  assert.match(second.stderr, /has 320 entries; 0 refused, 0 without data, 0 missing; 0 entries wait\n$/)
  const records = lines(await readFile(file, 'utf8'))
  assert.deepEqual(
    records.map(({ index }) => index),
    Array.from({ length: 320 }, (_, index) => index),
  )
  assert.equal(records[0]?.['origin'], ORIGIN)
})

test('prints entries on stdout, without control characters', async (t) => {
  const state = makeState(t)
  await publishEntries(state, 3)
  const command = await exportOnce(state, '--to', 'ocsf')
  assert.equal(lines(command.stdout).length, 3)
  assert.doesNotMatch(command.stdout, /[^\x20-\x7e\n]/)
})

test('follows the log until a signal', async (t) => {
  const state = makeState(t)
  await publishEntries(state, 3)
  const file = join(dirname(state), 'out.jsonl')
  const command = new RunningCommand(registerAuditExport, ['export', '--to', 'jsonl', file, '--state', state, '--name', 'siem'])
  await command.until(() => command.stderr.includes('as it grows'), 'its start')
  await publishEntries(state, 4, 3)
  await Promise.race([command.ended, waitFor(async () => (await readFile(file, 'utf8')).split('\n').length === 8)])
  const beside = await exportOnce(state, '--to', 'jsonl', `${file}.2`, '--name', 'siem')
  assert.match(beside.stderr, /error\[EXPORT_LOCKED\]/)
  await command.signal('SIGTERM')
  assert.equal(command.exitCode, 0)
  assert.match(command.stderr, /"siem" has 7 entries/)
})

test('tells what waits while a target is away, and that it goes on', async (t) => {
  const state = makeState(t)
  await publishEntries(state, 5)
  let isAway = true
  const bodies: string[] = []
  await using server = await HttpServer.start({
    address: '127.0.0.1',
    port: 0,
    onFailure: (error) => assert.fail(String(error)),
    handle: async (request) => {
      if (isAway) return textAnswer(503, 'later\n')
      assert.equal(request.header('authorization'), 'Bearer of the tests')
      bodies.push(Buffer.from((await request.body(1_000_000)) ?? []).toString())
      return textAnswer(200, '{}')
    },
  })
  const headers = join(dirname(state), 'headers')
  await writeFile(headers, 'Authorization: Bearer of the tests\n')
  const argv = ['export', '--to', 'otlp', `${server.url}/v1/logs`, '--headers', headers, '--state', state]
  const command = new RunningCommand(registerAuditExport, argv)
  await command.until(() => command.stderr.includes('status 503; 5 entries wait in the log'), 'what waits')
  isAway = false
  await command.until(() => command.stderr.includes('the export goes on; 0 entries wait'), 'its going on')
  await command.signal('SIGINT')
  assert.equal(bodies.length, 1)
  assert.match(bodies[0] ?? '', /sallyport\.log\.index/)
})

test('tells of a gap, once', async (t) => {
  const state = makeState(t)
  await publishEntries(state, 300)
  await rm(join(auditPlaces(state).log, 'log/tile/entries/000'))
  const file = join(dirname(state), 'out.jsonl')
  const first = await exportOnce(state, '--to', 'jsonl', file)
  assert.match(first.stderr, /256 of the entries before 256 were not in the log any more .* a gap\n/)
  const second = await exportOnce(state, '--to', 'jsonl', file)
  assert.doesNotMatch(second.stderr, /a gap/)
  assert.match(second.stderr, /has 44 entries; .* 256 missing/)
})

test('sends syslog over TCP', async (t) => {
  const state = makeState(t)
  await publishEntries(state, 2)
  let received = ''
  const receiver = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('data', (chunk) => {
      received += chunk.toString()
    })
    socket.on('end', () => socket.end())
  }).listen(0, '127.0.0.1')
  await once(receiver, 'listening')
  t.after(() => receiver.close())
  const command = await exportOnce(state, '--to', 'syslog', `tcp://127.0.0.1:${(receiver.address() as AddressInfo).port}`)
  assert.equal(command.exitCode, 0, command.stderr)
  assert.equal(received.match(/<\d+>1 2026-11-29T12:00:00/g)?.length, 2)
})

test('fails where there is no log', async (t) => {
  const absent = await exportOnce(makeState(t), '--to', 'jsonl')
  assert.match(absent.stderr, /error\[EXPORT_UNREADABLE\]/)
  assert.equal(absent.exitCode, 6)
})

test('refuses what does not fit together', async () => {
  const refusals: readonly (readonly [RegExp, ...(readonly string[])])[] = [
    [/--json prints totals/, '--to', 'jsonl', '--json'],
    [/needs a destination/, '--to', 'syslog'],
    [/no address of a syslog receiver/, '--to', 'syslog', 'siem.example.test:514'],
    [/no URL of an OpenTelemetry collector/, '--to', 'otlp', 'https://user:secret@collector.example.test/'],
    [/--ca does not go/, '--to', 'jsonl', 'x', '--ca', 'y'],
    [/--headers does not go/, '--to', 'syslog', 'tcp://127.0.0.1:514', '--headers', 'y'],
    [/--name: "a\/b"/, '--to', 'jsonl', 'x', '--name', 'a/b'],
  ]
  for (const [message, ...argv] of refusals) {
    const command = await exportOnce('/nowhere', ...argv)
    assert.match(command.stderr, message)
    assert.equal(command.exitCode, 2, command.stderr)
    assert.doesNotMatch(command.stderr, /secret/)
  }
})

async function waitFor(holds: () => Promise<boolean>): Promise<void> {
  for (const deadline = performance.now() + 120_000; !(await holds()); await new Promise((resolve) => setTimeout(resolve, 20)))
    if (performance.now() > deadline) throw new Error('waited too long')
}
