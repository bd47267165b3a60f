// SPDX-License-Identifier: Apache-2.0
// What somebody does to the keys that are published beside a log.
import assert from 'node:assert/strict'
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { makeDirectory } from '../access/_temporary-directory.ts'
import { makeState, PLAIN, placeOf, publishedCopy, record, verifyCopy } from './_rotated-log.ts'
import { auditCommands } from './commands.ts'
import { keyCommands } from './key-commands.ts'

test('a new key that the old one has not vouched for is found, and which note fails is said', async (t) => {
  const state = await makeState(t)
  const first = await keyCommands.rotate(state)
  const second = await keyCommands.rotate(state)
  const whole = JSON.parse(readFileSync(join(state, 'audit/log/keys'), 'utf8')) as { v: 1; rotations: { rotation: string; seal: string }[] }
  const [one, two] = whole.rotations as [{ rotation: string; seal: string }, { rotation: string; seal: string }]
  const unsigned = (note: string): string => note.split('\n').toSpliced(6, 1).join('\n')
  const changed: Record<string, unknown> = {
    'the list is gone': null,
    'a key is left out': { v: 1, rotations: [one] },
    'the first is left out': { v: 1, rotations: [two] },
    'the order is another': { v: 1, rotations: [two, one] },
    'a note is of another size': { v: 1, rotations: [one, { ...two, rotation: two.rotation.replace(`\n${second.size}\n`, '\n1\n') }] },
    'the old key’s signature is gone': { v: 1, rotations: [{ ...one, rotation: unsigned(one.rotation) }, two] },
    'it is no list': { v: 2, rotations: [] },
  }
  for (const [what, list] of Object.entries(changed)) {
    const copy = publishedCopy(t, state)
    if (list === null) rmSync(join(copy, 'keys'))
    else writeFileSync(join(copy, 'keys'), JSON.stringify(list))
    const report = await verifyCopy(copy, first.oldKey)
    assert.deepEqual([report.sound, report.manipulation], [false, 'key-swapped'], `${what}: ${JSON.stringify(report.findings)}`)
  }
  // On its own host the signer has them
  rmSync(join(state, 'audit/log/keys'))
  const report = await auditCommands.verify(placeOf(state), PLAIN)
  assert.deepEqual([report.sound, report.findings.map(({ kind }) => kind)], [true, ['keys-unpublished']])
  await auditCommands.publish(state)
  assert.equal((await verifyCopy(publishedCopy(t, state), first.oldKey)).sound, true)
})

test('a seal that is not the old key’s is found', async (t) => {
  const state = await makeState(t)
  const { oldKey, newKey } = await keyCommands.rotate(state)
  const path = join(state, 'audit/log/keys')
  const { rotations } = JSON.parse(readFileSync(path, 'utf8')) as { rotations: { rotation: string; seal: string }[] }
  const checkpoint = readFileSync(join(state, 'audit/log/checkpoint'), 'utf8')
  const copy = publishedCopy(t, state)
  writeFileSync(join(copy, 'keys'), JSON.stringify({ v: 1, rotations: [{ ...rotations[0], seal: checkpoint }] }))
  for (const key of [oldKey, newKey]) {
    const { sound, manipulation } = await verifyCopy(copy, key)
    assert.deepEqual([sound, manipulation], [false, 'epoch-resealed'])
  }
})

test('a key that somebody has seen to sign and is not the log’s any more is found', async (t) => {
  const state = await makeState(t)
  const before = join(makeDirectory(t), 'before')
  cpSync(state, before, { recursive: true })
  const remember = join(makeDirectory(t), 'head')
  await keyCommands.rotate(state)
  const { oldKey } = await keyCommands.rotate(state)
  await auditCommands.verify(placeOf(state), { ...PLAIN, remember })
  // Root has kept the first key, lets it vouch for another one, and makes up the same entries and more
  for (let number = 2; number < 7; number += 1) await record(before, number)
  const other = await keyCommands.rotate(before)
  const report = await verifyCopy(publishedCopy(t, before), other.oldKey, { remember })
  assert.equal(report.sound, false)
  assert.ok(report.findings.some(({ kind, message }) => kind === 'key-unvouched' && message.includes(oldKey) === false))
})
