// SPDX-License-Identifier: Apache-2.0
// The host's own journalctl reads files that systemd-journal-remote wrote (../../vectors).
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import type { HostItem } from '../contract.ts'
import { parseJournalEntry } from './journal-entry.ts'
import { openJournalLog } from './journal-log.ts'
import { readJournalPosition } from './journal-position.ts'
import { findJournalctl, readJournal } from './journalctl.spawn.ts'

const program = findJournalctl() ?? ''
const skip = program === '' ? 'journalctl is not installed' : false
const NOTHING_ELSE = { kernel: false, auth: false }
const ID = '7282f0d67e664afbaa4949e3c01f2de5'

function put(directory: string, name: 'journal-before' | 'journal-after'): void {
  const bytes = gunzipSync(readFileSync(join(import.meta.dirname, `../../vectors/${name}.gz`)))
  writeFileSync(join(directory, 'system.journal'), bytes)
}

function makeJournal(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-journal-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  put(directory, 'journal-before')
  return directory
}

function shortly(items: readonly HostItem[]): unknown[] {
  return items.map((item) => (item.kind === 'gap' ? [item.reason, item.count] : [item.number, item.class, item.by]))
}

test('a journal’s position is that of its last entry, whatever else lies beside it', (t) => {
  const directory = makeJournal(t)
  assert.deepEqual(readJournalPosition([`${directory}/absent`, directory]), { id: ID, number: 1 })
  writeFileSync(join(directory, 'short.journal'), 'LPKSHHRH')
  writeFileSync(join(directory, 'other.journal'), Buffer.alloc(4096, 'x'))
  put(directory, 'journal-after')
  assert.deepEqual(readJournalPosition([directory]), { id: ID, number: 9 })
  assert.equal(readJournalPosition([`${directory}/absent`]), null)
})

test('what comes after the beginning is read once, and what journald itself did not say of a sender is not believed', {
  skip,
}, async (t) => {
  const directory = makeJournal(t)
  const log = openJournalLog(NOTHING_ELSE, { directory, timeMs: 60_000 })
  assert.deepEqual(await log.read(false), [])
  put(directory, 'journal-after')
  const items = await log.read(false)
  assert.deepEqual(shortly(items), [
    [2, 'login', 'sshd'],
    [4, 'fault', 'kernel'],
    [5, 'fault', 'systemd-coredump'],
    [7, 'service', 'systemd'],
    [9, 'error', 'app'],
  ])
  const coredump = items[2]
  assert.ok(coredump?.kind === 'record')
  assert.deepEqual(
    [coredump.pid, coredump.uid, coredump.cgroup, coredump.severity, coredump.at],
    [5751, 1879048192, '/sallyport/slot0-exec-c4aae7e9/step-5', 2, '2026-11-29T14:03:24.000Z'],
  )
  assert.deepEqual(await log.read(true), [])
  assert.deepEqual(log.counts, { notSelected: 3, dropped: {} })
})

test('what other logs tell is not told twice', { skip }, async (t) => {
  const directory = makeJournal(t)
  const log = openJournalLog({ kernel: true, auth: true }, { directory, timeMs: 60_000 })
  put(directory, 'journal-after')
  assert.deepEqual(
    shortly(await log.read(true)).map((item) => (item as unknown[])[0]),
    [5, 7, 9],
  )
})

test('a journal that begins anew is a gap', { skip }, async (t) => {
  const directory = makeJournal(t)
  const log = openJournalLog(NOTHING_ELSE, { directory, timeMs: 60_000 })
  const path = join(directory, 'system.journal')
  const bytes = readFileSync(path)
  bytes.fill(0xab, 72, 88)
  writeFileSync(path, bytes)
  assert.deepEqual(shortly(await log.read(true)), [['truncated', null]])
})

test('entries that journalctl cannot give are counted', { skip }, async (t) => {
  const directory = makeJournal(t)
  const log = openJournalLog(NOTHING_ELSE, { directory, timeMs: 60_000 })
  put(directory, 'journal-after')
  const path = join(directory, 'system.journal')
  // Its head still tells how many there are.
  writeFileSync(path, readFileSync(path).subarray(0, 4096))
  assert.deepEqual(shortly(await log.read(true)), [['unread', 8]])
})

test('a program that says nothing is left when the time is over', async () => {
  const started = performance.now()
  const query = { program: '/bin/sleep', directory: null, after: { id: ID, number: 1 }, timeMs: 50 }
  await assert.rejects(async () => await Array.fromAsync(readJournal(query)), /journalctl ended/)
  assert.ok(performance.now() - started < 20_000)
})

test('no form of a line is taken for an entry but that of one', () => {
  const cursor = `s=${ID};i=1f;b=0;m=0;t=0;x=0`
  const entry = parseJournalEntry(
    JSON.stringify({ __CURSOR: cursor, __REALTIME_TIMESTAMP: '1', MESSAGE: [104, 105], PRIORITY: ['3', '4'], _PID: null }),
  )
  assert.deepEqual([entry?.position.number, entry?.field('MESSAGE'), entry?.field('PRIORITY'), entry?.field('_PID')], [31, 'hi', '3', ''])
  for (const line of [
    '',
    '[]',
    'null',
    '{}',
    JSON.stringify({ __CURSOR: cursor }),
    JSON.stringify({ __CURSOR: cursor, __REALTIME_TIMESTAMP: '9e99' }),
  ])
    assert.equal(parseJournalEntry(line), null, line)
})
