// SPDX-License-Identifier: Apache-2.0
// Images made to reach out of their tree, to be two things to two readers, or to be more than there is room for. Each is refused by name, and leaves nothing.
import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import {
  buildImage,
  directory,
  type Entry,
  file,
  hardLink,
  type ImageShape,
  INDEX,
  json,
  link,
  MANIFEST,
  outcomeOf,
  pax,
  pullBuilt,
  pullOptions,
  tar,
  temporaryDirectory,
  writeLayout,
} from './_image.ts'
import type { ImageStoreOptions } from './contract.ts'
import { openImageStore } from './image-store.ts'
import type { RefusalReason } from './images-error.ts'

/** How an image is refused. The store has nothing of it afterwards. */
async function refusal(t: TestContext, shape: ImageShape, limits: ImageStoreOptions['limits'] = {}): Promise<string> {
  const place = temporaryDirectory(t)
  const outcome = await outcomeOf(pullBuilt(t, openImageStore(place, { limits }), shape))
  assert.deepEqual([...readdirSync(join(place, 'images')), ...readdirSync(join(place, 'staging'))], [])
  return outcome
}

const layers = (...all: readonly (readonly Entry[])[]): ImageShape => ({ layers: all.map((entries) => tar(entries)) })

const HOSTILE_LAYERS: Readonly<Record<string, readonly [RefusalReason, ImageShape]>> = {
  'a name that goes up': ['path', layers([file('../outside')])],
  'a name that goes up from within': ['path', layers([directory('a'), file('a/../../outside')])],
  'a root that is a link': ['path', layers([link('./', '/etc')])],
  'an entry through an absolute link of its layer': ['through-link', layers([link('a', '/etc'), file('a/passwd')])],
  'an entry through a link of a lower layer': ['through-link', layers([link('a', '/etc')], [file('a/passwd')])],
  'an entry through a relative link': ['through-link', layers([link('a', '../../etc'), directory('a/b')])],
  'an entry below a file': ['through-link', layers([file('a'), file('a/b')])],
  'a hard link out of the tree': ['path', layers([hardLink('a', '../../etc/shadow')])],
  'a hard link to an absolute name': ['hardlink', layers([hardLink('a', '/etc/shadow')])],
  'a hard link through a link': ['hardlink', layers([link('etc', '/etc'), hardLink('a', 'etc/shadow')])],
  'a hard link to a link': ['hardlink', layers([link('b', '/etc/shadow'), hardLink('a', 'b')])],
  'a hard link to a directory': ['hardlink', layers([directory('b'), hardLink('a', 'b')])],
  'a hard link to itself': ['duplicate', layers([file('a'), hardLink('a', 'a')])],
  'a character device': ['device', layers([{ name: 'null', type: '3' }])],
  'a block device': ['device', layers([{ name: 'disk', type: '4' }])],
  'a FIFO': ['device', layers([{ name: 'pipe', type: '6' }])],
  'a whiteout of the directory above': ['whiteout', layers([file('a')], [file('.wh...', '')])],
  'a whiteout of the directory itself': ['whiteout', layers([file('a')], [file('.wh..', '')])],
  'a whiteout of nothing': ['whiteout', layers([file('a')], [file('.wh.', '')])],
  'a whiteout with content': ['whiteout', layers([file('a')], [file('.wh.a', 'x')])],
  'a whiteout that is a directory': ['whiteout', layers([file('a')], [directory('.wh.a')])],
  'an entry below a whiteout': ['whiteout', layers([file('a')], [file('.wh.a/b')])],
  'an entry below an opaque mark': ['whiteout', layers([directory('a')], [file('a/.wh..wh..opq/b')])],
  'an opaque mark that is a link': ['whiteout', layers([directory('a')], [link('a/.wh..wh..opq', '/etc')])],
  'a mark of aufs': ['whiteout', layers([file('.wh..wh.plnk', '')])],
  'a whiteout through a link': ['whiteout', layers([link('a', '/etc')], [file('a/.wh.passwd', '')])],
  'an opaque mark through a link': ['whiteout', layers([link('a', '/etc')], [file('a/.wh..wh..opq', '')])],
  'a name and its whiteout in one layer': ['whiteout', layers([file('a')], [file('a'), file('.wh.a', '')])],
  'the same the other way round': ['whiteout', layers([file('a')], [file('.wh.a', ''), file('a')])],
  'a directory and its whiteout in one layer': ['whiteout', layers([file('a/b')], [file('.wh.a', ''), file('a/c')])],
  'a name twice': ['duplicate', layers([file('a', 'one'), file('a', 'two')])],
  'a name twice, spelled differently': ['duplicate', layers([file('a', 'one'), file('./a', 'two')])],
  'a link and a file of one name': ['duplicate', layers([link('a', '/etc/passwd'), file('a')])],
  'a link in place of a directory with entries': ['duplicate', layers([file('a/b'), link('a', '/etc')])],
  'a name with a newline': ['name', layers([file('a\nb')])],
  'a name with an escape': ['name', layers([file('a\u001b[2J')])],
  'a name with NUL': ['name', layers([pax({ path: 'a\0b' }), file('x')])],
  'a part of a name of 256 bytes': ['name', layers([pax({ path: 'n'.repeat(256) }), file('x')])],
  'a name of 5,000 bytes': ['name', layers([pax({ path: 'directory/'.repeat(500) }), file('x')])],
  'a link with NUL in its target': ['link-target', layers([pax({ linkpath: '/etc\0' }), link('a', 'x')])],
  'a link to nothing': ['link-target', layers([link('a', '')])],
  'a long name of GNU that disagrees with that of pax': [
    'long-names',
    layers([{ name: '././@LongLink', type: 'L', content: 'one\0' }, pax({ path: 'two' }), file('three')]),
  ],
  'two long names of GNU': [
    'long-names',
    layers([{ name: '././@LongLink', type: 'L', content: 'one\0' }, { name: '././@LongLink', type: 'L', content: 'two\0' }, file('three')]),
  ],
  'two extended headers': ['long-names', layers([pax({ path: 'one' }), pax({ mtime: '1' }), file('three')])],
  'a record twice in an extended header': [
    'long-names',
    layers([{ name: 'pax', type: 'x', content: '12 path=one\n12 path=two\n' }, file('three')]),
  ],
  'two sizes': ['long-names', layers([pax({ size: '3' }), file('a', 'four')])],
  'a global extended header': ['long-names', layers([{ ...pax({ path: 'all' }), type: 'g' }, file('a')])],
  'a sparse file of GNU': ['sparse', layers([{ name: 'a', type: 'S', content: 'x' }])],
  'a sparse file of pax': ['sparse', layers([pax({ 'GNU.sparse.major': '1', 'GNU.sparse.realsize': '1000000000000' }), file('a')])],
  'an owner that no job has': ['owner', layers([pax({ uid: '65536' }), file('a')])],
  'an owner below zero': ['owner', layers([pax({ gid: '-1' }), file('a')])],
  'an extended header of no records': ['malformed', layers([{ name: 'pax', type: 'x', content: 'nonsense' }, file('a')])],
  'an extended header of 2 MiB': ['malformed', layers([{ name: 'pax', type: 'x', content: Buffer.alloc(2 ** 21, '0') }, file('a')])],
  'an extended header for nothing': ['malformed', layers([pax({ path: 'a' })])],
  'a directory with content': ['malformed', layers([{ ...directory('a'), content: 'x' }])],
  'a file with the name of a directory': ['malformed', layers([{ name: 'a/', content: '' }])],
  'a type that nobody knows': ['malformed', layers([{ name: 'a', type: 'Z' }])],
  'a file that is longer than its archive': ['malformed', layers([{ name: 'a', content: 'x', size: 10_000 }])],
  'bytes behind the end': ['malformed', { layers: [tar([file('a')], Buffer.concat([Buffer.alloc(1024), tar([file('../b')])]))] }],
  'no archive at all': ['malformed', { layers: [Buffer.alloc(2048, 'x')] }],
  'the index of an estargz layer': ['estargz', layers([file('stargz.index.json', '{}')])],
}

