// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { closeSync, openSync } from 'node:fs'
import { test } from 'node:test'
import type { HostItem } from '../contract.ts'
import { KernelLog, openKernelLog } from './kernel-log.ts'

const FAULT = 'a[1]: segfault at 0 ip 0 sp 0 error 6'

/** Each text is a record, each error is thrown; then there is no more, until others are added. */
function fakeDevice(...steps: (string | { readonly code: string })[]): { log: KernelLog; steps: (string | { readonly code: string })[] } {
  const read = (buffer: Buffer): number => {
    const step = steps.shift() ?? { code: 'EAGAIN' }
    if (typeof step === 'string') return buffer.write(step)
    throw Object.assign(new Error(step.code), step)
  }
  return { log: new KernelLog({ read, close: () => undefined }), steps }
}

function shortly(items: readonly HostItem[]): unknown[] {
  return items.map((item) => (item.kind === 'gap' ? [item.reason, item.count] : [item.class, item.number]))
}

test('records that were overwritten are a gap with their number, where the number before is known', async () => {
  const { log, steps } = fakeDevice(`6,10,1,-;${FAULT}\n`, '6,11,2,-;nothing\n', { code: 'EPIPE' }, `6,20,3,-;${FAULT}\n`)
  assert.deepEqual(shortly(await log.read(false)), [
    ['fault', 10],
    ['overwritten', 8],
    ['fault', 20],
  ])
  steps.push(`6,21,4,-;${FAULT}\n`)
  assert.deepEqual(shortly(await log.read(true)), [['fault', 21]])
  assert.deepEqual(log.counts, { notSelected: 1, dropped: { overwritten: 8 } })
})

test('where nobody knows how many, the gap says so', async () => {
  const { log } = fakeDevice({ code: 'EPIPE' }, `6,20,3,-;${FAULT}\n`)
  assert.deepEqual(shortly(await log.read(false)), [
    ['overwritten', null],
    ['fault', 20],
  ])
  assert.deepEqual(log.counts.dropped, { overwritten: 1 })
})

test('a flood of one class is counted, and hides none of another', async () => {
  const flood = Array.from({ length: 4000 }, (_, index) => `6,${index},1,-;${FAULT}\n`)
  const { log } = fakeDevice(...flood, '0,4000,1,-;BUG: unable to handle page fault\n')
  const items = shortly(await log.read(false))
  assert.deepEqual(items.at(-1), ['kernel-bug', 4000])
  const { rate = 0 } = log.counts.dropped
  assert.equal(items.length - 1 + rate, 4000)
  assert.ok(rate > 3800, `${rate} of 4000 were dropped`)
})

test('one reading is bounded, and what is left at the last one is a gap', async () => {
  let number = 0
  const read = (buffer: Buffer): number => buffer.write(`6,${number++},1,-;nothing\n`)
  const log = new KernelLog({ read, close: () => undefined })
  assert.deepEqual(await log.read(false), [])
  assert.equal(number, 4096)
  assert.deepEqual(shortly(await log.read(true)), [['unread', null]])
})

test('what programs of the host write there is not the kernel’s word, and what is no record is counted', async () => {
  const { log } = fakeDevice(`12,1,1,-;${FAULT}\n`, 'nonsense', `6,2,1,-;b\\x1b[2J[1]: segfault at 0 ip 0 sp 0 error 6\n`)
  const items = await log.read(false)
  assert.deepEqual(shortly(items), [['fault', 2]])
  assert.deepEqual(log.counts, { notSelected: 1, dropped: { malformed: 1 } })
})

test('a device that fails is closed, and that it was is a gap', async () => {
  const { log } = fakeDevice({ code: 'EIO' }, `6,1,1,-;${FAULT}\n`)
  assert.deepEqual(shortly(await log.read(false)), [['unread', null]])
  assert.deepEqual(await log.read(true), [])
})

test('this host’s own log is read from where it ends', { skip: whyUnreadable() }, async () => {
  const log = openKernelLog()
  const items = await log.read(false)
  log.close()
  const { notSelected, dropped } = log.counts
  assert.ok(items.length + notSelected < 1000, `${items.length + notSelected} records since this moment`)
  assert.equal(dropped.malformed, undefined)
})

function whyUnreadable(): string | false {
  try {
    closeSync(openSync('/dev/kmsg', 'r'))
    return false
  } catch (error) {
    return `/dev/kmsg cannot be read here: ${error instanceof Error ? error.message : ''}`
  }
}
