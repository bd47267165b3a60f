// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeTemporaryDirectory } from './_temporary-directory.ts'
import { createRunStore } from './run-store.ts'

const EVENTS = 100_000

test('100,000 appends, each of them durable, come back in order', async (t) => {
  const store = createRunStore(makeTemporaryDirectory(t))
  const record = await store.create('r1')
  let seen = 0
  record.onEvent = () => {
    seen += 1
  }
  const start = performance.now()
  const appends: Promise<unknown>[] = []
  for (let index = 0; index < EVENTS; index += 1) {
    appends.push(record.append({ type: 'test.event', job: 'build', step: '1', data: { index } }))
    if (index % 1000 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  await Promise.all(appends)
  const writeMs = performance.now() - start
  await record[Symbol.asyncDispose]()
  let read = 0
  for await (const event of (await store.open('r1')).events()) read += event.data['index'] === read ? 1 : 0
  t.diagnostic(
    `written in ${writeMs.toFixed(0)} ms (${Math.round(EVENTS / writeMs)}k/s), with reading ${(performance.now() - start).toFixed(0)} ms`,
  )
  assert.deepEqual([seen, read], [EVENTS, EVENTS])
})
