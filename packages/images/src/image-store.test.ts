// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  appendFileSync,
  chmodSync,
  chownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import {
  buildImage,
  digestOf,
  directory,
  file,
  hardLink,
  type ImageShape,
  link,
  outcomeOf,
  pax,
  pullBuilt,
  pullOptions,
  tar,
  temporaryDirectory,
  writeLayout,
} from './_image.ts'
import { startRegistry } from './_registry.ts'
import type { ImageStore, StoredImage } from './contract.ts'
import { openImageStore } from './image-store.ts'

const signal = (): AbortSignal => AbortSignal.timeout(60_000)
const gcOptions = (unusedForMs: number | null = null, isDryRun = false) => ({ unusedForMs, isDryRun, signal: signal() })

const SHAPE: ImageShape = {
  layers: [
    tar([
      directory('bin'),
      { ...file('bin/su', 'a program'), mode: 0o4755 },
      hardLink('bin/sudo', 'bin/su'),
      link('lib', 'usr/lib'),
      { ...directory('tmp'), mode: 0o1777 },
      { ...file('home/me/letter', 'for me'), uid: 1000, gid: 1000, mode: 0o600 },
      file('old/one'),
      file('old/two'),
      directory('hidden'),
      file('hidden/below'),
      file('changed', 'before'),
      link('absolute', '/etc/passwd'),
    ]),
    tar([
      file('old/.wh.one', ''),
      file('hidden/.wh..wh..opq', ''),
      file('hidden/new'),
      file('.wh.nothing-there', ''),
      { ...file('changed', 'after'), mode: 0o755 },
      file('ünïcode'),
      pax({ path: `long/${'n'.repeat(200)}`, 'SCHILY.xattr.security.capability': 'xx', 'SCHILY.xattr.trusted.overlay.redirect': '/etc' }),
      file('x', 'long'),
    ]),
  ],
  config: { User: '', Env: ['PATH=/bin', 'A=b=c'], WorkingDir: '/home/me/', Entrypoint: ['/bin/su'], Cmd: ['-'] },
}

interface Stored {
  readonly place: string
  readonly store: ImageStore
  readonly image: StoredImage
  readonly at: (path: string) => string
}

async function stored(t: TestContext, shape: ImageShape = SHAPE): Promise<Stored> {
  const place = join(temporaryDirectory(t), 'images')
  const store = openImageStore(place)
  const image = await pullBuilt(t, store, shape)
  return { place, store, image, at: (path) => join(image.root, path) }
}

test('a tree is what its layers make, owners, modes and names included, and nothing of what they hide', async (t) => {
  const { image, at, store } = await stored(t)
  assert.deepEqual(readdirSync(image.root).toSorted(), [
    'absolute',
    'bin',
    'changed',
    'hidden',
    'home',
    'lib',
    'long',
    'old',
    'tmp',
    'ünïcode',
  ])
  assert.deepEqual(readdirSync(at('old')), ['two'])
  assert.deepEqual(readdirSync(at('hidden')), ['new'])
  assert.equal(readFileSync(at('changed'), 'utf8'), 'after')
  assert.equal(readFileSync(at(`long/${'n'.repeat(200)}`), 'utf8'), 'long')
  assert.deepEqual([readlinkSync(at('lib')), readlinkSync(at('absolute'))], ['usr/lib', '/etc/passwd'])
  const facts = (path: string): readonly number[] => {
    const { mode, uid, gid, nlink } = lstatSync(at(path))
    return [mode & 0o7777, uid, gid, nlink]
  }
  assert.deepEqual(facts('bin/su'), [0o4755, 0, 0, 2])
  assert.equal(lstatSync(at('bin/su')).ino, lstatSync(at('bin/sudo')).ino)
  assert.deepEqual(facts('home/me/letter'), [0o600, 1000, 1000, 1])
  assert.equal(facts('tmp')[0], 0o1777)
  assert.equal(facts('home/me')[0], 0o755)
  assert.equal(lstatSync(at('changed')).mtimeMs, 1_700_000_000_000)
  assert.deepEqual(image.config, {
    user: '',
    env: { PATH: '/bin', A: 'b=c' },
    workingDir: '/home/me',
    entrypoint: ['/bin/su'],
    cmd: ['-'],
    architecture: image.config.architecture,
  })
  assert.deepEqual([image.digest, image.files], [digestOf(buildImage(SHAPE).manifest), 18])
  assert.equal(
    image.bytes,
    'a program'.length +
      'for me'.length +
      'old/two'.length +
      'hidden/new'.length +
      'after'.length +
      'ünïcode'.length +
      1 +
      'long'.length +
      1,
  )
  await store.check(image)
  const { isIntact, differences, files } = await store.verify(image.digest, signal())
  assert.deepEqual([isIntact, differences, files], [true, [], 18])
  assert.notEqual(store.find(image.digest)?.verifiedAt, null)
})

