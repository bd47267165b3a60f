// SPDX-License-Identifier: Apache-2.0
// What is taken down of each wall, from a /proc that the test makes; the real ones: packages/agent/src/prepare/warm-pool.test.ts.
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import type { Standing } from './contract.ts'
import { fallen, lookAtWalls } from './standing.ts'

const INIT = 4711
const NAMESPACES = ['user', 'pid', 'mnt', 'net', 'ipc', 'uts', 'cgroup']
const STATUS = `Name:\thelper
TracerPid:\t0
Uid:\t1\t1\t1\t1
Gid:\t1\t1\t1\t1
Groups:\t
NSpid:\t4711\t1
Threads:\t1
CapInh:\t0
CapPrm:\t0
CapEff:\t0
CapBnd:\t0
CapAmb:\t0
NoNewPrivs:\t1
Seccomp:\t2
Seccomp_filters:\t1
`
const MOUNTS = `100 99 0:50 / / rw,nosuid,nodev - overlay overlay rw
101 100 0:51 / /proc rw,nosuid - proc proc rw
102 101 0:6 /null /proc/timer_list ro - devtmpfs dev rw
`
const FILES: Readonly<Record<string, string>> = {
  stat: `${INIT} (a name) of its own) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 12345 0`,
  status: STATUS,
  uid_map: '0 1879048192 65536',
  gid_map: '0 1879048192 65536',
  mountinfo: MOUNTS,
  'net/dev': 'Inter-|\n face |\n    lo: 1 2\n  eth0: 3 4\n',
  'net/fib_trie': 'Main:\n',
  'net/if_inet6': 'lo\n',
}

let proc = ''
let directory = ''
beforeEach(() => {
  proc = mkdtempSync(join(tmpdir(), 'sallyport-standing-'))
  directory = join(proc, String(INIT))
  for (const name of ['ns', 'net', 'root/proc/1', 'root/proc/7', 'root/run', 'root/dev/shm', 'cgroup'])
    mkdirSync(join(directory, name), { recursive: true })
  for (const [name, text] of Object.entries(FILES)) writeFileSync(join(directory, name), text)
  for (const name of NAMESPACES) symlinkSync(`${name}:[1]`, join(directory, 'ns', name))
  writeFileSync(join(directory, 'cgroup/cgroup.procs'), `${INIT}\n`)
})
afterEach(() => rmSync(proc, { recursive: true, force: true }))

function look(changes: Partial<Parameters<typeof lookAtWalls>[0]> = {}): Standing {
  return lookAtWalls({
    init: INIT,
    cgroup: { hierarchies: [{ version: 2, controllers: [], directory: join(directory, 'cgroup'), level: 1 }] },
    effective: { memoryBytes: 1, memorySwapBytes: 1, pids: 1, cpu: 1 },
    own: [4712],
    keeper: [{ guarantee: 'network', text: 'rules 7' }],
    proc,
    ...changes,
  })
}

/** Whatever else takes inodes on the disk of this test is not meant. */
const namesOf = (before: Standing, now: Standing): string[] =>
  fallen(before, now)
    .filter(({ guarantee, holds }) => guarantee !== 'inode-limit' && !holds)
    .map(({ guarantee }) => guarantee)

const replace = (name: string, from: string, to: string): void =>
  writeFileSync(join(directory, name), (FILES[name] ?? '').replace(from, to))

test('walls that are as they were have not fallen', () => {
  assert.deepEqual(namesOf(look(), look()), [])
})

for (const [what, guarantee, change] of [
  ['another PID 1 with the same number', 'init-protected', () => replace('stat', '12345', '12346')],
  ['a tracer', 'init-protected', () => replace('status', 'TracerPid:\t0', 'TracerPid:\t9')],
  ['a capability', 'capabilities', () => replace('status', 'CapEff:\t0', 'CapEff:\t1')],
  ['privileges to come', 'no-new-privileges', () => replace('status', 'NoNewPrivs:\t1', 'NoNewPrivs:\t0')],
  ['no filter', 'seccomp', () => replace('status', 'Seccomp:\t2', 'Seccomp:\t0')],
  ['other ids', 'user-namespace', () => replace('uid_map', '1879048192', '0')],
  ['other ids of groups', 'user-namespace', () => replace('gid_map', '1879048192', '0')],
  ['a mount', 'mount-namespace', () => replace('mountinfo', '100 99', '90 99 8:1 / /host rw - ext4 /dev/sda1 rw\n100 99')],
  ['flags of a mount', 'mount-namespace', () => replace('mountinfo', 'rw,nosuid,nodev', 'rw')],
  ['a cover that is gone', 'masked-paths', () => writeFileSync(join(directory, 'mountinfo'), MOUNTS.split('\n').slice(0, 2).join('\n'))],
  ['a link', 'network', () => replace('net/dev', '  eth0: 3 4\n', '  eth0: 3 4\n  eth1: 0 0\n')],
  ['a route', 'network', () => replace('net/fib_trie', 'Main:\n', 'Main:\n 0.0.0.0/0\n')],
  ['an address of IPv6', 'network', () => replace('net/if_inet6', 'lo\n', 'lo\neth0\n')],
  ['a process', 'pid-namespace', () => mkdirSync(join(directory, 'root/proc/8'))],
  ['a process in its cgroup', 'pid-namespace', () => writeFileSync(join(directory, 'cgroup/cgroup.procs'), `${INIT}\n99\n`)],
] as const) {
  test(`${what} is what ${guarantee} falls by`, () => {
    const before = look()
    change()
    assert.deepEqual(namesOf(before, look()), [guarantee])
  })
}

test('counters of links that grow by themselves are no change', () => {
  const before = look()
  replace('net/dev', '3 4', '300 400')
  assert.deepEqual(namesOf(before, look()), [])
})

for (const name of NAMESPACES) {
  test(`another ${name} namespace is a wall that fell`, () => {
    const before = look()
    unlinkSync(join(directory, 'ns', name))
    symlinkSync(`${name}:[2]`, join(directory, 'ns', name))
    assert.equal(namesOf(before, look()).length, 1)
  })
}

for (const [limit, guarantee] of [
  ['memoryBytes', 'memory-limit'],
  ['memorySwapBytes', 'memory-limit'],
  ['pids', 'pids-limit'],
  ['cpu', 'cpu-limit'],
] as const) {
  test(`a limit of ${limit} that is gone is ${guarantee}`, () => {
    const effective = { memoryBytes: 1, memorySwapBytes: 1, pids: 1, cpu: 1, [limit]: null }
    assert.deepEqual(namesOf(look(), look({ effective })), [guarantee])
  })
}

test('what the keeper says otherwise, or says no more, is a wall that fell, with what was said', () => {
  const before = look()
  assert.deepEqual(namesOf(before, look({ keeper: [{ guarantee: 'network', text: 'rules 8' }] })), ['network'])
  assert.deepEqual(namesOf(before, look({ keeper: [] })), ['network'])
  const [result] = fallen(before, look({ keeper: [{ guarantee: 'network', text: 'rules 8' }] })).filter(
    ({ guarantee }) => guarantee === 'network',
  )
  assert.match(result?.evidence ?? '', /from "rules 7" to "rules 8"/)
})

test('nothing that can be seen is everything that fell', () => {
  const before = look()
  assert.equal(fallen(before, []).length, before.length)
})
