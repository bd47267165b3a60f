// SPDX-License-Identifier: Apache-2.0
// Who gets an image from a store that others share: whoever its registry gives it to, now.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type BuiltImage, buildImage, digestOf, file, outcomeOf, tar, temporaryDirectory } from './_image.ts'
import { startRegistry, type TestRegistry } from './_registry.ts'
import type { ImageStore, StoredImage } from './contract.ts'
import { openImageStore } from './image-store.ts'

const ALICE = 'alice:words-of-alice'
const MALLORY = 'mallory:words-of-mallory'
const secret: BuiltImage = buildImage({ layers: [tar([file('secret', 'of acme')])] })

interface Tenants extends AsyncDisposable {
  readonly registry: TestRegistry
  readonly store: ImageStore
  pull(place: string, who: string | null): Promise<StoredImage>
}

async function tenants(t: TestContext): Promise<Tenants> {
  const registry = await startRegistry()
  const other = await startRegistry()
  other.repositories.set('mallory/own', { image: secret, readers: null, hasLayers: false })
  registry.repositories.set('acme/private', { image: secret, readers: [ALICE] })
  registry.repositories.set('mallory/copy', { image: secret, readers: [MALLORY], hasLayers: false })
  const store = openImageStore(temporaryDirectory(t), { dangerouslyWithoutTls: [registry.host, other.host] })
  return {
    registry,
    store,
    pull: (place, who) => {
      const [username = '', password = ''] = who?.split(':') ?? []
      const host = place === 'mallory/own' ? other.host : registry.host
      return store.pull(`${host}/${place}:1`, {
        credentials: who === null ? null : { username, password },
        signal: AbortSignal.timeout(60_000),
      })
    },
    [Symbol.asyncDispose]: async () => {
      await registry[Symbol.asyncDispose]()
      await other[Symbol.asyncDispose]()
    },
  }
}

test('a private image that is stored is given to nobody without access, and asked for each time', async (t) => {
  await using world = await tenants(t)
  const { registry, pull } = world
  assert.equal(await outcomeOf(pull('acme/private', null)), 'IMAGE_ACCESS_DENIED')
  const image = await pull('acme/private', ALICE)
  assert.equal(image.digest, digestOf(secret.manifest))
  for (const who of [null, MALLORY, 'alice:words-of-another'])
    assert.equal(await outcomeOf(pull('acme/private', who)), 'IMAGE_ACCESS_DENIED', String(who))
  registry.asked.length = 0
  assert.equal((await pull('acme/private', ALICE)).digest, image.digest)
  assert.ok(
    registry.asked.some((line) => line === `GET /v2/acme/private/manifests/1 ${ALICE}`),
    registry.asked.join('\n'),
  )
  assert.ok(!registry.asked.some((line) => line.includes('/blobs/')))
  registry.repositories.set('acme/private', { image: secret, readers: ['somebody:else'] })
  assert.equal(await outcomeOf(pull('acme/private', ALICE)), 'IMAGE_ACCESS_DENIED')
})

test('who knows the manifest of a stored image, and puts it somewhere else, does not get its layers', async (t) => {
  await using world = await tenants(t)
  const { registry, pull } = world
  await pull('acme/private', ALICE)
  assert.equal(await outcomeOf(pull('mallory/copy', MALLORY)), 'IMAGE_NOT_FOUND')
  assert.equal(await outcomeOf(pull('mallory/own', null)), 'IMAGE_NOT_FOUND')
  // Who has the layers has them.
  registry.repositories.set('mallory/copy', { image: secret, readers: [MALLORY] })
  assert.equal(await outcomeOf(pull('mallory/copy', MALLORY)), 'none')
  registry.asked.length = 0
  assert.equal(await outcomeOf(pull('mallory/copy', MALLORY)), 'none')
  assert.ok(!registry.asked.some((line) => line.includes('/blobs/')))
})

test('credentials go to the registry that they are for, and are nowhere in the store or in an error', async (t) => {
  await using world = await tenants(t)
  const { registry, pull } = world
  const told: string[] = []
  for (const place of ['acme/private', 'acme/none'])
    await pull(place, MALLORY).catch((error: unknown) => told.push(JSON.stringify(error), String(error)))
  assert.equal(told.length, 4)
  assert.ok(!told.join('').includes('words-of'))
  assert.ok(registry.asked.some((line) => line.endsWith(MALLORY)))
})

test('what a registry sends in place of a layer, or of a manifest, is refused', async (t) => {
  await using world = await tenants(t)
  const { registry, store, pull } = world
  registry.repositories.set('acme/forged', { image: secret, readers: null, forge: () => Buffer.from('something else') })
  assert.match(await outcomeOf(pull('acme/forged', ALICE)), /^(digest|IMAGE_TRANSFER_FAILED)$/)
  const other = buildImage({ layers: [tar([file('other')])] })
  registry.repositories.set('acme/moved', { image: other, readers: null })
  const options = { credentials: { username: 'alice', password: 'words-of-alice' }, signal: AbortSignal.timeout(60_000) }
  const pinned = `${registry.host}/acme/moved@${digestOf(secret.manifest)}`
  assert.equal(await outcomeOf(store.pull(pinned, options)), 'IMAGE_NOT_FOUND')
  other.blobs instanceof Map && other.blobs.set(digestOf(secret.manifest), other.manifest)
  assert.match(await outcomeOf(store.pull(pinned, options)), /^(digest|IMAGE_TRANSFER_FAILED)$/)
  assert.deepEqual(await store.list(), [])
})

test('a name that moves to another image is that one from then on, and both digests are known', async (t) => {
  await using world = await tenants(t)
  const { registry, store, pull } = world
  const first = await pull('acme/private', ALICE)
  const next = buildImage({ layers: [tar([file('secret', 'of acme, newer')])] })
  registry.repositories.set('acme/private', { image: next, readers: [ALICE] })
  const second = await pull('acme/private', ALICE)
  assert.notEqual(first.digest, second.digest)
  const named = (await store.list()).filter(({ reference }) => reference.includes('acme/private'))
  assert.deepEqual(
    named.map(({ digest }) => digest),
    [second.digest],
  )
  assert.equal(store.find(first.digest)?.reference, first.digest)
})

test('a registry that is not there, and one that nobody has said goes without TLS, is said so', async (t) => {
  await using world = await tenants(t)
  const strict = openImageStore(temporaryDirectory(t))
  const options = { credentials: null, signal: AbortSignal.timeout(60_000) }
  assert.equal(await outcomeOf(strict.pull(`${world.registry.host}/acme/private:1`, options)), 'IMAGE_TRANSFER_FAILED')
  assert.equal(await outcomeOf(strict.pull('127.0.0.1:1/acme/private:1', options)), 'IMAGE_TRANSFER_FAILED')
  assert.deepEqual(
    world.registry.asked.filter((line) => !line.startsWith('GET /v2/ ')),
    [],
  )
})
