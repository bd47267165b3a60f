// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { chmodSync, copyFileSync, readdirSync, readFileSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { SallyportError } from '@sallyport/core'
import { SECRET_BYTES_MAX } from '../contract.ts'
import { getValue, makeStore, makeTemporaryDirectory, NOW_MS, PLAIN, setValue } from './_fixtures.ts'
import { generateIdentity, sealFor } from './age-key.ts'
import { createEmbeddedStore, describeCopy, openEmbeddedStore, restoreStore } from './embedded-store.ts'
import { digestOf } from './seen.ts'
import { withoutSecret, withoutVersion, withVersion } from './store-changes.ts'
import { findVersion, VERSIONS_MAX } from './store-content.ts'
import { storePlaces } from './store-places.ts'

const OWN = { kind: 'own' } as const

function fails(code: string, reason?: string): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof SallyportError, String(error))
    assert.equal(error.code, code, error.message)
    if (reason !== undefined) assert.equal(error.details['reason'], reason)
    return true
  }
}

describe('an embedded store', () => {
  test('keeps what was set, under every name and version, over processes', async (t) => {
    const { store, places } = await makeStore(t, { TOKEN: 'first', 'ci/packages': 'other' })
    await setValue(store, 'TOKEN', 'second')
    const again = await openEmbeddedStore(places.directory, OWN)
    assert.equal(await getValue(again, 'TOKEN'), 'second')
    assert.equal(await getValue(again, 'TOKEN', '1'), 'first')
    assert.equal(await getValue(again, 'ci/packages'), 'other')
    await assert.rejects(getValue(again, 'TOKEN', '3'), fails('SECRET_VERSION_NOT_FOUND'))
    await assert.rejects(getValue(again, 'NONE'), fails('SECRET_NOT_FOUND'))
  })

  test('has files that only their owner reads, and no value or name in any of them', async (t) => {
    const { places } = await makeStore(t, { VERY_SPECIAL_NAME: 'a very special value' })
    for (const name of readdirSync(places.directory)) {
      const path = join(places.directory, name)
      assert.equal(statSync(path).mode & 0o077, 0, name)
      assert.ok(!readFileSync(path).includes('very special') && !readFileSync(path).includes('VERY_SPECIAL'), name)
    }
  })

  test('keeps the last versions only, and never gives a number twice', async (t) => {
    const { store } = await makeStore(t)
    for (let count = 1; count <= VERSIONS_MAX + 2; count++) await setValue(store, 'TOKEN', `value ${count}`)
    await assert.rejects(getValue(store, 'TOKEN', '2'), fails('SECRET_VERSION_NOT_FOUND'))
    assert.equal(await getValue(store, 'TOKEN', '3'), 'value 3')
    await store.change((content) => withoutSecret(content, 'TOKEN', NOW_MS))
    await assert.rejects(getValue(store, 'TOKEN'), fails('SECRET_NOT_FOUND'))
    await setValue(store, 'TOKEN', 'anew')
    assert.equal(await getValue(store, 'TOKEN', String(VERSIONS_MAX + 3)), 'anew')
  })

  test('forgets one version, and with the last one the secret', async (t) => {
    const { store } = await makeStore(t, { TOKEN: 'first' })
    await setValue(store, 'TOKEN', 'second')
    await store.change((content) => withoutVersion(content, 'TOKEN', '2', NOW_MS))
    assert.equal(await getValue(store, 'TOKEN'), 'first')
    await store.change((content) => withoutVersion(content, 'TOKEN', '1', NOW_MS))
    await assert.rejects(getValue(store, 'TOKEN'), fails('SECRET_NOT_FOUND'))
  })

  test('refuses what is empty or too large, and keeps what there was', async (t) => {
    const { store } = await makeStore(t, { TOKEN: 'good' })
    await assert.rejects(setValue(store, 'TOKEN', ''), fails('SECRET_EMPTY'))
    await assert.rejects(setValue(store, 'TOKEN', 'x'.repeat(SECRET_BYTES_MAX + 1)), fails('SECRET_TOO_LARGE'))
    await assert.rejects(setValue(store, 'TOKEN', 'x'.repeat(2 ** 20)), fails('SECRET_TOO_LARGE'))
    assert.equal(await getValue(store, 'TOKEN'), 'good')
    await setValue(store, 'LARGEST', 'x'.repeat(SECRET_BYTES_MAX))
    assert.equal((await getValue(store, 'LARGEST')).length, SECRET_BYTES_MAX)
  })

  test('that is looked at again and again is what was written last, and leaves no value behind', async (t) => {
    const { store, places } = await makeStore(t, { TOKEN: 'first', LARGE: 'x'.repeat(SECRET_BYTES_MAX), ZLAST: 'behind it' })
    const kept: Uint8Array[] = []
    const look = (name: string): Promise<string> =>
      store.lookAt(name, (secret) => {
        const value = findVersion(secret, null).fields.get('value') as Uint8Array
        kept.push(value)
        return Buffer.from(value).toString()
      })
    for (let round = 0; round < 3; round += 1)
      assert.deepEqual([await look('TOKEN'), await look('ZLAST'), (await look('LARGE')).length], ['first', 'behind it', SECRET_BYTES_MAX])
    assert.ok(kept.every((value) => value.every((byte) => byte === 0)))
    const old = readFileSync(places.store)
    await setValue(await openEmbeddedStore(places.directory, OWN), 'TOKEN', 'second')
    assert.deepEqual([await look('TOKEN'), await look('TOKEN')], ['second', 'second'])
    await assert.rejects(look('NONE'), fails('SECRET_NOT_FOUND'))
    writeFileSync(places.store, old)
    await assert.rejects(look('TOKEN'), fails('SECRET_STORE_DAMAGED', 'rolled-back'))
    await store.look(() => undefined).catch(() => undefined)
    await assert.rejects(look('TOKEN'), fails('SECRET_STORE_DAMAGED', 'rolled-back'))
  })

  test('keeps bytes that are no text', async (t) => {
    const { store } = await makeStore(t)
    const bytes = Buffer.from(Array.from({ length: 512 }, (_, at) => at % 256))
    await store.change((content) => withVersion(content, { name: 'K', fields: new Map([['value', bytes]]), origin: 'set', nowMs: 0 }))
    assert.deepEqual(await store.look(({ secrets }) => Buffer.from(secrets.get('K')?.versions[0]?.fields.get('value') ?? '')), bytes)
  })

  test('holds so much, and no more', async (t) => {
    const { store } = await makeStore(t)
    const value = new Map([['value', Buffer.alloc(SECRET_BYTES_MAX, 'x')]])
    const fill = store.change((content) => {
      let full = content
      for (let count = 0; count <= 256; count++) full = withVersion(full, { name: `S${count}`, fields: value, origin: 'set', nowMs: 0 })
      return full
    })
    await assert.rejects(fill, fails('SECRET_TOO_LARGE'))
    assert.equal(await store.look(({ secrets }) => secrets.size), 0)
  })

  test('wipes the values that it had in memory', async (t) => {
    const { store } = await makeStore(t, { TOKEN: 'value' })
    const kept = await store.look(({ secrets }) => secrets.get('TOKEN')?.versions[0]?.fields.get('value'))
    assert.deepEqual(Buffer.from(kept ?? 'x'), Buffer.alloc(5))
  })

  test('is made once, and goes on where making it was cut off', async (t) => {
    const { places } = await makeStore(t)
    await assert.rejects(createEmbeddedStore(places.directory, PLAIN), fails('SECRET_STORE_EXISTS'))
    const identity = readFileSync(places.identity, 'utf8')
    for (const path of [places.store, places.seen]) rmSync(path)
    await assert.rejects(openEmbeddedStore(places.directory, OWN), fails('SECRET_STORE_MISSING'))
    await createEmbeddedStore(places.directory, PLAIN)
    assert.equal(readFileSync(places.identity, 'utf8'), identity)
  })
})

