// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { prepareHostImage } from './host-image.ts'

const SECRET = 'planted-secret-4711'

interface FakeHost {
  readonly root: string
  readonly images: string
  add(path: string, text: string, mode?: number): void
}

/** A host with what every one has; the test adds what it is about. */
function fakeHost(context: TestContext): FakeHost {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-host-'))
  context.after(() => rmSync(directory, { recursive: true, force: true }))
  const root = join(directory, 'host')
  const add = (path: string, text: string, mode = 0o644): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
    chmodSync(join(root, path), mode)
  }
  add(
    'etc/passwd',
    'root:x:0:0:The Admin,room 7:/root:/bin/zsh\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\nalice:x:1000:1000:Alice A:/home/alice:/bin/bash\nsvc:x:200:200:service:/home/svc:/bin/sh\n',
  )
  add('etc/group', 'root:x:0:alice\nsudo:x:27:alice\nalice:x:1000:\n')
  add('etc/os-release', 'NAME="Fake"\nPRETTY_NAME="Fake Linux 7 (moon)"\n')
  add('usr/bin/true', '')
  symlinkSync('usr/bin', join(root, 'bin'))
  return { root, images: join(directory, 'images'), add }
}

async function build(host: FakeHost): Promise<string> {
  const image = await prepareHostImage(host.images, { resolver: null, host: host.root })
  const source = image.layers.find(({ target }) => target === '/')?.source
  assert.ok(source !== undefined)
  return source
}

/** Nothing below a link: it is not in the image. */
function everyFile(root: string, below = ''): string[] {
  return readdirSync(join(root, below), { withFileTypes: true }).flatMap((entry) => {
    const path = join(below, entry.name)
    return entry.isDirectory() ? everyFile(root, path) : [path]
  })
}

/** Paths of the image whose name, target or content tells the secret. */
function tellTales(root: string): string[] {
  return everyFile(root).filter((path) => {
    const full = join(root, path)
    const content = lstatSync(full).isSymbolicLink() ? readlinkSync(full) : readFileSync(full, 'latin1')
    return path.includes(SECRET) || content.includes(SECRET)
  })
}

test('files that builds read are in the image, with their modes but no special bits', async (context) => {
  const host = fakeHost(context)
  host.add('etc/services', 'http 80/tcp\n')
  host.add('etc/profile.d/x.sh', 'x')
  host.add('etc/alternatives/tool', '#!/bin/sh\n', 0o4755)
  const image = await build(host)
  assert.equal(readFileSync(join(image, 'etc/services'), 'utf8'), 'http 80/tcp\n')
  assert.equal(statSync(join(image, 'etc/alternatives/tool')).mode & 0o7777, 0o755)
  assert.equal(existsSync(join(image, 'etc/profile.d')), false)
})

const PLANTED: readonly (readonly [what: string, path: string, mode: number, text: string])[] = [
  ['password hashes', 'etc/shadow', 0o644, SECRET],
  ['group passwords', 'etc/gshadow', 0o644, SECRET],
  ['keys of the host', 'etc/ssh/ssh_host_ed25519_key', 0o644, SECRET],
  ['a private key beside certificates', 'etc/ssl/private/server.pem', 0o644, SECRET],
  ['a key file beside certificates', 'etc/ssl/certs/server.key', 0o644, SECRET],
  ['a key file in upper case', 'etc/pki/tls/SERVER.KEY', 0o644, SECRET],
  ['a private directory deep in a listed one', 'etc/pki/tls/Private/x.pem', 0o644, SECRET],
  ['apt credentials', 'etc/apt/auth.conf', 0o644, `machine x login y password ${SECRET}`],
  ['apt credentials in a directory', 'etc/apt/auth.conf.d/x.conf', 0o644, `machine x login y password ${SECRET}`],
  ['a URL with a password', 'etc/apt/sources.list.d/x.list', 0o644, `deb https://user:${SECRET}@packages.example.test/ ./`],
  ['a URL with a token alone', 'etc/apt/sources.list', 0o644, `deb https://${SECRET}@packages.example.test/ ./`],
  ['a URL with a password far into a big file', 'etc/apt/big.list', 0o644, `${'#\n'.repeat(1 << 20)}deb https://user:${SECRET}@x/ ./`],
  ['old passwords', 'etc/security/opasswd', 0o644, SECRET],
  ['a file for its owner alone', 'etc/apt/apt.conf.d/99proxy', 0o600, SECRET],
  ['a file for a group', 'etc/apt/preferences', 0o640, SECRET],
  ['an unlisted file', 'etc/some-daemon.conf', 0o644, SECRET],
  ['a home directory', 'root/.netrc', 0o644, SECRET],
  ['a user’s home directory', 'home/alice/.npmrc', 0o644, SECRET],
  ['a file below /var', 'var/lib/some-daemon/key', 0o644, SECRET],
  ['a file below /opt', 'opt/tool/key', 0o644, SECRET],
  ['a file below /run', 'run/secrets/key', 0o644, SECRET],
]