for (const [what, [reason, shape]] of Object.entries(HOSTILE_LAYERS))
  test(`a layer with ${what} is refused`, async (t) => assert.equal(await refusal(t, shape), reason))

const plain = layers([directory('bin'), file('bin/sh')])
const layerOf = (manifest: Record<string, unknown>): Record<string, unknown> => (manifest['layers'] as Record<string, unknown>[])[0] ?? {}
const changeLayer = (change: Record<string, unknown>): ImageShape => ({
  ...plain,
  changeManifest: (manifest) => ({ ...manifest, layers: [{ ...layerOf(manifest), ...change }] }),
})
const ZERO = `sha256:${'0'.repeat(64)}`
const nest = (depth: number): ImageShape => ({
  ...plain,
  wrap: (manifest, add) => {
    let named = manifest
    for (let level = 0; level < depth; level += 1)
      named = { mediaType: INDEX, ...add(json({ schemaVersion: 2, mediaType: INDEX, manifests: [named] })) }
    return named
  },
})

const HOSTILE_MANIFESTS: Readonly<Record<string, readonly [RefusalReason, ImageShape]>> = {
  'a layer that has another digest': ['digest', { ...plain, changeConfig: (config) => ({ ...config, rootfs: { diff_ids: [ZERO] } }) }],
  'a layer that has another size': ['digest', changeLayer({ size: 1 })],
  'a digest of another kind': ['digest', changeLayer({ digest: `sha512:${'0'.repeat(128)}` })],
  'a digest that is a path': ['digest', changeLayer({ digest: 'sha256:../../../../etc/passwd' })],
  'a layer of another type': ['media-type', changeLayer({ mediaType: 'application/zip' })],
  'a layer that is packed otherwise': ['malformed', { ...plain, layerType: 'application/vnd.oci.image.layer.v1.tar+zstd' }],
  'a layer that is to be fetched elsewhere': ['foreign-layer', changeLayer({ urls: ['https://192.0.2.1/layer'] })],
  'a layer of a foreign type': ['foreign-layer', changeLayer({ mediaType: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip' })],
  'an encrypted layer': ['encrypted-layer', changeLayer({ mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip+encrypted' })],
  'an estargz layer': ['estargz', changeLayer({ annotations: { 'containerd.io/snapshot/stargz/toc.digest': ZERO } })],
  'a size below zero': ['malformed', changeLayer({ size: -1 })],
  'layers of a petabyte': ['layer-bytes', changeLayer({ size: 2 ** 50 })],
  'two hundred layers': ['layers', layers(...Array.from({ length: 200 }, (_, index) => [file(`f${index}`)]))],
  'fewer digests than layers': ['malformed', { ...plain, changeConfig: (config) => ({ ...config, rootfs: { diff_ids: [] } }) }],
  'the type of something else': [
    'media-type',
    { ...plain, changeManifest: (manifest) => ({ ...manifest, mediaType: 'application/vnd.cncf.helm' }) },
  ],
  'a config of something else': [
    'media-type',
    {
      ...plain,
      changeManifest: (manifest) => ({
        ...manifest,
        config: { ...(manifest['config'] as object), mediaType: 'application/vnd.cncf.helm.config' },
      }),
    },
  ],
  'an index in the same bytes': ['media-type', { ...plain, changeManifest: (manifest) => ({ ...manifest, manifests: [] }) }],
  'schema version 1': ['media-type', { ...plain, changeManifest: (manifest) => ({ ...manifest, schemaVersion: 1 }) }],
  'a list in its place': ['malformed', { ...plain, changeManifest: (manifest) => [manifest] }],
  '5 MiB': [
    'manifest-bytes',
    { ...plain, changeManifest: (manifest) => ({ ...manifest, annotations: { long: 'x'.repeat(5 * 2 ** 20) } }) },
  ],
  'indexes without end': ['nested-index', nest(5)],
  'an index of 1,000 images': [
    'nested-index',
    {
      ...plain,
      wrap: (manifest, add) => ({
        mediaType: INDEX,
        ...add(json({ schemaVersion: 2, manifests: Array.from({ length: 1000 }, () => manifest) })),
      }),
    },
  ],
  'an index whose image has another digest': [
    'digest',
    {
      ...plain,
      wrap: (manifest, add) => {
        const other = add(json({ schemaVersion: 2 }))
        return { mediaType: INDEX, ...add(json({ schemaVersion: 2, manifests: [{ ...manifest, ...other, size: 3 }] })) }
      },
    },
  ],
  'no image for this machine': [
    'architecture',
    {
      ...plain,
      wrap: (manifest, add) => ({
        mediaType: INDEX,
        ...add(json({ schemaVersion: 2, manifests: [{ ...manifest, platform: { os: 'linux', architecture: 'mips64le' } }] })),
      }),
    },
  ],
}

for (const [what, [reason, shape]] of Object.entries(HOSTILE_MANIFESTS))
  test(`a manifest with ${what} is refused`, async (t) => assert.equal(await refusal(t, shape), reason))

const config = (change: Record<string, unknown>): ImageShape => ({ ...plain, config: change })

const HOSTILE_CONFIGS: Readonly<Record<string, readonly [RefusalReason, ImageShape]>> = {
  'a working directory in /proc': ['working-directory', config({ WorkingDir: '/proc/self/fd/8' })],
  'the same by a detour': ['working-directory', config({ WorkingDir: '/./bin/..//proc/self/fd/8' })],
  'the same without a detour up': ['working-directory', config({ WorkingDir: '//proc///self/./fd/8' })],
  'a working directory that a link leads to /proc': [
    'working-directory',
    { ...layers([link('work', '/srv/../proc'), directory('srv')]), config: { WorkingDir: '/work/self/fd/8' } },
  ],
  'a working directory by links without end': [
    'working-directory',
    { ...layers([link('a', 'b'), link('b', 'a')]), config: { WorkingDir: '/a/x' } },
  ],
  'a working directory that is a file': ['working-directory', config({ WorkingDir: '/bin/sh/x' })],
  'a relative working directory': ['working-directory', config({ WorkingDir: 'proc' })],
  'an empty entrypoint': ['entrypoint', config({ Entrypoint: [''] })],
  'an entrypoint with NUL': ['entrypoint', config({ Entrypoint: ['/bin/sh\0'] })],
  'a relative entrypoint': ['entrypoint', config({ Entrypoint: ['./sh'] })],
  'an entrypoint that goes up': ['entrypoint', config({ Entrypoint: ['/bin/../../sh'] })],
  'an entrypoint of numbers': ['entrypoint', config({ Entrypoint: [1] })],
  'an entrypoint that is a text': ['malformed', config({ Entrypoint: '/bin/sh' })],
  'a relative command': ['entrypoint', config({ Cmd: ['../sh'] })],
  'a user that does not exist': ['user', config({ User: 'nobody-here' })],
  'a group that does not exist': ['user', { ...layers([file('etc/passwd', 'me:x:5:5::/:\n')]), config: { User: 'me:wheel' } }],
  'a user whose file is a link': ['user', { ...layers([link('etc', '/etc')]), config: { User: 'root' } }],
  'a user above those of a job': ['user', config({ User: '4294967295' })],
  'a user that is an option': ['user', config({ User: '--user' })],
  'an environment without a name': ['environment', config({ Env: ['=x'] })],
  'an environment with NUL': ['environment', config({ Env: ['A=b\0c'] })],
  'another architecture': ['architecture', { ...plain, changeConfig: (whole) => ({ ...whole, architecture: 'mips64le' }) }],
  'another system': ['architecture', { ...plain, changeConfig: (whole) => ({ ...whole, os: 'windows' }) }],
}

for (const [what, [reason, shape]] of Object.entries(HOSTILE_CONFIGS))
  test(`a config with ${what} is refused`, async (t) => assert.equal(await refusal(t, shape), reason))

test('limits are named: entries, and bytes that a bomb unpacks to', async (t) => {
  const many = layers(Array.from({ length: 1001 }, (_, index) => file(`f${index}`, '')))
  assert.equal(await refusal(t, many, { entriesMax: 1000 }), 'entries')
  // Directories that no layer names count, too: one name makes two thousand of them.
  assert.equal(await refusal(t, layers([pax({ path: 'd/'.repeat(2000) }), { name: 'x', type: '5' }]), { entriesMax: 1000 }), 'entries')
  // 64 MiB of nothing in 64 KiB; in two layers, of which the second hides the first.
  const bomb = layers([file('zero', Buffer.alloc(2 ** 26))], [file('.wh.zero', '')])
  assert.equal(await refusal(t, bomb, { unpackedBytesMax: 2 ** 20 }), 'unpacked-bytes')
  assert.equal(await refusal(t, bomb, { layerBytesMax: 2 ** 10 }), 'layer-bytes')
})

test('a million names are too many by default', async (t) => {
  const blocks = tar([file('00000000', '')], Buffer.alloc(0))
  const all = Buffer.alloc(blocks.length * 500_001)
  for (let index = 0; index <= 500_000; index += 1) {
    blocks.copy(all, index * blocks.length)
    renumber(all.subarray(index * blocks.length), index)
  }
  assert.equal(await refusal(t, { layers: [all] }), 'entries')
})

/** Another name of eight digits, and its sum. */
function renumber(block: Buffer, number: number): void {
  const name = String(number).padStart(8, '0')
  let sum = Number.parseInt(block.toString('latin1', 148, 154), 8)
  for (let at = 0; at < 8; at += 1) sum += name.charCodeAt(at) - (block[at] ?? 0)
  block.write(name, 0, 'latin1')
  block.write(sum.toString(8).padStart(6, '0'), 148, 'latin1')
}

test('what is no layout, and a layout that leads elsewhere, is refused', async (t) => {
  const store = openImageStore(temporaryDirectory(t))
  const empty = temporaryDirectory(t)
  assert.equal(await outcomeOf(store.pull(`oci:${empty}`, pullOptions())), 'IMAGE_NOT_FOUND')
  const honest = writeLayout(join(empty, 'honest'), buildImage(plain))
  assert.equal(await outcomeOf(store.pull(honest.replace(':test', ':other'), pullOptions())), 'IMAGE_NOT_FOUND')
  mkdirSync(join(empty, 'linked'))
  symlinkSync(join(empty, 'honest', 'blobs'), join(empty, 'linked', 'blobs'))
  assert.equal(await outcomeOf(store.pull(`oci:${join(empty, 'linked')}`, pullOptions())), 'IMAGE_NOT_FOUND')
  const { blobs, named } = buildImage(plain)
  const place = join(empty, 'blob-is-a-link')
  writeLayout(place, { blobs: new Map(), manifest: Buffer.alloc(0), named })
  for (const [digest, bytes] of blobs) {
    writeFileSync(join(empty, digest), bytes)
    symlinkSync(join(empty, digest), join(place, 'blobs', 'sha256', digest.slice('sha256:'.length)))
  }
  assert.equal(await outcomeOf(store.pull(`oci:${place}`, pullOptions())), 'malformed')
})

test('a manifest of 100 MiB is not read', async (t) => {
  const place = temporaryDirectory(t)
  const digest = `sha256:${'1'.repeat(64)}`
  writeLayout(place, {
    blobs: new Map([[digest, Buffer.alloc(100 * 2 ** 20, ' ')]]),
    manifest: Buffer.alloc(0),
    named: { mediaType: MANIFEST, digest, size: 100 },
  })
  assert.equal(await outcomeOf(openImageStore(temporaryDirectory(t)).pull(`oci:${place}`, pullOptions())), 'manifest-bytes')
})

test('the same images without what is wrong are taken: the walls above are what refuses', async (t) => {
  const store = openImageStore(temporaryDirectory(t))
  assert.equal(await outcomeOf(pullBuilt(t, store, nest(2))), 'none')
  const passwd = layers([file('etc/passwd', 'me:x:5:5::/:\n'), file('etc/group', 'wheel:x:6:\n'), link('work', '/srv'), directory('srv')])
  assert.equal(
    await outcomeOf(pullBuilt(t, store, { ...passwd, config: { User: 'me:wheel', WorkingDir: '/work/x', Entrypoint: ['/bin/sh'] } })),
    'none',
  )
  assert.equal(
    await outcomeOf(
      pullBuilt(t, store, { ...plain, pack: (layer) => Buffer.concat([gzipSync(layer.subarray(0, 700)), gzipSync(layer.subarray(700))]) }),
    ),
    'none',
  )
})
