// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { contractSpec, plainImageTree, runScript } from '@sallyport/testkit'
import type { Sandbox, SandboxSpec } from '../contract.ts'
import { createDriver } from './registry.ts'
import { ALL_WALLS, type WallTransform } from './walls.ts'

// Images whose makers want Sallyport, which is root on the host while it builds a sandbox, to write, mount or read somewhere else.

const directory = mkdtempSync(join(tmpdir(), 'sallyport-hostile-image-'))
after(() => rmSync(directory, { recursive: true, force: true }))
const state = join(directory, 'state')

const skip = process.getuid?.() === 0 ? false : 'sandboxes need root'

const honest = plainImageTree(join(directory, 'honest'))

let serial = 0
function hostileTree(plant: (root: string) => void): string {
  serial += 1
  const root = join(directory, `image${serial}`)
  cpSync(honest, root, { recursive: true, verbatimSymlinks: true })
  plant(root)
  return root
}

function prepare(root: string, changes: Partial<SandboxSpec> = {}): Promise<Sandbox> {
  const spec = contractSpec({ image: { kind: 'tree', root, description: 'hostile' }, ...changes })
  return createDriver('runc', state).prepare(spec, AbortSignal.timeout(60_000))
}

async function outputOf(sandbox: Sandbox, script: string): Promise<string> {
  const { output, exit } = await runScript(sandbox, script)
  assert.deepEqual([exit.kind, exit.code], ['exited', 0], `${exit.message ?? ''} ${output}`)
  return output
}

/** A directory of the host that a link of the image leads to, with one file. */
function hostPlace(): string {
  const place = mkdtempSync(join(directory, 'host-'))
  writeFileSync(join(place, 'secret'), 'a secret of the host')
  return place
}

const LINK_PLACES = ['dev', 'etc', 'home', 'opt', 'proc', 'run', 'sys', 'tmp', 'var'] as const

function replaceWithLink(root: string, path: string, target: string): void {
  rmSync(join(root, path), { recursive: true, force: true })
  symlinkSync(target, join(root, path))
}

/** What every sandbox has, whatever its image is. */
const EVERYTHING = `
for d in /dev /etc /home /home/runner /opt /opt/hostedtoolcache /proc /run /sys /tmp /var /var/tmp; do
  test -d $d && ! test -L $d || echo "bad $d"
done
for f in /etc/hosts /etc/hostname /etc/resolv.conf /etc/nsswitch.conf /etc/passwd; do test -f $f && ! test -L $f || echo "bad $f"; done
echo x > /home/runner/x && echo x > /tmp/x && echo x > /var/tmp/x && echo x > /etc/x && echo x > /opt/hostedtoolcache/x
grep -c sallyport /etc/hosts; ls /proc/1/exe > /dev/null 2>&1; echo done`