test('nobody but root reaches a tree', async (t) => {
  const { place, at } = await stored(t)
  chmodSync(join(place, '..'), 0o755)
  const read = spawnSync('setpriv', ['--reuid', '65534', '--regid', '65534', '--clear-groups', 'cat', at('changed')], { encoding: 'utf8' })
  assert.equal(read.status, 1)
  assert.match(read.stderr, /Permission denied/)
})

// Each is done to a stored image, and has to be found by the check before a start.
const QUICK: Readonly<Record<string, (stored: Stored) => void>> = {
  'other content': ({ at }) => appendFileSync(at('changed'), '!'),
  'other content of the same size, and the old time': ({ at }) => {
    const { atime, mtime } = lstatSync(at('changed'))
    writeFileSync(at('changed'), 'aftex')
    utimesSync(at('changed'), atime, mtime)
  },
  'another mode': ({ at }) => chmodSync(at('bin/su'), 0o777),
  'another owner': ({ at }) => chownSync(at('bin/su'), 1000, 1000),
  'a name more': ({ at }) => writeFileSync(at('bin/more'), ''),
  'a name less': ({ at }) => rmSync(at('old/two')),
  'another name': ({ at }) => renameSync(at('old/two'), at('old/three')),
  'another file by its name': ({ at }) => {
    rmSync(at('changed'))
    writeFileSync(at('changed'), 'after', { mode: 0o755 })
  },
  'a link in place of a directory': ({ at }) => {
    renameSync(at('bin'), at('bin.real'))
    symlinkSync('bin.real', at('bin'))
  },
  'another name of a file, elsewhere': ({ at, place }) => linkSync(at('bin/su'), join(place, 'linked')),
  'another root': ({ image }) => {
    renameSync(image.root, `${image.root}.real`)
    mkdirSync(image.root)
  },
  'a config': ({ image }) => appendFileSync(join(image.root, '..', 'config.json'), ' '),
  'a manifest': ({ image }) => appendFileSync(join(image.root, '..', 'manifest.json'), ' '),
  'a record that is empty': ({ image }) => writeFileSync(join(image.root, '..', 'record.json'), ''),
  'a list that is empty': ({ image }) => writeFileSync(join(image.root, '..', 'entries'), ''),
}

for (const [what, change] of Object.entries(QUICK))
  test(`the check before a start finds ${what}`, async (t) => {
    const all = await stored(t)
    await all.store.check(all.image)
    change(all)
    assert.equal(await outcomeOf(all.store.check(all.image)), 'IMAGE_TAMPERED')
  })

test('the check refuses a store that others can enter, or put another in the place of', async (t) => {
  const { place, store, image } = await stored(t)
  for (const [path, mode] of [
    [place, 0o750],
    [join(place, 'images'), 0o777],
    [join(image.root, '..'), 0o755],
    [join(place, '..'), 0o777],
  ] as const) {
    const before = lstatSync(path).mode & 0o7777
    chmodSync(path, mode)
    assert.equal(await outcomeOf(store.check(image)), 'IMAGE_STORE_UNSAFE', path)
    chmodSync(path, before)
    await store.check(image)
  }
  chownSync(join(place, '..'), 1000, 1000)
  assert.equal(await outcomeOf(store.check(image)), 'IMAGE_STORE_UNSAFE')
  assert.equal(await outcomeOf(pullBuilt(t, store, SHAPE)), 'IMAGE_STORE_UNSAFE')
  chownSync(join(place, '..'), 0, 0)
})

