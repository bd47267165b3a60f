// SPDX-License-Identifier: Apache-2.0
// Pushing an image: archives that a job made to harm, and registries that are not what they should be. The registry is a double; nothing leaves 127.0.0.1.
import assert from 'node:assert/strict'
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { after, test } from 'node:test'
import { type Handler, startServer } from '../_server.ts'
import { ArtifactFile } from '../artifact-file.ts'
import type { ImagePublication, PublishOutcome } from '../contract.ts'
import { blob, descriptor, digestOf, type Entry, json, layout, tar } from './_layout.ts'
import { pushImage } from './push-image.ts'

const directory = mkdtempSync(join(tmpdir(), 'sallyport-image-'))
after(() => rmSync(directory, { recursive: true }))

async function push(archive: Buffer, handle: Handler, changed: Partial<ImagePublication> = {}): Promise<PublishOutcome> {
  const path = join(directory, 'image.tar')
  writeFileSync(path, archive)
  await using server = await startServer(handle)
  const artifact = openSync(path, 'r')
  try {
    const publication: ImagePublication = {
      kind: 'image',
      registry: server.url,
      repository: 'acme/app',
      tag: '1.0',
      credential: 'user:pass-word',
      hosts: [],
      bytes: archive.length,
      authorities: server.authority,
      timeoutMs: 20_000,
      ...changed,
    }
    return await pushImage(publication, new ArtifactFile(artifact, archive.length))
  } finally {
    closeSync(artifact)
  }
}

type Login = 'none' | 'basic' | 'bearer'

/** What a registry keeps, and what it was asked. */
class Registry {
  readonly blobs = new Map<string, Buffer>()
  readonly manifests = new Map<string, Buffer>()
  readonly asked: string[] = []
  readonly shown = new Set<string>()
  readonly #login: Login

  constructor(login: Login) {
    this.#login = login
  }

