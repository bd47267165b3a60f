// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SecretAddress, SessionRequest } from '../contract.ts'
import { makeStore, setValue } from '../embedded/_fixtures.ts'
import { withVersion } from '../embedded/store-changes.ts'
import { EmbeddedProvider } from './embedded-provider.ts'

const never = new AbortController().signal
const at = (path: string, field: string | null = null, version: string | null = null): SecretAddress => ({
  path,
  field,
  version,
  parameters: {},
})

function request(noted: string[]): SessionRequest {
  const identity = { run: 'r', job: 'j', repository: null, ref: null, token: null }
  return { identity, ttlMs: 60_000, note: async (handle) => void noted.push(handle) }
}

test('a session reads the current version, an earlier one, one field or all, and sees what changes meanwhile', async (t) => {
  const { store } = await makeStore(t, { TOKEN: 'first' })
  const fields = new Map([
    ['user', Buffer.from('ci')],
    ['password', Buffer.from('pw')],
  ])
  await store.change((content) => withVersion(content, { name: 'db/main', fields, origin: 'set', nowMs: 0 }))
  await using provider = new EmbeddedProvider('local', async () => store)
  const noted: string[] = []
  const session = await provider.openSession(request(noted), never)
  assert.equal(noted.length, 1)
  const texts = async (address: SecretAddress): Promise<unknown> => {
    const { fields: read, version, lease } = await session.read(address, never)
    assert.equal(lease, null)
    return [version, Object.fromEntries([...read].map(([name, value]) => [name, Buffer.from(value).toString()]))]
  }
  assert.deepEqual(await texts(at('TOKEN')), ['1', { value: 'first' }])
  await setValue(store, 'TOKEN', 'second')
  assert.deepEqual(await texts(at('TOKEN')), ['2', { value: 'second' }])
  assert.deepEqual(await texts(at('TOKEN', 'value', '1')), ['1', { value: 'first' }])
  assert.deepEqual(await texts(at('db/main', 'password')), ['1', { user: 'ci', password: 'pw' }])
  for (const [address, code] of [
    [at('NONE'), 'SECRET_NOT_FOUND'],
    [at('__proto__'), 'SECRET_NOT_FOUND'],
    [at('TOKEN', null, '3'), 'SECRET_VERSION_NOT_FOUND'],
    [at('TOKEN', null, '01'), 'SECRET_VERSION_NOT_FOUND'],
    [at('db/main', 'host'), 'SECRET_FIELD_MISSING'],
    [at('db/main'), 'SECRET_FIELD_MISSING'],
  ] as const)
    await assert.rejects(session.read(address, never), { code })
  await session.end(never)
  await provider.endSession()
})

test('a session whose note fails is none, nor is one that nobody waits for', async (t) => {
  const { store } = await makeStore(t)
  const provider = new EmbeddedProvider('local', async () => store)
  const failing = { ...request([]), note: async () => Promise.reject(new TypeError('disk full')) }
  await assert.rejects(provider.openSession(failing, never), TypeError)
  await assert.rejects(provider.openSession(request([]), AbortSignal.abort()), { name: 'AbortError' })
})