test('a verification reads every byte: what a careful root has changed is found, stays on record, and no job starts', async (t) => {
  // So many files that the check before a start looks at a part of them.
  const many = Array.from({ length: 3000 }, (_, index) => file(`files/${String(index).padStart(5, '0')}`, `content ${index}`))
  const { store, image, at, place } = await stored(t, { layers: [tar([directory('files'), ...many])] })
  writeFileSync(at('files/02999'), 'CONTENT 2999')
  rmSync(at('files/01000'))
  mkdirSync(at('files/01001.d'))
  execFileSync('mkfifo', [at('pipe')])
  const { isIntact, differences } = await store.verify(image.digest, signal())
  assert.equal(isIntact, false)
  assert.deepEqual(differences.toSorted(), [
    '/files/01000: is gone',
    '/files/01001.d: is there, and was not',
    '/files/02999: has other content',
    '/pipe: is there, and was not',
  ])
  assert.equal(await outcomeOf(store.check(image)), 'IMAGE_TAMPERED')
  assert.equal(await outcomeOf(pullBuilt(t, store, { layers: [tar([directory('files'), ...many])] })), 'IMAGE_TAMPERED')
  assert.deepEqual(
    (await store.gc(gcOptions())).removed.map(({ digest }) => digest),
    [image.digest],
  )
  const again = await pullBuilt(t, store, { layers: [tar([directory('files'), ...many])] })
  assert.equal(again.digest, image.digest)
  await store.check(again)
  writeFileSync(join(again.root, '..', 'entries'), readFileSync(join(again.root, '..', 'entries'), 'latin1').replace('content', 'c0ntent'))
  assert.deepEqual(readdirSync(join(place, 'staging')), [])
})

test('a copy of a store is usable again once it has been verified', async (t) => {
  const { place, image } = await stored(t)
  const copy = join(temporaryDirectory(t), 'copy')
  execFileSync('cp', ['-a', place, copy])
  const store = openImageStore(copy)
  const there = store.find(image.digest)
  assert.ok(there !== null)
  assert.equal(await outcomeOf(store.check(there)), 'IMAGE_TAMPERED')
  assert.equal((await store.verify(image.digest, signal())).isIntact, true)
  await store.check(there)
})

test('what has no name goes, what is in use stays, and a name that is old goes when that is asked for', async (t) => {
  const { place, store, image } = await stored(t)
  assert.deepEqual((await store.gc(gcOptions())).kept, [{ digest: image.digest, reason: 'referenced' }])
  {
    await using _first = await store.use(image)
    await using _second = await openImageStore(place).use(image)
    assert.deepEqual((await store.gc(gcOptions(0))).kept, [{ digest: image.digest, reason: 'in-use' }])
  }
  assert.deepEqual((await store.gc(gcOptions(3_600_000))).kept, [{ digest: image.digest, reason: 'referenced' }])
  const dry = await store.gc(gcOptions(0, true))
  assert.deepEqual([dry.removed.length, dry.freedBytes], [1, image.bytes])
  await store.check(image)
  const { removed, freedBytes } = await store.gc(gcOptions(0))
  assert.deepEqual([removed.map(({ digest }) => digest), freedBytes], [[image.digest], image.bytes])
  assert.equal(store.find(image.digest), null)
  assert.equal(await outcomeOf(store.use(image)), 'IMAGE_NOT_FOUND')
  assert.equal(await outcomeOf(store.check(image)), 'IMAGE_NOT_FOUND')
  assert.deepEqual([await store.list(), readdirSync(join(place, 'images')), readdirSync(join(place, 'staging'))], [[], [], []])
})

