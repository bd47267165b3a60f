// SPDX-License-Identifier: Apache-2.0
// The document of a run beside what the end of the run in the log commits to.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { commitToDocument, createRunStore } from '@sallyport/store'
import { makeDirectory } from '../access/_temporary-directory.ts'
import { retentionCommands } from './retention-commands.ts'
import { RunLog } from './run-log.ts'

const RUN = '20261129-140200-abcdef'
const DAY_MS = 24 * 60 * 60e3

/** A run whose document comes so much later than its end in the log. */
async function record(state: string, { startedAt = new Date(), lateMs = 0, isLogged = true } = {}): Promise<void> {
  await using recorded = await createRunStore(state, () => startedAt).create(RUN)
  await using log = new RunLog(state, RUN)
  recorded.onEvent = (event) => log.add(event)
  await recorded.append({ type: 'run.started', data: {} })
  await recorded.append({ type: 'big', data: { text: 'x'.repeat(20_000) } })
  const facts = { id: RUN, conclusion: 'success', startedAt: startedAt.toISOString(), durationMs: 5, workflows: ['ci.yml'] }
  const { commitment, salt } = commitToDocument(facts)
  const place = await log.close(commitment)
  await sleep(lateMs)
  await recorded.finish({ ...facts, log: isLogged ? { ...place, salt } : null })
}

async function statesIn(state: string): Promise<Record<string, string>> {
  const payloads = await Array.fromAsync(retentionCommands.payloads(state, RUN))
  return Object.fromEntries(payloads.map(({ type, state: found }) => [type, found]))
}

test('what is of one run goes together, also when it ended after the time that counts', async (t) => {
  const state = makeDirectory(t)
  await record(state, { startedAt: new Date(Date.now() - 2 * DAY_MS) })
  const { document, journal, big } = await statesIn(state)
  assert.deepEqual([document, journal, big], ['kept', 'kept', 'kept'])
  writeFileSync(join(state, 'audit-retention'), 'keep record 1\n', { mode: 0o600 })
  await retentionCommands.retain(state, true)
  const erased = await statesIn(state)
  assert.deepEqual([erased['document'], erased['journal'], erased['big']], ['erased', 'erased', 'erased'])
})

test('a run that has its end in the log, and whose process writes its document just now, is waited for', async (t) => {
  const state = makeDirectory(t)
  const recorded = record(state, { lateMs: 1000 })
  let found: string | undefined
  for (let look = 0; look < 3000 && found === undefined; look += 1) {
    await sleep(20)
    found = await statesIn(state).then(
      ({ document }) => document,
      () => undefined, // There is no log yet, or nothing of the run in it.
    )
  }
  assert.equal(found, 'kept')
  await recorded
})

test('a document that says that its run could not be logged to the end, though it was, is told apart', async (t) => {
  const state = makeDirectory(t)
  await record(state, { isLogged: false })
  assert.equal((await statesIn(state))['document'], 'unlogged')
})
