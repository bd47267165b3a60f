// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { appendFileSync, mkdtempSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { HostItem, HostLog } from '../contract.ts'
import { parseAuthLine } from './auth-line.ts'
import { openAuthLog } from './auth-log.ts'

const NOW = new Date(2026, 10, 29, 14, 0, 0)

function line(message: string, program = 'sshd[812]'): string {
  return `2026-11-29T14:02:00.123456+00:00 host ${program}: ${message}\n`
}

function makeFile(t: TestContext, text = ''): string {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-auth-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  const path = join(directory, 'auth.log')
  writeFileSync(path, text)
  return path
}

function shortly(items: readonly HostItem[]): unknown[] {
  return items.map((item) => (item.kind === 'gap' ? [item.reason, item.count] : [item.class, item.message]))
}

function open(t: TestContext, path: string): HostLog {
  const log = openAuthLog([`${path}-absent`, path])
  t.after(() => log.close())
  return log
}

test('both time stamps of rsyslog are read', () => {
  const iso = parseAuthLine('2026-11-29T15:02:00.123456+01:00 host sshd[812]: Accepted publickey for root', NOW)
  assert.deepEqual(
    [iso?.at.toISOString(), iso?.program, iso?.pid, iso?.message],
    ['2026-11-29T14:02:00.123Z', 'sshd', 812, 'Accepted publickey for root'],
  )
  const old = parseAuthLine('Nov  9 04:02:07 host sudo:    alice : TTY=pts/0 ; COMMAND=/bin/ls', NOW)
  assert.deepEqual([old?.at.getTime(), old?.program, old?.pid], [new Date(2026, 10, 9, 4, 2, 7).getTime(), 'sudo', null])
  assert.equal(parseAuthLine('Dec 31 23:59:59 host su: x', NOW)?.at.getFullYear(), 2025)
  for (const text of ['', 'x', 'Foo  9 04:02:07 host su: x', '2026-99-99T99:99:99Z host su: x', 'Nov 99 04:02:07 host'])
    assert.equal(parseAuthLine(text, NOW), null, text)
})

test('what comes after the beginning is read, selected, and cleaned; what was there before is not', async (t) => {
  const path = makeFile(t, line('Accepted password for before'))
  const log = open(t, path)
  appendFileSync(path, line('Failed password for invalid user \u001b]0;x\u0007 from 192.0.2.1 port 1 ssh2'))
  appendFileSync(path, `${line('pam_unix(cron:session): session opened for user root', 'CRON[1]')}no line of a log\n`)
  appendFileSync(path, line('new user: name=eve', 'useradd[3]'))
  appendFileSync(path, line('half of a line').slice(0, 60))
  assert.deepEqual(shortly(await log.read(false)), [
    ['login', 'Failed password for invalid user \\u001b]0;x\\u0007 from 192.0.2.1 port 1 ssh2'],
    ['account', 'new user: name=eve'],
  ])
  appendFileSync(path, line('half of a line').slice(60))
  assert.deepEqual(shortly(await log.read(true)), [['login', 'half of a line']])
  assert.deepEqual(log.counts, { notSelected: 1, dropped: { malformed: 1 } })
})

test('a file that is renamed is read to its end, and the new one from its beginning', async (t) => {
  const path = makeFile(t)
  const log = open(t, path)
  appendFileSync(path, line('one'))
  renameSync(path, `${path}.1`)
  assert.deepEqual(shortly(await log.read(false)), [['login', 'one']])
  appendFileSync(`${path}.1`, line('two'))
  writeFileSync(path, line('three'))
  assert.deepEqual(shortly(await log.read(false)), [
    ['login', 'two'],
    ['login', 'three'],
  ])
})

test('what is still written to a file after it was renamed is read, and its last line is not joined to the next file', async (t) => {
  const path = makeFile(t)
  const log = open(t, path)
  appendFileSync(path, line('one'))
  renameSync(path, `${path}.1`)
  writeFileSync(path, line('three'))
  assert.deepEqual(shortly(await log.read(false)), [
    ['login', 'one'],
    ['login', 'three'],
  ])
  // Its writer has not been told yet, and ends in the middle of a line
  appendFileSync(`${path}.1`, `${line('two')}${line('and a half').trimEnd()}`)
  appendFileSync(path, line('four'))
  assert.deepEqual(shortly(await log.read(false)), [
    ['login', 'two'],
    ['login', 'and a half'],
    ['login', 'four'],
  ])
  assert.deepEqual(log.counts, { notSelected: 0, dropped: {} })
})

test('a file that is renamed just before the end is read as well', async (t) => {
  const path = makeFile(t)
  const log = open(t, path)
  appendFileSync(path, line('one').slice(0, 40))
  await log.read(false)
  renameSync(path, `${path}.1`)
  writeFileSync(path, line('two'))
  appendFileSync(`${path}.1`, line('one').slice(40))
  assert.deepEqual(shortly(await log.read(true)), [
    ['login', 'one'],
    ['login', 'two'],
  ])
})

test('a file that is cut is a gap, and goes on from its beginning', async (t) => {
  const path = makeFile(t, line('before'))
  const log = open(t, path)
  truncateSync(path)
  appendFileSync(path, line('a'))
  assert.deepEqual(shortly(await log.read(true)), [
    ['truncated', null],
    ['login', 'a'],
  ])
})

test('a line without an end takes no memory, and the next one is read', async (t) => {
  const path = makeFile(t)
  const log = open(t, path)
  appendFileSync(path, `${line('x'.repeat(300_000)).trimEnd()}\n${line('next')}`)
  const items = await log.read(false)
  const messages = items.map((item) => (item.kind === 'record' ? item.message : ''))
  assert.deepEqual([messages[0]?.length, messages[1]], [1025, 'next'])
})

test('what is no file is no log, and nobody waits for it', (t) => {
  const path = makeFile(t)
  execFileSync('mkfifo', [`${path}-fifo`])
  assert.throws(() => openAuthLog([`${path}-fifo`, `${path}-absent`]), /no regular file; .*ENOENT/)
})