test('a descriptor that is handed on keeps an image in use after its first holder has ended', async (t) => {
  const { store, image } = await stored(t)
  const use = await store.use(image)
  const holder = spawn('cat', [], { stdio: ['pipe', 'ignore', 'ignore', use.descriptor] })
  await use[Symbol.asyncDispose]()
  assert.equal((await store.gc(gcOptions(0))).kept[0]?.reason, 'in-use')
  const ended = once(holder, 'exit')
  holder.stdin?.end()
  await ended
  assert.equal((await store.gc(gcOptions(0))).removed.length, 1)
})

test('pulls of one digest at once transfer it once', async (t) => {
  await using registry = await startRegistry()
  registry.repositories.set('acme/app', { image: buildImage(SHAPE), readers: null })
  const place = temporaryDirectory(t)
  const pull = () => openImageStore(place, { dangerouslyWithoutTls: [registry.host] }).pull(`${registry.host}/acme/app:1`, pullOptions())
  const images = await Promise.all([pull(), pull(), pull(), pull()])
  assert.equal(new Set(images.map(({ root }) => root)).size, 1)
  const layers = registry.asked.filter((line) => line.includes('/blobs/'))
  assert.equal(layers.length, new Set(layers).size, layers.join('\n'))
})

test('a pull that is killed leaves nothing that the next does not remove; one that is interrupted leaves nothing', async (t) => {
  await using registry = await startRegistry()
  let release = (): void => undefined
  const held = new Promise<void>((resolve) => {
    release = resolve
  })
  let begun = 0
  const delay = async (): Promise<void> => {
    begun += 1
    await held
  }
  registry.repositories.set('acme/app', { image: buildImage(SHAPE), readers: ['alice:words-of-alice'], delay })
  const place = temporaryDirectory(t)
  const reference = `${registry.host}/acme/app:1`
  const program = fileURLToPath(new URL('_pull-process.ts', import.meta.url))
  const child = spawn(process.execPath, ['--no-warnings', program, place, registry.host, reference], { stdio: 'ignore' })
  for (let waited = 0; begun === 0 && waited < 600; waited += 1) await sleep(100)
  assert.ok(begun > 0)
  assertNoSecret('words-of-alice')
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
  const left = readdirSync(join(place, 'staging'))
  assert.equal(left.length, 2)
  assert.deepEqual(readdirSync(join(place, 'images')), [])

  const interrupted = new AbortController()
  const before = begun
  const store = openImageStore(place, { dangerouslyWithoutTls: [registry.host] })
  const credentials = { username: 'alice', password: 'words-of-alice' }
  const pulling = store.pull(reference, { credentials, signal: interrupted.signal }).then(
    () => 'done',
    (error: Error) => error.name,
  )
  for (let waited = 0; begun === before && waited < 600; waited += 1) await sleep(100)
  assert.ok(begun > before)
  interrupted.abort()
  assert.equal(await pulling, 'AbortError')
  assert.deepEqual(readdirSync(join(place, 'staging')), [])

  release()
  assert.equal((await store.pull(reference, { credentials, signal: signal() })).digest, digestOf(buildImage(SHAPE).manifest))
  assert.equal(await transferPrograms(place), 0)
})

/** In no argument and no environment of any process. */
function assertNoSecret(secret: string): void {
  let looked = 0
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name)))
    for (const name of ['cmdline', 'environ']) {
      try {
        assert.ok(!readFileSync(`/proc/${pid}/${name}`, 'latin1').includes(secret), `${pid} ${name}`)
        looked += 1
      } catch (error) {
        if (error instanceof assert.AssertionError) throw error // Else the process has ended.
      }
    }
  assert.ok(looked > 2)
}

/** Programs that still work on a store. */
async function transferPrograms(place: string): Promise<number> {
  const count = (): number =>
    readdirSync('/proc').filter((pid) => {
      try {
        return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(place)
      } catch {
        return false // It has ended.
      }
    }).length
  for (let waited = 0; count() > 0 && waited < 300; waited += 1) await sleep(100)
  return count()
}

