// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { makeDirectory } from './_temporary-directory.ts'
import { TrustStore } from './trust-store.ts'

function approval(digest: string): { digest: string; approvedAt: string; asks: string[] } {
  return { digest, approvedAt: '2026-11-22T20:15:01.000Z', asks: [`line of ${digest}`] }
}

test('approvals belong to one repository, wherever it is named from, and the newest comes first', async (t) => {
  const [state, repository, other] = [join(makeDirectory(t), 'new'), makeDirectory(t), makeDirectory(t)]
  const store = new TrustStore(state)
  assert.deepEqual(await store.approvals(repository), [])
  for (const digest of ['a', 'b', 'a']) await store.approve(repository, approval(digest))
  const link = join(other, 'link')
  symlinkSync(repository, link)
  assert.deepEqual(await new TrustStore(state).approvals(link), [approval('a'), approval('b')])
  assert.deepEqual(await store.approvals(other), [])
  assert.equal(readdirSync(join(state, 'trust')).length, 1, 'no temporary file is left')
})

test('what was taken back is gone', async (t) => {
  const [state, repository] = [makeDirectory(t), makeDirectory(t)]
  const store = new TrustStore(state)
  assert.equal(await store.revoke(repository), 0)
  await store.approve(repository, approval('a'))
  assert.equal(await store.revoke(repository), 1)
  assert.deepEqual(await store.approvals(repository), [])
})

test('the oldest of many approvals is forgotten', async (t) => {
  const [state, repository] = [makeDirectory(t), makeDirectory(t)]
  const store = new TrustStore(state)
  for (let index = 0; index < 40; index += 1) await store.approve(repository, approval(String(index)))
  const digests = (await store.approvals(repository)).map(({ digest }) => digest)
  assert.deepEqual([digests.length, digests[0], digests.at(-1)], [32, '39', '8'])
})

test('approvals of long files stay readable: what was shown for the oldest is forgotten, no approval is', async (t) => {
  const [state, repository] = [makeDirectory(t), makeDirectory(t)]
  const store = new TrustStore(state)
  for (let index = 0; index < 5; index += 1)
    await store.approve(repository, { ...approval(String(index)), asks: Array.from({ length: 4000 }, () => 'x'.repeat(90)) })
  const approvals = await store.approvals(repository)
  assert.deepEqual(
    approvals.map(({ digest, asks }) => [digest, asks.length > 0]),
    [
      ['4', true],
      ['3', true],
      ['2', false],
      ['1', false],
      ['0', false],
    ],
  )
  assert.equal(await store.revoke(repository), 5)
})

test('a record that others could have written is not believed', async (t) => {
  const [state, repository] = [makeDirectory(t), makeDirectory(t)]
  const store = new TrustStore(state)
  await store.approve(repository, approval('a'))
  for (const directory of [state, join(state, 'trust')]) {
    chmodSync(directory, 0o777)
    await assert.rejects(store.approvals(repository), { code: 'TRUST_UNREADABLE' })
    await assert.rejects(store.approve(repository, approval('b')), { code: 'TRUST_UNREADABLE' })
    chmodSync(directory, 0o700)
  }
  assert.equal((await store.approvals(repository)).length, 1)
})

test('a record that is a link, or is damaged, is an error and not an approval', async (t) => {
  const [state, repository] = [makeDirectory(t), makeDirectory(t)]
  const store = new TrustStore(state)
  await store.approve(repository, approval('a'))
  const file = join(state, 'trust', readdirSync(join(state, 'trust'))[0] ?? '')
  for (const text of ['', '{', '[]', '{"approvals":[{}]}', '{"approvals":{}}']) {
    writeFileSync(file, text)
    await assert.rejects(store.approvals(repository), { code: 'TRUST_UNREADABLE' }, text)
  }
  const other = makeDirectory(t)
  mkdirSync(join(other, 'trust'), { mode: 0o700 })
  symlinkSync(file, join(other, 'trust', file.split('/').at(-1) ?? ''))
  await assert.rejects(new TrustStore(other).approvals(repository), { code: 'TRUST_UNREADABLE' })
})
