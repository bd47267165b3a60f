// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { createRunStore } from '@sallyport/store'
import { makeTemporaryDirectory, runCli } from '../_harness.ts'

const VALUE = 'correct horse battery'
const known = { secrets: { PASS: VALUE } }

test('finds exit with 1, are told by name and place, and the value is in no output', async (t) => {
  const directory = makeTemporaryDirectory(t)
  mkdirSync(join(directory, 'deep'))
  writeFileSync(join(directory, 'deep', 'a.txt'), `one\n${Buffer.from(VALUE).toString('base64')}\n`)
  writeFileSync(join(directory, `named ${VALUE}`), `${VALUE}\n`)
  symlinkSync('/etc/passwd', join(directory, 'link'))
  for (const form of [[], ['--json'], ['--sarif']]) {
    const { exitCode, stdout, stderr } = await runCli(['secrets', 'scan', directory, '--secret', 'PASS', ...form], known)
    assert.equal(exitCode, 1, stderr)
    assert.match(stdout, /PASS/)
    assert.match(stdout, /deep\/a\.txt/)
    assert.ok(!stdout.includes(VALUE) && !stdout.includes(encodeURIComponent(VALUE)), stdout)
  }
})

test('nothing found is 0, what cannot be searched is 1, and nothing named is a mistake', async (t) => {
  const directory = makeTemporaryDirectory(t)
  writeFileSync(join(directory, 'a'), 'nothing')
  assert.equal((await runCli(['secrets', 'scan', directory, '--secret', 'PASS'], known)).exitCode, 0)
  const missing = await runCli(['secrets', 'scan', join(directory, 'missing'), '--json'])
  assert.equal(missing.exitCode, 1)
  assert.match(missing.stdout, /ENOENT/)
  assert.equal((await runCli(['secrets', 'scan'])).exitCode, 2)
})

test('the record of a run is searched', async (t) => {
  const state = makeTemporaryDirectory(t)
  await using record = await createRunStore(state).create('20261122-201505-abcdef')
  await record.append({ type: 'run.notice', data: { message: VALUE } })
  const { exitCode, stdout } = await runCli(['secrets', 'scan', '--run', '20261122', '--state', state, '--secret', 'PASS'], known)
  assert.equal(exitCode, 1)
  assert.match(stdout, /journal\.jsonl:1/)
})
