// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RunEvent } from '@sallyport/core'
import { createSecretSet } from '@sallyport/redaction'
import type { RunRecord } from '@sallyport/store'
import type { RunLog } from '../audit/run-log.ts'
import { Recorder } from './recorder.ts'

const SECRET = 'correct-horse-battery-staple'

const NO_LOG = { added: 0, durable: async () => undefined }

function recorderOver(
  append: (event: RunEvent) => Promise<{ seq: number }>,
  log: Pick<RunLog, 'added' | 'durable'> = NO_LOG,
  masks: readonly string[] = [SECRET],
): Recorder {
  const secrets = createSecretSet()
  for (const mask of masks) secrets.add(mask)
  return new Recorder({ append } as unknown as RunRecord, secrets, log)
}

test('no string of an event reaches the journal with a secret, however deep and in names too', async () => {
  const events: RunEvent[] = []
  const recorder = recorderOver(async (event) => ({ seq: events.push(event) }))
  recorder.add({
    type: 'step.started',
    data: { name: `Run ${SECRET}`, list: [{ [`key ${SECRET}`]: SECRET }], count: 3, none: null, yes: true },
  })
  await recorder.settle()
  assert.deepEqual(events[0]?.data, { name: 'Run ***', list: [{ 'key ***': '***' }], count: 3, none: null, yes: true })
})

test('no job masks the names of facts, nor which secret it was handed', () => {
  const masks = ['conclusion', 'durationMs', 'outputs', 'hostLogs', 'NPM_TOKEN_OF_RELEASE', 'a-release-of-something']
  const recorder = recorderOver(async () => ({ seq: 1 }), NO_LOG, masks)
  const facts = { secrets: ['NPM_TOKEN_OF_RELEASE'], outputs: {}, hostLogs: { conclusion: 1 }, jobs: [{ durationMs: 2, secrets: [] }] }
  assert.deepEqual(recorder.redact({ ...facts, name: 'a-release-of-something' }), { ...facts, name: '***' })
})

test('no job masks which secrets the document of its run has, nor what an event about a secret is about', async () => {
  const events: RunEvent[] = []
  const recorder = recorderOver(async (event) => ({ seq: events.push(event) }), NO_LOG, ['NPM_TOKEN_OF_RELEASE', 'a-release-of-something'])
  const handed = { name: 'NPM_TOKEN_OF_RELEASE', job: 'build', step: 'a-release-of-something' }
  assert.deepEqual(recorder.redact({ secrets: [handed] }), { secrets: [{ ...handed, step: '***' }] })
  recorder.add({ type: 'secret.read', data: { name: handed.name, path: 'a-release-of-something' } })
  await recorder.settle()
  assert.deepEqual(events[0]?.data, { name: handed.name, path: '***' })
})

test('what a job chooses the names of is masked with them, where it looks like a fact of ours, too', () => {
  const recorder = recorderOver(async () => ({ seq: 1 }), NO_LOG, ['correctHorseBattery42'])
  const chosen = { outputs: { correctHorseBattery42: 'x' }, matrix: { list: [{ correctHorseBattery42: { correctHorseBattery42: 1 } }] } }
  assert.deepEqual(recorder.redact(chosen), { outputs: { '***': 'x' }, matrix: { list: [{ '***': { '***': 1 } }] } })
})

test('an event that could not be stored stops whoever waits for it, then and later', async () => {
  let calls = 0
  const recorder = recorderOver(() => (calls++ === 0 ? Promise.reject(new Error('disk full')) : Promise.resolve({ seq: 2 })))
  recorder.add({ type: 'a.b', data: {} })
  await assert.rejects(recorder.settle(), /disk full/)
  recorder.add({ type: 'a.c', data: {} })
  await assert.rejects(recorder.settle(), /disk full/)
})

test('a step that names secrets waits until the log has its start, any other step does not', async () => {
  const asked: number[] = []
  let added = 0
  const log = {
    get added() {
      return added
    },
    durable: async (count: number) => void asked.push(count),
  }
  const recorder = recorderOver(async () => ({ seq: ++added }), log)
  recorder.add({ type: 'step.started', data: { secrets: [] } })
  await recorder.handOver()
  recorder.add({ type: 'step.started', data: { secrets: ['TOKEN'] } })
  recorder.add({ type: 'run.notice', data: {} })
  await recorder.handOver()
  assert.deepEqual(asked, [0, 2])
})

test('no step starts when the log cannot be written', async () => {
  const log = { added: 0, durable: () => Promise.reject(new Error('no log')) }
  await assert.rejects(recorderOver(async () => ({ seq: 1 }), log).handOver(), /no log/)
})
