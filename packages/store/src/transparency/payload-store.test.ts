// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type Commitment, commitTo } from '@sallyport/audit-log'
import { makeTemporaryDirectory } from '../_temporary-directory.ts'
import { StoreError } from '../store-error.ts'
import { type PayloadAbout, PayloadStore } from './payload-store.ts'

const ABOUT: PayloadAbout = { class: 'job-log', at: '2026-11-29T15:00:00.000Z', source: 'run/1', job: 'build' }

function setUp(t: TestContext): { directory: string; payloads: PayloadStore } {
  const directory = makeTemporaryDirectory(t)
  return { directory, payloads: new PayloadStore(directory) }
}

async function contentOf(payloads: PayloadStore, commitment: Commitment): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(payloads.read(commitment)))
}

function codeIs(code: string): (error: unknown) => boolean {
  return (error) => error instanceof StoreError && error.code === code
}

for (const bytes of [0, 1, 2 ** 20 - 1, 2 ** 20, 2 ** 20 + 1, 3 * 2 ** 20]) {
  test(`a payload of ${bytes} bytes comes back, and is what the entry commits to`, async (t) => {
    const { directory, payloads } = setUp(t)
    const payload = Buffer.alloc(bytes, 'payload')
    const pieces = Array.from({ length: Math.ceil(bytes / 300_000) }, (_, index) =>
      payload.subarray(index * 300_000, (index + 1) * 300_000),
    )
    const commitment = await payloads.put(pieces, ABOUT)
    assert.equal(commitment.bytes, bytes)
    assert.deepEqual(await contentOf(payloads, commitment), payload)
    const [salt = ''] = globSync('payloads/*/salt', { cwd: directory })
    assert.deepEqual(commitTo(readFileSync(join(directory, salt)), payload), commitment)
    assert.deepEqual(await Array.fromAsync(payloads.list()), [{ commitment: commitment.commitment, about: ABOUT }])
  })
}

test('the same payload twice has two commitments: nobody can tell that they are the same', async (t) => {
  const { payloads } = setUp(t)
  const [one, two] = [await payloads.put([Buffer.from('x')], ABOUT), await payloads.put([Buffer.from('x')], ABOUT)]
  assert.notEqual(one.commitment, two.commitment)
})

test('an erased payload is gone, with its salt, and another one stays', async (t) => {
  const { directory, payloads } = setUp(t)
  const [one, two] = [await payloads.put([Buffer.from('one')], ABOUT), await payloads.put([Buffer.from('two')], ABOUT)]
  assert.equal(await payloads.erase(one.commitment), true)
  assert.equal(await payloads.erase(one.commitment), false)
  await assert.rejects(contentOf(payloads, one), codeIs('PAYLOAD_ERASED'))
  assert.equal((await contentOf(payloads, two)).toString(), 'two')
  assert.equal(globSync('payloads/*', { cwd: directory }).length, 1)
})

test('a payload that was changed is none', async (t) => {
  const { directory, payloads } = setUp(t)
  const commitment = await payloads.put([Buffer.from('one')], ABOUT)
  const [chunk = ''] = globSync('payloads/*/000000', { cwd: directory })
  for (const other of ['two', 'on', 'ones', '']) {
    writeFileSync(join(directory, chunk), other)
    await assert.rejects(contentOf(payloads, commitment), codeIs('STORE_CORRUPT'), other)
  }
  rmSync(join(directory, chunk))
  await assert.rejects(contentOf(payloads, commitment), codeIs('STORE_CORRUPT'))
})

test('what a crash left of one that came or went is swept away', async (t) => {
  const { directory, payloads } = setUp(t)
  const commitment = await payloads.put([Buffer.from('one')], ABOUT)
  mkdirSync(join(directory, 'payloads/new-1'))
  const [other = ''] = globSync('payloads/*/', { cwd: directory }).filter((path) => !path.includes('new-'))
  mkdirSync(join(directory, `payloads/${'0'.repeat(64)}`))
  await payloads.sweep(new Date())
  assert.equal(globSync('payloads/new-1', { cwd: directory }).length, 1, 'somebody may be writing it')
  await payloads.sweep(new Date(Date.now() + 2 * 60 * 60 * 1000))
  assert.deepEqual(globSync('payloads/*', { cwd: directory }), [other.replace(/\/$/, '')])
  assert.equal((await contentOf(payloads, commitment)).toString(), 'one')
})

test('a name that is no commitment is no path', async (t) => {
  const { payloads } = setUp(t)
  await assert.rejects(payloads.erase('../../etc'), TypeError)
})
