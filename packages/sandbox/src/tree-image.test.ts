// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { ImageTree } from './image-tree.ts'
import { planCover, prepareTreeImage } from './tree-image.ts'

const directory = mkdtempSync(join(tmpdir(), 'sallyport-tree-image-'))
after(() => rmSync(directory, { recursive: true, force: true }))

let serial = 0
function treeOf(plant: (root: string) => void = () => undefined): string {
  serial += 1
  const root = join(directory, `tree${serial}`)
  mkdirSync(join(root, 'etc'), { recursive: true })
  plant(root)
  return root
}

const coverOf = (root: string): ReadonlyMap<string, string | null> =>
  new Map(planCover(new ImageTree(root), '192.0.2.53').map(({ path, text }) => [path, text]))

test('what every sandbox needs lies over an image, parents first', () => {
  const root = treeOf()
  const cover = planCover(new ImageTree(root), '192.0.2.53')
  const seen = new Set([''])
  for (const { path } of cover) {
    assert.ok(seen.has(path.split('/').slice(0, -1).join('/')), path)
    assert.ok(!seen.has(path), path)
    seen.add(path)
  }
  for (const path of ['proc', 'sys', 'dev', 'run', 'tmp', 'var/tmp', 'home/runner', 'opt/hostedtoolcache']) assert.ok(seen.has(path), path)
  assert.match(coverOf(root).get('etc/resolv.conf') ?? '', /^nameserver 192\.0\.2\.53\n/)
})

test("of an image's nsswitch.conf everything but the hosts stays", () => {
  const root = treeOf((tree) => writeFileSync(join(tree, 'etc/nsswitch.conf'), 'passwd: files systemd\nhosts: files mdns4 dns\n'))
  assert.equal(coverOf(root).get('etc/nsswitch.conf'), 'passwd: files systemd\nhosts: files dns\n')
})

test('a file that is a link, or too large, is not read', () => {
  const secret = join(directory, 'secret')
  writeFileSync(secret, 'passwd: of the host\n')
  const linked = treeOf((tree) => symlinkSync(secret, join(tree, 'etc/nsswitch.conf')))
  assert.equal(coverOf(linked).get('etc/nsswitch.conf'), 'hosts: files dns\n')
  const large = treeOf((tree) => writeFileSync(join(tree, 'etc/nsswitch.conf'), 'x'.repeat(70_000)))
  assert.equal(coverOf(large).get('etc/nsswitch.conf'), 'hosts: files dns\n')
  const behindLink = treeOf((tree) => {
    rmSync(join(tree, 'etc'), { recursive: true })
    mkdirSync(join(directory, 'elsewhere'))
    writeFileSync(join(directory, 'elsewhere/nsswitch.conf'), 'passwd: of the host\n')
    symlinkSync(join(directory, 'elsewhere'), join(tree, 'etc'))
  })
  assert.equal(coverOf(behindLink).get('etc/nsswitch.conf'), 'hosts: files dns\n')
})

test('accounts are given to an image that has none, and left to one that has', () => {
  assert.match(coverOf(treeOf()).get('etc/passwd') ?? '', /^root:x:0:0:/)
  const own = treeOf((tree) => writeFileSync(join(tree, 'etc/passwd'), 'me:x:0:0::/:/bin/sh\n'))
  assert.ok(!coverOf(own).has('etc/passwd'))
})

test('apt and sudo are set up where there are directories for them, and not over links', () => {
  const debian = treeOf((tree) => {
    mkdirSync(join(tree, 'etc/apt'))
    mkdirSync(join(tree, 'usr/bin'), { recursive: true })
  })
  assert.ok(coverOf(debian).has('etc/apt/apt.conf.d/99sallyport') && coverOf(debian).has('usr/bin/sudo'))
  const links = treeOf((tree) => {
    symlinkSync('/etc', join(tree, 'etc/apt'))
    mkdirSync(join(tree, 'usr'))
    symlinkSync('../bin', join(tree, 'usr/bin'))
  })
  assert.deepEqual(
    [...coverOf(links).keys()].filter((path) => path.startsWith('etc/apt') || path.startsWith('usr')),
    [],
  )
})

test('images that need the same share a cover, and nothing is written into them', async () => {
  const options = { directory: join(directory, 'covers'), resolver: '192.0.2.53' }
  const roots = [treeOf(), treeOf((tree) => writeFileSync(join(tree, 'other'), 'file'))]
  const before = roots.map((root) => lstatSync(root).mtimeMs)
  const images = await Promise.all(roots.map((root) => prepareTreeImage({ kind: 'tree', root, description: 'x' }, options)))
  const [first, second] = images.map(({ layers }) => layers[0])
  assert.deepEqual([first?.target, first?.source], ['/', roots[0]])
  assert.equal(first?.over, second?.over)
  assert.equal(readFileSync(join(first?.over ?? '', 'etc/hostname'), 'utf8'), 'sallyport\n')
  assert.equal(lstatSync(join(first?.over ?? '', 'tmp')).mode & 0o7777, 0o1777)
  assert.deepEqual(
    roots.map((root) => lstatSync(root).mtimeMs),
    before,
  )
  assert.equal(readdirSync(options.directory).length, 1)
})