describe('the key of an embedded store', () => {
  test('may be a passphrase, and no other opens it', { timeout: 240_000 }, async (t) => {
    const places = storePlaces(join(makeTemporaryDirectory(t), 'secrets'))
    const passphrase = Buffer.from('correct horse battery')
    await setValue(await createEmbeddedStore(places.directory, { ...PLAIN, passphrase }), 'TOKEN', 'value')
    assert.ok(!readFileSync(places.sealedIdentity).includes('AGE-SECRET-KEY'))
    assert.equal(await getValue(await openEmbeddedStore(places.directory, { kind: 'passphrase', passphrase }), 'TOKEN'), 'value')
    const wrong = openEmbeddedStore(places.directory, { kind: 'passphrase', passphrase: Buffer.from('correct horse batterY') })
    await assert.rejects(wrong, fails('SECRET_STORE_WRONG_KEY'))
    await assert.rejects(openEmbeddedStore(places.directory, OWN), fails('SECRET_STORE_WRONG_KEY'))
    const short = createEmbeddedStore(join(places.directory, 'x'), { ...PLAIN, passphrase: Buffer.from('1234567') })
    await assert.rejects(short, fails('SECRET_KEY_INVALID'))
  })

  test('may lie elsewhere, and a second one opens it too, for reading and for writing', async (t) => {
    const directory = makeTemporaryDirectory(t)
    const [first, second, stranger] = await Promise.all([generateIdentity(), generateIdentity(), generateIdentity()])
    const unlock = (text: string) => ({ kind: 'identity', text: Buffer.from(`# comment\n${text}\n`) }) as const
    const spare = await createEmbeddedStore(join(directory, 'spare'), { ...PLAIN, identity: unlock(second) })
    const recipients = [spare.recipient]
    const store = await createEmbeddedStore(join(directory, 'secrets'), { ...PLAIN, identity: unlock(first), recipients })
    await setValue(store, 'TOKEN', 'value')
    assert.deepEqual(
      readdirSync(join(directory, 'secrets')).filter((name) => name.startsWith('identity')),
      [],
    )
    await setValue(await openEmbeddedStore(join(directory, 'secrets'), unlock(second)), 'TOKEN', 'changed')
    assert.equal(await getValue(store, 'TOKEN'), 'changed')
    await assert.rejects(openEmbeddedStore(join(directory, 'secrets'), unlock(stranger)), fails('SECRET_STORE_WRONG_KEY'))
    const path = join(directory, 'key')
    writeFileSync(path, first, { mode: 0o600 })
    assert.equal(await getValue(await openEmbeddedStore(join(directory, 'secrets'), { kind: 'file', path }), 'TOKEN'), 'changed')
  })

  test('is refused where others could read it, or where it is none', async (t) => {
    const { places } = await makeStore(t)
    chmodSync(places.identity, 0o640)
    await assert.rejects(openEmbeddedStore(places.directory, OWN), fails('SECRET_KEY_UNSAFE'))
    chmodSync(places.identity, 0o600)
    renameSync(places.identity, `${places.identity}.real`)
    symlinkSync(`${places.identity}.real`, places.identity)
    await assert.rejects(openEmbeddedStore(places.directory, OWN), fails('STORE_UNSAFE'))
    for (const text of ['', '# nothing', 'AGE-SECRET-KEY-1', `AGE-SECRET-KEY-1${'Q'.repeat(58)}`, 'x'.repeat(20_000)]) {
      const path = join(places.directory, 'bad')
      writeFileSync(path, text, { mode: 0o600 })
      await assert.rejects(openEmbeddedStore(places.directory, { kind: 'file', path }), fails('SECRET_KEY_INVALID'), text)
    }
    const bad = createEmbeddedStore(join(places.directory, 'y'), { ...PLAIN, recipients: [`age1${'q'.repeat(58)}`] })
    await assert.rejects(bad, fails('SECRET_KEY_INVALID'))
  })

  test('is refused in a directory that others can write to', async (t) => {
    const { places } = await makeStore(t)
    chmodSync(places.directory, 0o770)
    await assert.rejects(openEmbeddedStore(places.directory, OWN), fails('STORE_UNSAFE'))
  })
})

