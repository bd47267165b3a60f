// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { lossOf } from './loss.ts'

const lost = (reason: string, afterMs = 0): { lost: Promise<string> } => ({ lost: sleep(afterMs, reason) })
const never = { lost: new Promise<string>(() => undefined) }

test('a sandbox that is lost says why, and the end of its gate adds nothing', async () => {
  assert.equal(await lossOf(lost('PID 1 of the sandbox ended'), lost('its process ended', 20)), 'PID 1 of the sandbox ended')
})

test('a gate that is lost is named, with what the keeper saw of its end', async () => {
  const loss = lossOf(lost('the gate ended with signal 9', 20), lost('its process ended'))
  assert.equal(await loss, 'its gate is gone: its process ended; the gate ended with signal 9')
})

test('a gate that hangs is a loss even where the keeper has seen nothing', async () => {
  // Holds the process: the wait for the keeper's words does not.
  const [loss] = await Promise.all([lossOf(never, lost('it did not answer close-step within 30000 ms')), sleep(400)])
  assert.equal(loss, 'its gate is gone: it did not answer close-step within 30000 ms')
})
