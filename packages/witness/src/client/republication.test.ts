// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Republication } from './republication.ts'

test('publishes again and again, tells what failed, and ends when it is told to', async () => {
  const failures: unknown[] = []
  const thrice = Promise.withResolvers<void>()
  let calls = 0
  const publish = async (): Promise<void> => {
    calls++
    if (calls === 2) throw new Error('no quorum')
    if (calls === 3) thrice.resolve()
  }
  const republication = new Republication({ publish, intervalMs: 5, retryMs: 1, onFailure: (error) => failures.push(error) })
  await Promise.all([thrice.promise, new Promise((resolve) => setTimeout(resolve, 50))])
  await republication[Symbol.asyncDispose]()
  const atEnd = calls
  await new Promise((resolve) => setTimeout(resolve, 20))
  assert.equal(calls, atEnd)
  assert.equal(failures.length, 1)
})
