// SPDX-License-Identifier: Apache-2.0
// What was given out, or moved away, under another key of the log.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { leafHash, parseProof, parseVerifierKey, verifyProof } from '@sallyport/audit-log'
import { makeState, PLAIN, placeOf, record, runId } from './_rotated-log.ts'
import { auditCommands } from './commands.ts'
import { keyCommands } from './key-commands.ts'
import { retentionCommands } from './retention-commands.ts'

test('a proof stands alone with the key of its checkpoint, before and after', async (t) => {
  const state = await makeState(t)
  const proofOf = async (number: number) => auditCommands.prove(placeOf(state), runId(number), null)
  const before = await proofOf(1)
  const { oldKey, newKey } = await keyCommands.rotate(state)
  await record(state, 2)
  await auditCommands.publish(state)
  for (const [{ proof, key }, expected] of [
    [before, oldKey],
    [await proofOf(1), newKey],
    [await proofOf(2), newKey],
  ] as const) {
    assert.equal(key, expected)
    const { extra } = parseProof(Buffer.from(proof))
    const policy = { logs: [{ key: parseVerifierKey(key), url: null }], witnesses: [], groups: [], quorum: null }
    assert.equal(verifyProof(Buffer.from(proof), leafHash(extra ?? Buffer.alloc(0)), policy).isProven, true)
  }
})

test('an archive is checked with any key of the log', async (t) => {
  const state = await makeState(t)
  await record(state, 2, 600)
  await auditCommands.publish(state)
  const archive = (name: string) => retentionCommands.archive(state, { archive: join(state, name), before: '2100-01-01T00:00:00.000Z' })
  assert.notEqual((await archive('old')).made, null)
  const { oldKey, newKey } = await keyCommands.rotate(state)
  await record(state, 3, 600)
  await auditCommands.publish(state)
  assert.notEqual((await archive('new')).made, null)
  const check = async (name: string, key: string | null, stateDirectory: string) =>
    (await retentionCommands.verifyArchive({ stateDirectory, directory: null, key }, join(state, name))).problem
  for (const name of ['old', 'new'])
    for (const key of [null, oldKey, newKey]) assert.equal(await check(name, key, state), null, `${name} ${key}`)
  // Alone, an archive has the keys from before its checkpoint
  for (const key of [oldKey, newKey]) assert.equal(await check('new', key, '/nowhere'), null)
  assert.equal(await check('old', oldKey, '/nowhere'), null)
  assert.match((await check('old', newKey, '/nowhere')) ?? '', /no key that is trusted/)
  assert.equal((await auditCommands.verify(placeOf(state), { ...PLAIN, archives: state })).sound, true)
})
