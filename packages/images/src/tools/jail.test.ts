// SPDX-License-Identifier: Apache-2.0
// What a program that strangers' bytes have taken over would find, tried with one that does as it is told: tar.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, mkdirSync, readdirSync, statSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { temporaryDirectory } from '../_image.ts'
import { type JailedProgram, type JailedResult, runJailed, TRANSFER_UID } from './jail.spawn.ts'

function workDirectory(t: TestContext): string {
  const work = join(temporaryDirectory(t), 'work')
  mkdirSync(work, { mode: 0o700 })
  chownSync(work, TRANSFER_UID, TRANSFER_UID)
  return work
}

function inJail(work: string, argv: readonly string[], change: Partial<JailedProgram> = {}): Promise<JailedResult> {
  return runJailed({
    program: 'tar',
    argv,
    workDirectory: work,
    identity: 'transfer',
    hasNetwork: false,
    auth: null,
    fileBytesMax: 2 ** 20,
    signal: AbortSignal.timeout(30_000),
    ...change,
  })
}

/** Runs a program within the jail, its output in `out`: tar starts one for whoever asks it to. */
const within = (work: string, command: string, change: Partial<JailedProgram> = {}): Promise<JailedResult> =>
  inJail(work, ['--create', '--file=/work/out', '--files-from=/dev/null', `--use-compress-program=sh -c "${command}" sh`], change)

const read = (work: string): string => execFileSync('cat', [join(work, 'out')], { encoding: 'utf8' })

for (const identity of ['transfer', 'owner'] as const)
  test(`as ${identity}, it sees programs, its one directory, and nothing else of the host`, async (t) => {
    const work = workDirectory(t)
    const ran = await within(work, 'ls -A / /dev /etc /tmp /proc /root /home /var 2>&1; true', { identity })
    assert.equal(ran.exitCode, 0, ran.stderr)
    const seen = read(work)
    assert.match(seen, /^\/dev:\nnull\n/m)
    assert.match(seen, /^\/etc:\nregistries\.conf\nregistries\.d\n/m)
    for (const place of ['/proc', '/root', '/home', '/var', '/tmp']) assert.match(seen, new RegExp(`cannot access '${place}'`), place)
  })

test('it has no capability, or four that concern files; it can write nowhere else, and make no device', async (t) => {
  const work = workDirectory(t)
  const attempts = [
    'id -u',
    'touch /usr/x /etc/x /x 2>/dev/null && echo WRITTEN',
    'mknod /work/disk b 8 0 2>/dev/null && echo DEVICE',
    'mount -n -t tmpfs none /work 2>/dev/null && echo MOUNTED',
    'chroot / true 2>/dev/null && echo CHROOT',
    'true',
  ].join('; ')
  await within(work, attempts)
  assert.match(read(work), new RegExp(`^${TRANSFER_UID}\n`))
  assert.doesNotMatch(read(work), /WRITTEN|DEVICE|MOUNTED|CHROOT/)
  const other = workDirectory(t)
  await within(other, attempts, { identity: 'owner' })
  assert.match(read(other), /^0\n/)
  assert.doesNotMatch(read(other), /WRITTEN|DEVICE|MOUNTED|CHROOT/)
})

test('without the network it reaches nobody, not even this host; with it, it does', async (t) => {
  const server = createServer((socket) => socket.on('error', () => undefined).destroy()).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  const connect = `perl -MIO::Socket::INET -e 'print IO::Socket::INET->new(PeerAddr => q(127.0.0.1:${port})) ? q(reached) : q(nobody)'`
  for (const [hasNetwork, found] of [
    [false, 'nobody'],
    [true, 'reached'],
  ] as const) {
    const work = workDirectory(t)
    await within(work, connect, { hasNetwork })
    assert.equal(read(work), found)
  }
})

test('a file is no longer than it may be, and what it says is bounded', async (t) => {
  const work = workDirectory(t)
  const ran = await within(work, 'head -c 100000000 /dev/zero')
  assert.notEqual(ran.exitCode, 0)
  assert.ok(statSync(join(work, 'out')).size <= 2 ** 20)
  const loud = await inJail(work, [
    '--extract',
    '--file=/nonexistent',
    ...Array.from({ length: 500 }, (_, index) => `--exclude=${index}${'x'.repeat(100)}`),
  ])
  assert.ok(loud.stderr.length <= 16 * 1024)
})

test('credentials are in memory, for it alone', async (t) => {
  const work = workDirectory(t)
  await within(work, 'ls -ln /auth.json; cat /auth.json; env', { auth: 'words-of-alice' })
  const seen = read(work)
  assert.match(seen, new RegExp(`^-rw-------.* ${TRANSFER_UID} ${TRANSFER_UID} .*auth\\.json\nwords-of-alice`))
  assert.equal(seen.split('words-of-alice').length, 2)
  assert.deepEqual(readdirSync(work), ['out'])
})

test('it ends when it is told to', async (t) => {
  const work = workDirectory(t)
  const abort = new AbortController()
  const ran = within(work, 'echo begun >/work/begun; sleep 600', { signal: abort.signal })
  const ended = ran.then(
    () => 'ended',
    (error: Error) => error.name,
  )
  for (let waited = 0; !readdirSync(work).includes('begun') && waited < 300; waited += 1) await sleep(100)
  assert.ok(readdirSync(work).includes('begun'))
  abort.abort()
  assert.equal(await ended, 'AbortError')
})
