// SPDX-License-Identifier: Apache-2.0
// How a log and all who trust it live through a change of its key. Kills are in test/fault/audit-change-killed.test.ts.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parseKeys } from '@sallyport/audit-log'
import { makeDirectory } from '../access/_temporary-directory.ts'
import { logEntries, makeState, PLAIN, placeOf, publishedCopy, record, verifyCopy } from './_rotated-log.ts'
import { auditCommands } from './commands.ts'
import { keyCommands } from './key-commands.ts'

test('a new key signs from where the old one ended, which is destroyed, and an entry says so', async (t) => {
  const state = await makeState(t)
  const before = readFileSync(join(state, 'signer/key-1.pem'), 'utf8')
  const { oldKey, newKey, size, entry, notices, wasUnfinished } = await keyCommands.rotate(state)
  assert.deepEqual([size, notices, wasUnfinished], [entry + 1, [], false])
  assert.deepEqual(readdirSync(join(state, 'signer')).toSorted(), ['key-2.pem', 'lock', 'signer.json'])
  assert.notEqual(readFileSync(join(state, 'signer/key-2.pem'), 'utf8'), before)
  const rotated = (await logEntries(state)).at(-1)
  assert.deepEqual([rotated?.type, rotated?.data?.['oldKey'], rotated?.data?.['newKey']], ['key.rotated', oldKey, newKey])
  const report = await auditCommands.verify(placeOf(state), PLAIN)
  assert.deepEqual([report.sound, report.findings, report.key], [true, [], newKey])
  assert.deepEqual(report.keyChanges, [{ size, from: oldKey, to: newKey }])
  assert.deepEqual(await keyCommands.list(placeOf(state)), {
    origin: report.origin,
    keys: [
      { key: oldKey, firstSize: 0, lastSize: size },
      { key: newKey, firstSize: size, lastSize: null },
    ],
    next: null,
    problem: null,
  })
})

test('a key that was prepared comes in, and no other one', async (t) => {
  const state = await makeState(t)
  const { key, next } = await keyCommands.prepare(state)
  assert.equal((await keyCommands.prepare(state)).next, next)
  await record(state, 2)
  assert.equal((await auditCommands.publish(state)).key, key)
  assert.equal((await keyCommands.list(placeOf(state))).next, next)
  assert.equal((await keyCommands.rotate(state)).newKey, next)
})

test('who trusts an old key follows its notes in a copy of what is published', async (t) => {
  const state = await makeState(t)
  const keys: string[] = []
  for (const number of [2, 3]) {
    keys.push((await keyCommands.rotate(state)).oldKey)
    await record(state, number)
  }
  keys.push((await auditCommands.publish(state)).key)
  const copy = publishedCopy(t, state)
  for (const key of keys) {
    const report = await verifyCopy(copy, key)
    assert.deepEqual([report.sound, report.findings, report.key, report.keyChanges.length], [true, [], keys[2], 2], key)
    assert.equal((await keyCommands.list(placeOf('/nowhere', { directory: copy, key }))).keys.length, 3)
  }
  assert.equal(parseKeys(readFileSync(join(copy, 'keys'))).length, 3)
})

test('trust in an old key by a policy, and by what is remembered, carries over', async (t) => {
  const state = await makeState(t)
  const remember = join(makeDirectory(t), 'head')
  assert.equal((await auditCommands.verify(placeOf(state), { ...PLAIN, remember })).sound, true)
  const { oldKey, newKey } = await keyCommands.rotate(state)
  const copy = publishedCopy(t, state)
  const policy = join(makeDirectory(t), 'policy')
  for (const lines of [[oldKey], [newKey], [oldKey, newKey], [newKey, oldKey]]) {
    writeFileSync(policy, `${lines.map((key) => `log ${key}\n`).join('')}quorum none\n`)
    const report = await auditCommands.verify(placeOf('/nowhere', { directory: copy }), { ...PLAIN, policy })
    assert.deepEqual([report.sound, report.trust, report.keyChanges.length], [true, 'policy', 1])
  }
  const report = await auditCommands.verify(placeOf('/nowhere', { directory: copy }), { ...PLAIN, remember })
  assert.deepEqual([report.sound, report.trust, report.keyChanges.length], [true, 'remembered', 1])
  assert.equal(JSON.parse(readFileSync(remember, 'utf8')).key, newKey)
})
