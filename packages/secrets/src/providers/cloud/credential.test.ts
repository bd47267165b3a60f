// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { SecretsError } from '../../secrets-error.ts'
import { givenUp, startCall } from './call.ts'
import { Credential } from './credential.ts'

const call = (signal: AbortSignal = new AbortController().signal) => startCall(signal)
const refused = (): SecretsError => new SecretsError('PROVIDER_LOGIN_REFUSED', 'no')

/** Made one after the other: "1", "2", … */
function counting(lifeMs: number, clock = { nowMs: 0 }): { readonly credential: Credential<string>; readonly made: string[] } {
  const made: string[] = []
  const make = async (): Promise<{ value: string; endMs: number }> => {
    made.push(String(made.length + 1))
    return { value: String(made.length), endMs: clock.nowMs + lifeMs }
  }
  return { credential: new Credential(make, () => clock.nowMs), made }
}

describe('what a session logs in with', () => {
  it('is made once for all who wait for it', async () => {
    const { credential, made } = counting(3600_000)
    const used = await Promise.all(Array.from({ length: 10 }, () => credential.use(call(), async (value) => value)))
    assert.deepEqual([new Set(used), made], [new Set(['1']), ['1']])
  })

  it('is made anew shortly before it ends', async () => {
    const clock = { nowMs: 0 }
    const { credential } = counting(900_000, clock)
    const read = (): Promise<string> => credential.use(call(), async (value) => value)
    const first = await read()
    clock.nowMs = 800_000
    const second = await read()
    clock.nowMs = 880_000
    assert.deepEqual([first, second, await read()], ['1', '1', '2'])
  })

  it('is replaced once when it is refused, and not at all when it is new', async () => {
    const { credential, made } = counting(3600_000)
    const refuse = (): Promise<never> => credential.use(call(), () => Promise.reject(refused()))
    await assert.rejects(refuse(), { code: 'PROVIDER_LOGIN_REFUSED' })
    assert.deepEqual(made, ['1'])
    await credential.use(call(), async (value) => value)
    await assert.rejects(refuse(), { code: 'PROVIDER_LOGIN_REFUSED' })
    assert.deepEqual(made, ['1', '2', '3'])
  })

  it('is not lost to others when the first who asked for it gives up', async () => {
    const { promise, resolve } = Promise.withResolvers<{ value: string; endMs: number }>()
    const credential = new Credential(
      () => promise,
      () => 0,
    )
    const first = new AbortController()
    const reads = [first.signal, undefined].map((signal) => credential.use(call(signal), async (value) => value))
    first.abort()
    await assert.rejects(reads[0] ?? assert.fail(), { name: 'AbortError' })
    resolve({ value: 'made', endMs: 3600_000 })
    assert.equal(await reads[1], 'made')
  })

  it('is not kept when its session ended while it was made', async () => {
    const { promise, resolve } = Promise.withResolvers<{ value: string; endMs: number }>()
    const credential = new Credential(
      () => promise,
      () => 0,
    )
    const read = credential.use(call(), async (value) => value)
    credential.forget()
    resolve({ value: 'late', endMs: 3600_000 })
    await assert.rejects(read, { code: 'PROVIDER_LOGIN_REFUSED' })
  })
})

describe('a read that ends early', () => {
  it('says that the provider was too slow when the deadline was the caller’s, and is theirs otherwise', async () => {
    const late = AbortSignal.abort(new DOMException('late', 'TimeoutError'))
    assert.equal((givenUp(late, 'read it') as SecretsError).code, 'PROVIDER_TIMEOUT')
    const stopped = AbortSignal.abort()
    assert.equal(givenUp(stopped, 'read it'), stopped.reason)
  })
})
