// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { SeenDestinations } from './seen-destinations.ts'

function stateDirectory(t: { after(end: () => void): void }): string {
  const directory = mkdtempSync(join(tmpdir(), 'seen-'))
  t.after(() => rmSync(directory, { recursive: true }))
  return directory
}

const REPOSITORY = { slug: 'acme/widget', root: '/src/widget' }

test('a destination is first once for a repository, over runs and clones', async (t) => {
  const state = stateDirectory(t)
  const first = new SeenDestinations(state, REPOSITORY)
  assert.deepEqual([first.isFirst('a.test', 443), first.isFirst('a.test', 443), first.isFirst('a.test', 80)], [true, false, true])
  await first.save()
  const second = new SeenDestinations(state, { slug: 'acme/widget', root: '/elsewhere' })
  assert.deepEqual([second.isFirst('a.test', 443), second.isFirst('b.test', 443)], [false, true])
  assert.equal(new SeenDestinations(state, { slug: 'acme/other', root: '/src/widget' }).isFirst('a.test', 443), true)
})

test('directories without a remote are told apart by where they lie', async (t) => {
  const state = stateDirectory(t)
  const one = new SeenDestinations(state, { slug: 'local/app', root: '/one/app' })
  one.isFirst('a.test', 443)
  await one.save()
  assert.equal(new SeenDestinations(state, { slug: 'local/app', root: '/two/app' }).isFirst('a.test', 443), true)
  assert.equal(new SeenDestinations(state, { slug: 'local/app', root: '/one/app' }).isFirst('a.test', 443), false)
})

test('a flood of names keeps the file small, and a damaged file ends nothing', async (t) => {
  const state = stateDirectory(t)
  const seen = new SeenDestinations(state, REPOSITORY)
  for (let index = 0; index < 10_000; index++) seen.isFirst(`x${index}.test`, 443)
  await seen.save()
  const again = new SeenDestinations(state, REPOSITORY)
  assert.deepEqual([again.isFirst('x9999.test', 443), again.isFirst('x0.test', 443)], [false, true])
  for (const name of readdirSync(join(state, 'egress'))) writeFileSync(join(state, 'egress', name), '["a.test:443')
  assert.equal(new SeenDestinations(state, REPOSITORY).isFirst('a.test', 443), true)
})

test('nothing is written when nothing is new, and a directory that cannot be written ends nothing', async (t) => {
  const state = stateDirectory(t)
  await new SeenDestinations(state, REPOSITORY).save()
  assert.deepEqual(readdirSync(state), [])
  writeFileSync(join(state, 'egress'), 'a file')
  const seen = new SeenDestinations(state, REPOSITORY)
  seen.isFirst('a.test', 443)
  await seen.save()
})
