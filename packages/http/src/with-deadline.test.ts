// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { describe, test } from 'node:test'
import { withDeadline } from './with-deadline.ts'

const LONG_MS = 2 ** 30
const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length

/** Never settles by itself. */
function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
}

describe('something with a deadline', () => {
  for (const [title, work] of [
    ['is done', async () => 'done'],
    ['fails', () => Promise.reject(new Error('failed'))],
  ] as const)
    test(`leaves no timer and no listener when it ${title}`, async () => {
      const { signal } = new AbortController()
      const before = timers()
      await withDeadline(LONG_MS, work, signal).catch(() => undefined)
      assert.deepEqual([timers(), getEventListeners(signal, 'abort').length], [before, 0])
    })

  test('is aborted by a TimeoutError when its time is over', async () => {
    await assert.rejects(withDeadline(1, untilAborted), { name: 'TimeoutError' })
  })

  test('is aborted as the outer signal is, also when that was aborted before', async () => {
    const outer = new AbortController()
    const working = withDeadline(LONG_MS, untilAborted, outer.signal)
    outer.abort(new Error('nobody waits for it'))
    await assert.rejects(working, /nobody waits/)
    await assert.rejects(
      withDeadline(LONG_MS, async (signal) => signal.throwIfAborted(), outer.signal),
      /nobody waits/,
    )
  })
})
