// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { test } from 'node:test'
import { buildAttacks, createBoxCgroup, parseAttempts, runInPlainBox } from './index.ts'

/** Refused even here: holes that the kernel has repaired, and parts that a kernel may be built without. */
const MAY_BE_ABSENT = new Set([
  'dirty-pipe',
  'load-module',
  'sysrq-trigger',
  'kcore-read',
  'perf-event-open',
  'vsock-connect',
  'nf-tables',
  'io-uring-setup',
  'userfaultfd',
])

const secret = 'planted/secret+"with& every% kind'
const skip = process.getuid?.() === 0 ? false : 'a plain box needs root'

async function attack(...ids: readonly string[]): Promise<ReturnType<typeof parseAttempts>> {
  const binary = await buildAttacks()
  const result = await runInPlainBox({
    program: [`/tmp/attacks/${basename(binary)}`, ...ids],
    binds: { attacks: dirname(binary) },
    plant: { secret },
    timeoutMs: 60_000,
  })
  assert.equal(result.timedOut, false, result.stdout.slice(-2000))
  return parseAttempts(result.stdout)
}

test('every attack that the kernel has a place for gets through in the plain box', { skip }, async () => {
  const attempts = await attack('--all')
  const refused = attempts.filter(({ id, outcome }) => outcome === 'refused' && !id.startsWith('plain-') && !MAY_BE_ABSENT.has(id))
  assert.deepEqual(refused, [])
  assert.ok(attempts.length > 50)
})

test('the planted secret is read out of the worker’s environment and memory and from the metadata address', { skip }, async () => {
  const attempts = await attack('read-proc-environ', 'read-proc-mem', 'metadata-address')
  for (const id of ['read-proc-environ', 'read-proc-mem', 'metadata-address']) {
    assert.ok(attempts.find((attempt) => attempt.id === id)?.detail.includes(secret), id)
  }
})

test('a box that runs out of time is killed with all that it started', { skip }, async () => {
  const result = await runInPlainBox({ script: 'setsid sleep 60 & sleep 60', plant: { secret }, timeoutMs: 500 })
  assert.equal(result.timedOut, true)
  assert.equal(result.exitCode, 137)
})

test('more processes than the box may have are refused', { skip }, async () => {
  const binary = await buildAttacks()
  const result = await runInPlainBox({
    program: [`/tmp/attacks/${basename(binary)}`, 'fork-bomb'],
    binds: { attacks: dirname(binary) },
    env: { ATTACK_PIDS: '100' },
    pids: 40,
    plant: { secret },
    timeoutMs: 20_000,
  })
  assert.equal(parseAttempts(result.stdout)[0]?.error, 'EAGAIN')
})

test('nothing that is written in the box reaches the machine', { skip }, async () => {
  const result = await runInPlainBox({
    script: 'echo x > /tmp/sallyport-left && ! echo x > /usr/sallyport-left',
    plant: { secret },
    timeoutMs: 10_000,
  })
  assert.equal(result.exitCode, 0, result.stdout)
  assert.equal(existsSync('/tmp/sallyport-left') || existsSync('/usr/sallyport-left'), false)
})

test('a box cgroup is gone after its removal', { skip }, async () => {
  const cgroup = createBoxCgroup({ pids: 8, memoryBytes: 2 ** 26 })
  await cgroup.remove()
  assert.deepEqual(
    cgroup.directories.filter((directory) => existsSync(directory)),
    [],
  )
})
