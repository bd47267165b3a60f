// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseAttempts } from './attempt.ts'

test('a refusal is read with its errno and detail', () => {
  assert.deepEqual(parseAttempts('attempt mount-tmpfs refused EPERM mount'), [
    { id: 'mount-tmpfs', outcome: 'refused', error: 'EPERM', detail: 'mount' },
  ])
})

test('a refusal that is not the kernel’s has no errno', () => {
  assert.deepEqual(parseAttempts('attempt dirty-pipe refused - the page kept its content'), [
    { id: 'dirty-pipe', outcome: 'refused', error: null, detail: 'the page kept its content' },
  ])
})

test('a line prefixed by a job name or a time stamp is still an attempt', () => {
  const lines = 'build | attempt read-shadow got 47 bytes\r\n2026-11-22T10:00:00Z attempt log-flood started\n'
  assert.deepEqual(
    parseAttempts(lines).map(({ id, outcome }) => [id, outcome]),
    [
      ['read-shadow', 'got'],
      ['log-flood', 'started'],
    ],
  )
})

test('text that only mentions an attempt is none', () => {
  assert.deepEqual(parseAttempts('reattempt x got y\nan attempt was made\nattempt X got y\nattempt x kept y'), [])
})