describe('an image cannot choose where Sallyport writes or mounts', { skip, timeout: 300_000 }, () => {
  test('by links to the host in the place of every directory that it makes', async () => {
    const place = hostPlace()
    const root = hostileTree((tree) => {
      for (const path of LINK_PLACES) replaceWithLink(tree, path, place)
    })
    const before = listing(root)
    await using sandbox = await prepare(root)
    assert.equal(await outputOf(sandbox, EVERYTHING), '1\ndone\n')
    assert.deepEqual(readdirSync(place), ['secret'])
    assert.equal(readFileSync(join(place, 'secret'), 'utf8'), 'a secret of the host')
    assert.deepEqual(listing(root), before)
  })

  for (const target of ['/proc/self/fd/3', '/proc/1/root', '/proc/self/cwd', '/', '../../../../../..', '/dev', 'tmp', '/nowhere']) {
    test(`by links to ${target}`, async () => {
      const root = hostileTree((tree) => {
        for (const path of LINK_PLACES) replaceWithLink(tree, path, target)
      })
      await using sandbox = await prepare(root)
      assert.equal(await outputOf(sandbox, EVERYTHING), '1\ndone\n')
    })
  }

  test('by files in the place of directories', async () => {
    const root = hostileTree((tree) => {
      for (const path of LINK_PLACES) {
        rmSync(join(tree, path), { recursive: true, force: true })
        writeFileSync(join(tree, path), 'no directory')
      }
    })
    await using sandbox = await prepare(root)
    assert.equal(await outputOf(sandbox, EVERYTHING), '1\ndone\n')
  })

  test('by links, devices, FIFOs and directories in the place of files', async () => {
    const place = hostPlace()
    const root = hostileTree((tree) => {
      symlinkSync('/dev/sda', join(tree, 'etc/resolv.conf'))
      symlinkSync(join(place, 'secret'), join(tree, 'etc/hosts'))
      mkdirSync(join(tree, 'etc/hostname'))
      writeFileSync(join(tree, 'etc/hostname/x'), '')
      // A reader would wait at it for ever.
      spawnSync('mkfifo', [join(tree, 'etc/nsswitch.conf')])
      rmSync(join(tree, 'etc/passwd'))
      symlinkSync(join(place, 'secret'), join(tree, 'etc/passwd'))
      mkdirSync(join(tree, 'etc/apt'))
      symlinkSync(place, join(tree, 'etc/apt/apt.conf.d'))
      symlinkSync(join(place, 'secret'), join(tree, 'usr/bin/sudo'))
    })
    await using sandbox = await prepare(root)
    assert.equal(await outputOf(sandbox, EVERYTHING), '1\ndone\n')
    assert.match(await outputOf(sandbox, 'cat /etc/apt/apt.conf.d/99sallyport; sudo id -u'), /"root";\n0\n$/)
    assert.deepEqual(readdirSync(place), ['secret'])
    assert.equal(readFileSync(join(place, 'secret'), 'utf8'), 'a secret of the host')
  })

  test('by a link in the place of its programs: then our sudo is not there, and theirs are', async () => {
    const place = hostPlace()
    const root = hostileTree((tree) => {
      spawnSync('mv', [join(tree, 'usr/bin'), join(tree, 'usr/programs')])
      symlinkSync('programs', join(tree, 'usr/bin'))
      symlinkSync(join(place, 'secret'), join(tree, 'usr/programs/sudo'))
    })
    await using sandbox = await prepare(root)
    assert.equal(await outputOf(sandbox, EVERYTHING), '1\ndone\n')
    assert.equal(await outputOf(sandbox, 'ls -l /usr/bin/sudo | grep -c secret; test -r /usr/bin/sudo || echo hidden'), '1\nhidden\n')
  })

  test('nor with a read-only root', async () => {
    const place = hostPlace()
    const root = hostileTree((tree) => {
      for (const path of ['etc', 'home', 'tmp', 'var'] as const) replaceWithLink(tree, path, place)
    })
    await using sandbox = await prepare(root, { rootfs: 'read-only' })
    const script = 'echo x > /home/runner/x; echo x > /tmp/x; (echo x > /etc/x) 2> /dev/null || echo refused; cat /etc/hostname'
    assert.equal(await outputOf(sandbox, script), 'refused\nsallyport\n')
    assert.deepEqual(readdirSync(place), ['secret'])
  })
})

describe('the files of an image', { skip, timeout: 300_000 }, () => {
  test('belong to whom the image says, in the ids of the job', async () => {
    const root = hostileTree((tree) => {
      for (const [name, owner] of Object.entries({
        mine: '0:0',
        daemons: '1:1',
        users: '1000:100',
        last: '65535:65535',
        hosts: '1879048192:0',
      })) {
        writeFileSync(join(tree, name), name)
        spawnSync('chown', [owner, join(tree, name)])
      }
    })
    await using sandbox = await prepare(root)
    const owners = await outputOf(sandbox, 'for f in mine daemons users last hosts; do stat -c "%n %u %g" /$f; done')
    // An id that no job has is nobody's.
    assert.equal(owners, '/mine 0 0\n/daemons 1 1\n/users 1000 100\n/last 65535 65535\n/hosts 65534 0\n')
    assert.equal(
      await outputOf(sandbox, 'chown 1:1 /mine && echo x >> /daemons && stat -c %u /mine; (echo x >> /hosts) 2> /dev/null || echo refused'),
      '1\nrefused\n',
    )
    assert.equal(lstatSync(join(root, 'mine')).uid, 0)
    assert.equal(readFileSync(join(root, 'daemons'), 'utf8'), 'daemons')
  })

  test('are devices to nobody, and give nobody rights', async () => {
    const root = hostileTree((tree) => {
      spawnSync('mknod', [join(tree, 'null'), 'c', '1', '3'])
      spawnSync('chmod', ['666', join(tree, 'null')])
      spawnSync('cp', [join(tree, 'usr/bin/id'), join(tree, 'usr/bin/setuid-id')])
      spawnSync('chown', ['1:1', join(tree, 'usr/bin/setuid-id')])
      spawnSync('chmod', ['6755', join(tree, 'usr/bin/setuid-id')])
    })
    await using sandbox = await prepare(root)
    if (existsSync(join(root, 'null'))) assert.equal(await outputOf(sandbox, '(echo x > /null) 2> /dev/null || echo refused'), 'refused\n')
    assert.equal(await outputOf(sandbox, 'setuid-id -u; setuid-id -g'), '0\n0\n')
  })

  test("with attributes of the overlay's own name no other files", async (context) => {
    const root = hostileTree((tree) => {
      mkdirSync(join(tree, 'one'))
      mkdirSync(join(tree, 'etc/redirected'))
      writeFileSync(join(tree, 'one/file'), 'one')
    })
    // As a layer of an image could bring them: an opaque /etc would hide nothing of the cover, a redirect would show another directory.
    const set = spawnSync('python3', [
      '-c',
      'import os,sys\nr=sys.argv[1]\nos.setxattr(r+"/etc",b"trusted.overlay.opaque",b"y")\nos.setxattr(r+"/etc/redirected",b"trusted.overlay.redirect",b"/one")\nos.setxattr(r+"/one/file",b"trusted.overlay.metacopy",b"")',
      root,
    ])
    if (set.status !== 0) return context.skip(`attributes cannot be set here: ${set.stderr}`)
    await using sandbox = await prepare(root)
    assert.equal(await outputOf(sandbox, EVERYTHING), '1\ndone\n')
    assert.equal(await outputOf(sandbox, 'ls /etc/redirected; cat /etc/hostname'), 'sallyport\n')
  })

  test('are the same after a job that changed all it could', async () => {
    const root = hostileTree(() => undefined)
    const before = listing(root)
    {
      await using sandbox = await prepare(root)
      await outputOf(sandbox, 'rm -rf /etc/os-release /usr/bin/awk; echo x > /usr/bin/cat; chmod 777 /usr; mkdir /new; touch /usr/lib/new')
    }
    assert.deepEqual(listing(root), before)
  })
})