describe('a store that is not what was written last', () => {
  test('is refused with every byte that was edited, and nothing is written', { timeout: 240_000 }, async (t) => {
    const { store, places } = await makeStore(t, { TOKEN: 'a value that is in the payload' })
    const whole = readFileSync(places.store)
    const before = readFileSync(places.seen, 'utf8')
    for (let at = 0; at < whole.byteLength; at++) {
      const edited = Buffer.from(whole)
      edited[at] = (edited[at] ?? 0) ^ (1 << (at % 8))
      writeFileSync(places.store, edited)
      // One in ten also as a writer, who waits for nobody here
      await assert.rejects(
        at % 10 === 0 ? setValue(store, 'TOKEN', 'new') : getValue(store, 'TOKEN'),
        fails('SECRET_STORE_DAMAGED', 'unreadable'),
      )
      assert.deepEqual(readFileSync(places.store), edited)
    }
    assert.equal(readFileSync(places.seen, 'utf8'), before)
    writeFileSync(places.store, whole)
    assert.equal(await getValue(store, 'TOKEN'), 'a value that is in the payload')
  })

  test('is refused with every length that it was cut to, and where it goes on', async (t) => {
    const { store, places } = await makeStore(t, { TOKEN: 'value' })
    const whole = readFileSync(places.store)
    for (let length = 0; length < whole.byteLength; length += 7) {
      writeFileSync(places.store, whole.subarray(0, length))
      await assert.rejects(getValue(store, 'TOKEN'), fails('SECRET_STORE_DAMAGED', 'unreadable'))
    }
    writeFileSync(places.store, Buffer.concat([whole, Buffer.from('x')]))
    await assert.rejects(getValue(store, 'TOKEN'), fails('SECRET_STORE_DAMAGED', 'unreadable'))
    writeFileSync(places.store, Buffer.alloc(32 * 2 ** 20))
    await assert.rejects(getValue(store, 'TOKEN'), fails('SECRET_STORE_DAMAGED', 'unreadable'))
  })

  test('is refused when an older one was put back, another was put there, or it is gone', async (t) => {
    const { store, places } = await makeStore(t, { TOKEN: 'old' })
    const old = readFileSync(places.store)
    await setValue(store, 'TOKEN', 'new')
    writeFileSync(places.store, old)
    await assert.rejects(getValue(store, 'TOKEN'), fails('SECRET_STORE_DAMAGED', 'rolled-back'))
    // age says who can read, not who wrote: whoever knows the recipient can make one
    const content = 'sallyport-secrets/1\n{"generation":9,"writtenAtMs":1,"recipients":[],"secrets":[]}\n'
    writeFileSync(places.store, await sealFor([store.recipient], Buffer.from(content)))
    await assert.rejects(getValue(store, 'TOKEN'), fails('SECRET_STORE_DAMAGED', 'replaced'))
    rmSync(places.store)
    await assert.rejects(getValue(store, 'TOKEN'), fails('SECRET_STORE_DAMAGED', 'missing'))
  })

  test('is refused when nobody remembers what was written last', async (t) => {
    const { store, places } = await makeStore(t, { TOKEN: 'value' })
    for (const text of ['', '{}', 'null', '{"current":{"generation":1,"digest":"x"},"next":null}', ' '.repeat(5000)]) {
      writeFileSync(places.seen, text)
      await assert.rejects(getValue(store, 'TOKEN'), fails('SECRET_STORE_DAMAGED', 'unremembered'))
    }
    rmSync(places.seen)
    await assert.rejects(getValue(store, 'TOKEN'), fails('SECRET_STORE_DAMAGED', 'unremembered'))
  })

  test('is not mistaken for a wrong key', async (t) => {
    const { places } = await makeStore(t)
    const text = Buffer.from(await generateIdentity())
    await assert.rejects(openEmbeddedStore(places.directory, { kind: 'identity', text }), fails('SECRET_STORE_WRONG_KEY'))
  })

  test('goes back to the last good version, which has lost nothing, and then goes on', async (t) => {
    const { store, places } = await makeStore(t, { TOKEN: 'old' })
    await setValue(store, 'TOKEN', 'new')
    const damaged = readFileSync(places.store)
    damaged.fill(0, damaged.byteLength - 20)
    writeFileSync(places.store, damaged)
    const copy = await describeCopy(places.directory, OWN, null)
    assert.deepEqual(copy, { generation: 3, writtenAtMs: NOW_MS, names: ['TOKEN'], isLast: true, lastGeneration: 3 })
    assert.equal(await restoreStore(places.directory, OWN, null), 4)
    assert.equal(await getValue(store, 'TOKEN'), 'new')
    assert.deepEqual(readFileSync(places.damaged), damaged)
    await setValue(store, 'TOKEN', 'newer')
    assert.equal(await getValue(store, 'TOKEN'), 'newer')
  })

  test('goes back to a backup, says what that loses, and refuses it again afterwards', async (t) => {
    const { store, places } = await makeStore(t, { TOKEN: 'old' })
    const backup = join(places.directory, '../backup.age')
    copyFileSync(places.store, backup)
    await setValue(store, 'LATER', 'lost')
    for (const path of [places.store, places.lastGood]) rmSync(path)
    await assert.rejects(describeCopy(places.directory, OWN, null), fails('SECRET_STORE_MISSING'))
    const copy = await describeCopy(places.directory, OWN, backup)
    assert.deepEqual({ ...copy, writtenAtMs: 0 }, { generation: 2, writtenAtMs: 0, names: ['TOKEN'], isLast: false, lastGeneration: 3 })
    await restoreStore(places.directory, OWN, backup)
    assert.equal(await getValue(store, 'TOKEN'), 'old')
    copyFileSync(backup, places.store)
    await assert.rejects(getValue(store, 'TOKEN'), fails('SECRET_STORE_DAMAGED', 'rolled-back'))
    writeFileSync(backup, 'no store')
    await assert.rejects(restoreStore(places.directory, OWN, backup), fails('SECRET_STORE_DAMAGED'))
  })
})

test('a change is announced when it is ready, with its digest, and does not happen when that fails', async (t) => {
  const { store, places } = await makeStore(t, { TOKEN: 'old' })
  const before = readFileSync(places.store)
  const change = (announce: (written: { digest: string }) => Promise<void>): Promise<void> =>
    store.change((content) => withoutSecret(content, 'TOKEN', NOW_MS), announce)
  await assert.rejects(
    change(async () => {
      assert.deepEqual(readFileSync(places.store), before)
      throw new TypeError('no log')
    }),
    TypeError,
  )
  assert.equal(await getValue(store, 'TOKEN'), 'old')
  let announced = ''
  await change(async ({ digest }) => {
    announced = digest
  })
  assert.equal(announced, digestOf(readFileSync(places.store)))
})
