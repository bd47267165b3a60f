// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { buildProbe, run, scratchDirectory } from './_helper.ts'

const { EACCES, EPERM, EXDEV } = constants.errno
const probe = buildProbe('domain-probe', ['util.c'])
const mover = buildProbe('domain-move', ['util.c'])
const SIGNALS_SINCE_ABI = 6

function probeDomains(who: 'none' | 'peer' | 'both', ...abiOf: string[]): { abi: number; opened: number; signalled: number } {
  const done = run(probe, [who, ...abiOf])
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

for (const abi of ['1', '2', '5']) {
  test(`as on a kernel with ABI ${abi}, tracing is refused and signals pass`, () => {
    assert.deepEqual(probeDomains('both', abi), { abi: Number(abi), opened: EACCES, signalled: 0 })
  })
}

function moveBetweenDirectories(...abiOf: string[]): number | null {
  const root = scratchDirectory()
  mkdirSync(join(root, 'to'))
  writeFileSync(join(root, 'file'), '')
  return run(mover, [join(root, 'file'), join(root, 'to/file'), ...abiOf]).status
}

test('files can be moved between directories within a domain, but for ABI 1', () => {
  assert.deepEqual([moveBetweenDirectories(), moveBetweenDirectories('2'), moveBetweenDirectories('5')], [0, 0, 0])
  assert.equal(moveBetweenDirectories('1'), EXDEV)
})