  readonly handle: Handler = (request, response) => void this.#answer(request, response)

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await buffer(request)
    const { pathname, searchParams } = new URL(request.url ?? '', 'https://registry')
    const given = request.headers.authorization ?? ''
    this.shown.add(given)
    this.asked.push(`${request.method} ${pathname.replace(/[0-9a-f]{64}/, '…')}`)
    const say = (status: number, headers: Record<string, string> = {}, text = ''): void =>
      void response.writeHead(status, headers).end(text)
    if (pathname === '/token') {
      assert.equal(searchParams.get('scope'), 'repository:acme/app:pull,push')
      assert.equal(searchParams.get('service'), 'registry.test')
      return given === BASIC ? say(200, {}, '{"token":"t0k.en"}') : say(401)
    }
    const wanted = this.#login === 'basic' ? BASIC : this.#login === 'bearer' ? 'Bearer t0k.en' : given
    if (given !== wanted) {
      const realm = `Bearer realm="https://${request.headers.host}/token",service="registry.test",scope="repository:other:delete"`
      return say(401, { 'www-authenticate': this.#login === 'basic' ? 'Basic realm="x"' : realm })
    }
    const digest = searchParams.get('digest') ?? ''
    if (request.method === 'HEAD') return say(this.blobs.has(pathname.split('/').at(-1) ?? '') ? 200 : 404)
    if (request.method === 'POST') return say(202, { location: '/v2/acme/app/blobs/uploads/7?state=x' })
    if (pathname.startsWith('/v2/acme/app/manifests/')) {
      this.manifests.set(pathname.split('/').at(-1) ?? '', body)
      return say(201, { 'docker-content-digest': digestOf(body) })
    }
    if (searchParams.get('state') !== 'x' || digestOf(body) !== digest) return say(400)
    this.blobs.set(digest, body)
    return say(201)
  }
}

const BASIC = `Basic ${Buffer.from('user:pass-word').toString('base64')}`

for (const login of ['none', 'basic', 'bearer'] as const)
  test(`an image arrives whole, its name last, where the registry asks for ${login}`, async () => {
    const { entries, layers, manifest, root } = layout()
    const registry = new Registry(login)
    const outcome = await push(tar(entries), registry.handle)
    assert.deepEqual(outcome, { published: true, status: 201, digest: digestOf(root) })
    for (const layer of layers) assert.deepEqual(registry.blobs.get(digestOf(layer)), layer)
    assert.deepEqual([...registry.manifests.keys()], [digestOf(manifest), '1.0'])
    assert.deepEqual(registry.manifests.get('1.0'), root)
    if (login === 'none') assert.deepEqual([...registry.shown], [''], 'a credential that nobody asked for')
    const again = new Registry(login)
    for (const [digest, content] of registry.blobs) again.blobs.set(digest, content)
    await push(tar(entries), again.handle)
    assert.ok(!again.asked.some((line) => line.startsWith('POST')), 'what is there is sent again')
  })

test('an archive that is none, or no image, sends nothing', async () => {
  const { entries, layers } = layout()
  const without = (name: string): readonly Entry[] => entries.filter((entry) => entry.name !== name)
  const file = (name: string, content: Buffer): readonly Entry[] => [...without(name), { name, content }]
  const ofManifest = (change: Parameters<typeof layout>[0]): Buffer => tar(layout(change).entries)
  const layer = layers[0] ?? assert.fail()
  const index = (...manifests: unknown[]): Buffer => tar(file('index.json', json({ schemaVersion: 2, manifests })))
  const archives: Readonly<Record<string, Buffer>> = {
    empty: Buffer.alloc(0),
    'no archive': Buffer.alloc(5000, 'x'),
    'cut off': tar(entries).subarray(0, 100_000),
    'no end': tar(entries, Buffer.alloc(0)),
    'a name out of it': tar([...entries, { name: '../../etc/passwd', content: Buffer.from('x') }]),
    'an absolute name': tar([...entries, { name: '/etc/passwd', content: Buffer.from('x') }]),
    'a link': tar([...without('index.json'), { name: 'index.json', type: '2', link: '/etc/passwd' }]),
    'a hard link': tar([...entries, { name: 'a', type: '1', link: 'index.json' }]),
    'a device': tar([...entries, { name: 'a', type: '3' }]),
    'an extended header': tar([{ name: 'pax', type: 'x', content: Buffer.from('20 path=index.json\n') }, ...entries]),
    'a file twice': tar([...entries, { name: './index.json', content: json({ manifests: [] }) }]),
    'a size beyond the end': tar([...entries, { name: 'a', size: 2 ** 32 }]),
    'too many files': tar([...entries, ...Array.from({ length: 5001 }, (_, at) => ({ name: `f${at}` }))]),
    'no layout': tar(without('oci-layout')),
    'another layout': tar(file('oci-layout', json({ imageLayoutVersion: '2.0.0' }))),
    'no JSON': tar(file('index.json', Buffer.from('{'))),
    'JSON that is no object': tar(file('index.json', Buffer.from('[]'))),
    'JSON that is too much': tar(file('index.json', Buffer.alloc(5 * 2 ** 20, ' '))),
    'no image': index(),
    'two images': index({}, {}),
    'a digest that is a path': index({ mediaType: 'application/vnd.oci.image.manifest.v1+json', digest: 'sha256:../../x', size: 1 }),
    'a type that is none': index(descriptor(layer, 'text/html')),
    'a layer as a manifest': index(descriptor(layer, 'application/vnd.oci.image.manifest.v1+json')),
    'a layer that is missing': tar(without(blob(layer).name)),
    'a layer of other bytes': tar([...without(blob(layer).name), { name: blob(layer).name, content: Buffer.alloc(layer.length) }]),
    'a layer of another size': ofManifest((manifest) => ({ ...manifest, layers: [{ ...descriptor(layer, 'a/b'), size: 1 }] })),
    'a layer from elsewhere': ofManifest((manifest) => ({
      ...manifest,
      layers: [{ ...descriptor(layer, 'a/b'), urls: ['https://evil.test/'] }],
    })),
    'too many layers': ofManifest((manifest) => ({ ...manifest, layers: Array.from({ length: 1001 }, () => descriptor(layer, 'a/b')) })),
    'no config': ofManifest(({ config: _, ...manifest }) => manifest),
    'another schema': ofManifest((manifest) => ({ ...manifest, schemaVersion: 1 })),
    'a manifest that says something else': ofManifest((manifest) => ({
      ...manifest,
      mediaType: 'application/vnd.oci.image.index.v1+json',
    })),
  }
  for (const [what, archive] of Object.entries(archives)) {
    const registry = new Registry('none')
    const outcome = await push(archive, registry.handle)
    assert.ok(!outcome.published && outcome.failure === 'artifact' && !outcome.mayBeThere, what)
    assert.deepEqual(registry.asked, [], what)
  }
})

test('the credential is shown to nobody but the registry and the hosts of the secret', async () => {
  let shown = 0
  await using thief = await startServer((request, response) => {
    shown += request.headers.authorization === undefined ? 0 : 1
    response.end('{"token":"x"}')
  })
  const archive = tar(layout().entries)
  const challenge = (realm: string): Handler => {
    return (request, response) =>
      void request.resume().on('end', () => response.writeHead(401, { 'www-authenticate': `Bearer realm="${realm}"` }).end())
  }
  for (const realm of [thief.url, thief.url.replace('https', 'http'), 'https://evil.test/', 'file:///etc/passwd', '']) {
    const outcome = await push(archive, challenge(realm))
    assert.ok(!outcome.published && outcome.failure === 'redirected', realm)
  }
  const away: Handler = (request, response) => {
    const status = request.method === 'HEAD' ? 404 : 202
    request.resume().on('end', () => response.writeHead(status, { location: `${thief.url}/upload` }).end())
  }
  const outcome = await push(archive, away)
  assert.ok(!outcome.published && outcome.failure === 'redirected')
  assert.equal(shown, 0)
})

test('what a registry says is what comes of it', async () => {
  const archive = tar(layout().entries)
  const failureOf = async (handle: Handler, changed: Partial<ImagePublication> = {}): Promise<string> => {
    const outcome = await push(archive, handle, changed)
    assert.ok(!outcome.published)
    assert.doesNotMatch(outcome.message, /pass-word/)
    return `${outcome.failure}${outcome.mayBeThere ? ' (may be there)' : ''}`
  }
  const always =
    (status: number): Handler =>
    (request, response) =>
      void request.resume().on('end', () => response.writeHead(status).end())
  assert.equal(await failureOf(always(403)), 'refused')
  assert.equal(await failureOf(always(401)), 'refused')
  assert.equal(await failureOf(always(307)), 'redirected')
  assert.equal(await failureOf(always(500)), 'failed')
  assert.equal(await failureOf(always(200)), 'failed')
  assert.equal(await failureOf(() => undefined, { timeoutMs: 300 }), 'timeout')
  assert.equal(await failureOf(always(201), { authorities: null }), 'certificate')
  assert.equal(await failureOf(new Registry('basic').handle, { credential: 'user:wrong' }), 'refused')
  assert.equal(await failureOf(new Registry('basic').handle, { credential: null }), 'refused')
  const registry = new Registry('none')
  const liar: Handler = (request, response) => {
    if (request.url?.endsWith('/manifests/1.0') !== true) return registry.handle(request, response)
    request.resume().on('end', () => response.writeHead(201, { 'docker-content-digest': `sha256:${'0'.repeat(64)}` }).end())
  }
  assert.equal(await failureOf(liar), 'failed (may be there)')
  const cut: Handler = (request, response) => {
    if (request.url?.endsWith('/manifests/1.0') !== true) return registry.handle(request, response)
    request.socket.destroy()
  }
  assert.equal(await failureOf(cut), 'unreachable (may be there)')
})
