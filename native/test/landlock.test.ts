// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { buildProbe, run, scratchDirectory } from './_helper.ts'

const { EACCES, EPERM } = constants.errno
const probe = buildProbe('domain-probe', ['landlock.c', 'util.c'])
const SIGNALS_SINCE_ABI = 6

function probeDomains(who: 'none' | 'peer' | 'both'): { abi: number; opened: number; signalled: number } {
  const done = run(probe, [who])
  assert.equal(done.status, 0, done.stderr)
  const [abi = 0, opened = -1, signalled = -1] = done.stdout.toString().split(' ').map(Number)
  return { abi, opened, signalled }
}

test('without domains a process reads and signals another one of its user (the probe works)', () => {
  assert.deepEqual(probeDomains('none'), { abi: 0, opened: 0, signalled: 0 })
})

test('between two domains neither the environment can be read nor a signal be sent', () => {
  const { abi, opened, signalled } = probeDomains('both')
  assert.equal(opened, EACCES)
  assert.equal(signalled, abi >= SIGNALS_SINCE_ABI ? EPERM : 0)
})

test('a process outside every domain is not kept from tracing into one, so every step needs its own', () => {
  assert.deepEqual(probeDomains('peer'), { abi: 0, opened: 0, signalled: 0 })
})

test('files can be moved between directories within a domain', () => {
  const root = scratchDirectory()
  mkdirSync(join(root, 'to'))
  writeFileSync(join(root, 'file'), '')
  const mover = buildProbe('domain-move', ['landlock.c', 'util.c'])
  const done = run(mover, [join(root, 'file'), join(root, 'to/file')])
  assert.equal(done.status, 0, done.stderr)
  assert.deepEqual(readdirSync(join(root, 'to')), ['file'])
})