test('an image whose root is a link, or no directory, is refused', { skip }, async () => {
  const root = hostileTree(() => undefined)
  symlinkSync(root, join(directory, 'link'))
  for (const wrong of [join(directory, 'link'), join(root, 'etc/passwd'), join(directory, 'nowhere'), 'relative'])
    await assert.rejects(prepare(wrong), { code: 'SANDBOX_INPUT' })
})

/** Path, mode, owner, size and time of every entry. */
function listing(root: string): readonly string[] {
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .sort()
    .map((path) => {
      const { mode, uid, gid, size, mtimeMs } = lstatSync(join(root, path))
      return `${path} ${mode} ${uid} ${gid} ${size} ${mtimeMs}`
    })
}

describe('the self-check in an image', { skip, timeout: 300_000 }, () => {
  const planted = (tree: string): void => {
    for (const name of ['shadow', 'gshadow', 'sudoers']) writeFileSync(join(tree, 'etc', name), 'of the image')
    for (const name of ['root', 'root/.ssh', 'var/lib/docker', 'srv']) mkdirSync(join(tree, name), { recursive: true })
    writeFileSync(join(tree, 'root/.ssh/id'), 'of the image')
    writeFileSync(join(tree, 'var/lib/docker/x'), '')
  }

  test("is not alarmed by files of the image's own, whatever they are called", async () => {
    await using sandbox = await prepare(hostileTree(planted))
    const results = await sandbox.selfCheck(AbortSignal.timeout(60_000))
    assert.deepEqual(
      results.filter(({ holds }) => !holds),
      [],
    )
  })

  test('finds what is mounted from the host in their place', async () => {
    const place = hostPlace()
    const root = hostileTree(planted)
    const walls: WallTransform = {
      ...ALL_WALLS,
      bundle: (config) => ({
        ...config,
        mounts: [
          ...(config['mounts'] as readonly unknown[]),
          { destination: '/etc/shadow', type: 'bind', source: join(place, 'secret'), options: ['bind', 'ro', 'nosuid', 'nodev'] },
          { destination: '/root/.ssh', type: 'bind', source: place, options: ['bind', 'ro', 'nosuid', 'nodev'] },
        ],
      }),
    }
    const spec = contractSpec({ image: { kind: 'tree', root, description: 'hostile' } })
    await using sandbox = await createDriver('runc', state, { walls }).prepare(spec, AbortSignal.timeout(60_000))
    const missing = (await sandbox.selfCheck(AbortSignal.timeout(60_000))).filter(({ holds }) => !holds)
    assert.deepEqual(
      missing.map(({ guarantee, evidence }) => `${guarantee}: ${evidence}`),
      ['host-files-hidden: /etc/shadow: readable', 'host-files-hidden: /root: shows .ssh'],
    )
  })
})