test('archives: of OCI, of Docker, and what is none', async (t) => {
  const place = temporaryDirectory(t)
  const store = openImageStore(join(place, 'store'))
  const layout = join(place, 'layout')
  writeLayout(layout, buildImage(SHAPE))
  execFileSync('tar', ['-C', layout, '-cf', join(place, 'oci.tar'), '.'])
  const oci = await store.pull(`oci-archive:${join(place, 'oci.tar')}:test`, pullOptions())
  assert.equal(oci.digest, digestOf(buildImage(SHAPE).manifest))
  execFileSync('skopeo', [
    '--insecure-policy',
    'copy',
    '--quiet',
    `oci:${layout}:test`,
    `docker-archive:${join(place, 'docker.tar')}:acme/app:1`,
  ])
  const docker = await store.pull(`docker-archive:${join(place, 'docker.tar')}`, pullOptions())
  assert.equal(readFileSync(join(docker.root, 'changed'), 'utf8'), 'after')
  assert.deepEqual(docker.config, oci.config)
  assert.equal((await store.pull(`docker-archive:${join(place, 'docker.tar')}`, pullOptions())).digest, docker.digest)
  writeFileSync(join(place, 'none.tar'), 'nothing')
  for (const kind of ['oci-archive', 'docker-archive'])
    assert.equal(await outcomeOf(store.pull(`${kind}:${join(place, 'none.tar')}`, pullOptions())), 'malformed', kind)
  assert.equal(await outcomeOf(store.pull(`oci-archive:${join(place, 'absent.tar')}`, pullOptions())), 'IMAGE_NOT_FOUND')
  execFileSync('gzip', ['-k', join(place, 'oci.tar')])
  assert.equal(await outcomeOf(store.pull(`oci-archive:${join(place, 'oci.tar.gz')}:test`, pullOptions())), 'malformed')
})

test('an archive of Docker whose layers unpack to more than they may is cut off', async (t) => {
  const place = temporaryDirectory(t)
  const bomb = buildImage({ layers: [tar([file('zero', Buffer.alloc(2 ** 26))])] })
  execFileSync('skopeo', [
    '--insecure-policy',
    'copy',
    '--quiet',
    `${writeLayout(join(place, 'layout'), bomb)}`,
    `docker-archive:${join(place, 'docker.tar')}`,
  ])
  const store = openImageStore(join(place, 'store'), { limits: { unpackedBytesMax: 2 ** 20 } })
  assert.match(await outcomeOf(store.pull(`docker-archive:${join(place, 'docker.tar')}`, pullOptions())), /^(layer-bytes|unpacked-bytes)$/)
  assert.deepEqual(readdirSync(join(place, 'store', 'staging')), [])
})

test('a full disk is an error with a name, and leaves nothing', { timeout: 240_000 }, async (t) => {
  const place = temporaryDirectory(t)
  const shape: ImageShape = { layers: [tar([file('big', Buffer.alloc(6 * 2 ** 20, 'not so big'))])] }
  const reference = writeLayout(join(place, 'layout'), buildImage(shape))
  mkdirSync(join(place, 'small'), { mode: 0o700 })
  const program = fileURLToPath(new URL('_pull-process.ts', import.meta.url))
  // In a mount namespace of its own: the small disk is there and nowhere else.
  const script = `mount -t tmpfs -o size=8m,mode=700 tmpfs "$1/small" && "$2" --no-warnings "$3" "$1/small/store" none "$4" 2>&1; ls "$1/small/store/staging" "$1/small/store/images"`
  const ran = spawnSync('unshare', ['--mount', 'sh', '-c', script, 'sh', place, process.execPath, program, reference], { encoding: 'utf8' })
  assert.match(ran.stdout, /IMAGE_STORE_FULL/)
  assert.match(ran.stdout, /images:\n\n.*staging:\n$/s)
})