for (const [what, path, mode, text] of PLANTED) {
  test(`${what} is not in the image: /${path}`, async (context) => {
    const host = fakeHost(context)
    host.add(path, text, mode)
    assert.ok(readFileSync(join(host.root, path), 'latin1').includes(SECRET))
    assert.deepEqual(tellTales(await build(host)), [])
  })
}

test('a directory that not everybody may enter is not in the image', async (context) => {
  const host = fakeHost(context)
  host.add('etc/apt/hidden/x.conf', SECRET)
  chmodSync(join(host.root, 'etc/apt/hidden'), 0o750)
  assert.deepEqual(tellTales(await build(host)), [])
})

test('a link stays a link: what it names is not copied', async (context) => {
  const host = fakeHost(context)
  host.add('etc/shadow', SECRET)
  host.add('root/key', SECRET)
  host.add('etc/apt/sources.list', 'deb https://packages.example.test/ ./')
  symlinkSync('../shadow', join(host.root, 'etc/apt/relative'))
  symlinkSync(join(host.root, 'root'), join(host.root, 'etc/apt/directory'))
  symlinkSync('/etc/shadow', join(host.root, 'etc/timezone'))
  const image = await build(host)
  assert.deepEqual(tellTales(image), [])
  assert.equal(readlinkSync(join(image, 'etc/timezone')), '/etc/shadow')
  assert.ok(lstatSync(join(image, 'etc/apt/directory')).isSymbolicLink())
})

test('a listed directory that is a link leads nothing that we write out of the image', async (context) => {
  const host = fakeHost(context)
  mkdirSync(join(host.root, 'elsewhere/apt.conf.d'), { recursive: true })
  symlinkSync(join(host.root, 'elsewhere'), join(host.root, 'etc/apt'))
  const image = await build(host)
  assert.deepEqual(readdirSync(join(host.root, 'elsewhere/apt.conf.d')), [])
  assert.ok(lstatSync(join(image, 'etc/apt/apt.conf.d/99sallyport')).isFile())
})

test('accounts of people are left out, and nothing about root or homes of the host is told', async (context) => {
  const image = await build(fakeHost(context))
  assert.equal(
    readFileSync(join(image, 'etc/passwd'), 'utf8'),
    'root:x:0:0:root:/home/runner:/bin/bash\ndaemon:x:1:1::/usr/sbin:/usr/sbin/nologin\nsvc:x:200:200::/nonexistent:/bin/sh\n',
  )
  assert.equal(readFileSync(join(image, 'etc/group'), 'utf8'), 'root:x:0:\nsudo:x:27:\n')
})

test('the layers are the skeleton and the directories that the host has', async (context) => {
  const host = fakeHost(context)
  mkdirSync(join(host.root, 'lib64'))
  mkdirSync(join(host.root, 'var/lib/dpkg'), { recursive: true })
  const { layers, description } = await prepareHostImage(host.images, { resolver: null, host: host.root })
  assert.deepEqual(
    layers.map(({ target }) => target),
    ['/', '/usr', '/lib64', '/var/lib/dpkg'],
  )
  assert.equal(description, 'host (Fake Linux 7)')
})

test('with a resolver names are asked there, without one nowhere, and never at a service of the host', async (context) => {
  const host = fakeHost(context)
  host.add('etc/nsswitch.conf', 'passwd: files systemd\nhosts: files mdns4_minimal [NOTFOUND=return] resolve dns\n')
  const etc = async (resolver: string | null): Promise<string[]> => {
    const { layers } = await prepareHostImage(host.images, { resolver, host: host.root })
    return ['resolv.conf', 'nsswitch.conf', 'hosts'].map((name) => readFileSync(join(layers[0]?.source ?? '', 'etc', name), 'utf8'))
  }
  const [asked, switched, hosts] = await etc('198.18.0.1')
  assert.equal(asked, 'nameserver 198.18.0.1\noptions ndots:1 timeout:3 attempts:2\n')
  assert.equal(switched, 'passwd: files systemd\nhosts: files dns\n')
  assert.match(hosts ?? '', /^127\.0\.0\.1\tlocalhost\n127\.0\.1\.1\tsallyport$/m)
  assert.deepEqual(await etc(null), ['', switched, hosts])
})

test('the same host gives the same image, and a changed one another', async (context) => {
  const host = fakeHost(context)
  const first = await build(host)
  assert.equal(await build(host), first)
  host.add('etc/timezone', 'Etc/UTC\n')
  assert.notEqual(await build(host), first)
})

test('several that build it at the same time get one image, and leave no half of one', async (context) => {
  const host = fakeHost(context)
  const images = await Promise.all(Array.from({ length: 8 }, () => build(host)))
  assert.equal(new Set(images).size, 1)
  assert.deepEqual(
    readdirSync(host.images).filter((name) => !name.startsWith('host-')),
    [],
  )
})

test('the image of this very host can be made', async (context) => {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-host-'))
  context.after(() => rmSync(directory, { recursive: true, force: true }))
  const { layers } = await prepareHostImage(directory, { resolver: null })
  assert.deepEqual(readdirSync(layers[0]?.source ?? '').includes('etc'), true)
})
