// SPDX-License-Identifier: Apache-2.0
// Sandboxes that wait for their jobs: real ones.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, posix } from 'node:path'
import { after, afterEach, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { SANDBOX_PATHS, type Sandbox, type StepNetwork } from '@sallyport/sandbox'
import { effectiveLimits } from '../admit/limits.ts'
import type { AgentError } from '../agent-error.ts'
import { NO_RULES } from '../gate/_fake-gate.ts'
import { type GateAccess, JobGate } from '../gate/job-gate.ts'
import { HOST_IMAGE } from '../images/job-image.ts'
import type { PreparedSandbox } from './prepare-sandbox.ts'
import { type WarmClass, WarmPool } from './warm-pool.ts'

const skip = process.getuid?.() === 0 ? false : 'sandboxes need root'
const stateDirectory = mkdtempSync(join(tmpdir(), 'sallyport-pool-'))
after(() => rmSync(stateDirectory, { recursive: true, force: true }))

const LIMITS = { ...effectiveLimits({}), memoryBytes: 256 << 20, memorySwapBytes: 256 << 20, diskBytes: 64 << 20, diskInodes: 4096 }
const NOTHING: GateAccess = {
  gate: { nameServers: [], hosts: {}, trustedHosts: [], privateNetworks: [], ownAddresses: [], authorities: null, terminates: [] },
  bytesOutMax: 0,
}
const CLASS: WarmClass = {
  stateDirectory,
  isolation: { driver: 'runc', name: 'oci', runsc: undefined, notice: null },
  limits: LIMITS,
  askedLimits: [],
  directories: [SANDBOX_PATHS.work, SANDBOX_PATHS.temp, posix.dirname(SANDBOX_PATHS.event)],
  access: NOTHING,
}
const NEVER = new AbortController().signal

/** Keepers that this process has started, by process id. */
function keepers(): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const [, rest = ''] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')
        return rest.split(' ')[1] === String(process.pid) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('keeper')
      } catch {
        return false // It has ended.
      }
    })
    .map(Number)
}

async function until(what: string, isSo: () => boolean): Promise<void> {
  for (let look = 0; look < 3000; look += 1) {
    if (isSo()) return
    await sleep(10)
  }
  assert.fail(`waited for 30 s: ${what}`)
}

function claim(pool: WarmPool, gate: JobGate, wanted: WarmClass = CLASS, signal: AbortSignal = NEVER): ReturnType<WarmPool['claim']> {
  return pool.claim({ wanted, image: HOST_IMAGE, gate, signal })
}

function claimed(pool: WarmPool, gate = new JobGate(NOTHING)): Promise<PreparedSandbox> {
  return claim(pool, gate) ?? assert.fail('none waits')
}

/** A claim that has to fail; what it gives all the same is gone by then. */
async function claimedInVain(pool: WarmPool): Promise<void> {
  const { sandbox } = await claimed(pool)
  await sandbox[Symbol.asyncDispose]()
}

/** A pool in which one waits, and the host pid of its PID 1. */
async function withWaiting(use: (pool: WarmPool, init: number) => Promise<void>): Promise<void> {
  await using pool = new WarmPool()
  pool.fill(CLASS, HOST_IMAGE, 1)
  await pool.made()
  const [init] = keepers().flatMap(childrenOf).filter(isInit)
  await use(pool, init ?? assert.fail('it has no PID 1'))
}

async function run(sandbox: Sandbox, script: string, network: StepNetwork | null = null): Promise<{ code: number; output: string }> {
  const step = await sandbox.startStep({
    id: '1',
    argv: ['/bin/sh', '-c', script],
    env: {},
    workingDirectory: '/',
    files: [],
    collect: [],
    collectBytesMax: 0,
    network,
  })
  let output = ''
  for await (const part of step.output) output += String(part)
  return { code: (await step.exit).code, output }
}

describe('a pool of warm sandboxes', { skip }, () => {
  afterEach(() => assert.deepEqual(keepers(), [], 'a sandbox was left'))

  it('has one for a job, which was checked as any other is, and never for a second job', async () => {
    await using pool = new WarmPool()
    pool.fill(CLASS, HOST_IMAGE, 1)
    assert.equal(pool.size, 1)
    const prepared = await claimed(pool)
    assert.equal(pool.size, 0)
    assert.equal(claim(pool, new JobGate(NOTHING)), null)
    assert.ok(prepared.checks.length > 200 && prepared.checks.every(({ holds }) => holds))
    assert.equal((await run(prepared.sandbox, 'test -d /home/runner/work')).code, 0)
    await prepared.sandbox[Symbol.asyncDispose]()
  })

  it('hands over the gate, which answers the job that it has become the gate of, and no other', async () => {
    await withWaiting(async (pool) => {
      const gate = new JobGate(NOTHING)
      const { sandbox } = await claimed(pool, gate)
      await using _sandbox = sandbox
      const refused: string[] = []
      gate.listen({ used: () => undefined, refused: (step, { target }) => void refused.push(`${step} ${target}`), alert: () => undefined })
      const network = await gate.openStep('1', NO_RULES)
      await run(sandbox, 'getent hosts refused.example.org', network)
      const traffic = await gate.closeStep()
      assert.ok(traffic !== null)
      assert.ok(
        [...refused, ...traffic.refused.map(({ refusal }) => `1 ${refusal.target}`)].some((text) =>
          text.startsWith('1 refused.example.org'),
        ),
      )
      assert.throws(() => gate.become(new JobGate(NOTHING)), TypeError)
    })
  })

  it('has none for a job of another class', async () => {
    await using pool = new WarmPool()
    pool.fill(CLASS, HOST_IMAGE, 1)
    const gate = (): JobGate => new JobGate(NOTHING)
    assert.equal(claim(pool, gate(), { ...CLASS, limits: { ...LIMITS, pids: 9 } }), null)
    assert.equal(claim(pool, gate(), { ...CLASS, directories: [] }), null)
    assert.equal(claim(pool, gate(), { ...CLASS, access: { ...NOTHING, bytesOutMax: 1 } }), null)
    assert.equal(
      claim(pool, gate(), { ...CLASS, access: { ...NOTHING, gate: { ...NOTHING.gate, privateNetworks: ['10.0.0.0/8'] } } }),
      null,
    )
    assert.equal(pool.size, 1)
  })

  it('runs nothing in what waits but our own PID 1 and pump', async () => {
    await withWaiting(async (_pool, init) => {
      const pids = readdirSync(`/proc/${init}/root/proc`).filter((name) => /^\d+$/.test(name))
      const commands = pids.map((pid) => readFileSync(`/proc/${init}/root/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, 2).join(' '))
      assert.deepEqual(commands.sort(), ['/run/sallyport/helper init', '/run/sallyport/helper put'])
    })
  })

  it('has none wait that could not take its job’s files, and says why', async () => {
    await using pool = new WarmPool()
    const wanted = { ...CLASS, directories: [] }
    pool.fill(wanted, HOST_IMAGE, 1)
    await assert.rejects(claim(pool, new JobGate(NOTHING), wanted) ?? assert.fail('none was made'), {
      code: 'SANDBOX_FAILED',
      message: /^Cannot write files into the sandbox: error 2 /,
    })
  })

  it('throws away one whose keeper was killed, and says nothing of it', async () => {
    await using pool = new WarmPool()
    pool.fill(CLASS, HOST_IMAGE, 1)
    await until('its gate is there', () => keepers().some((keeper) => childrenOf(keeper).length > 0))
    for (const pid of keepers()) process.kill(pid, 'SIGKILL')
    await until('the pool has noticed', () => pool.size === 0)
    pool.fill(CLASS, HOST_IMAGE, 1)
    const prepared = await claimed(pool)
    await prepared.sandbox[Symbol.asyncDispose]()
  })

  for (const [what, kill] of [
    ['PID 1', (init: number) => init],
    [
      'gate',
      (init: number) =>
        keepers()
          .flatMap(childrenOf)
          .filter((pid) => pid !== init && isGate(pid))[0],
    ],
  ] as const) {
    it(`throws away one whose ${what} was killed while it waited`, async () => {
      await withWaiting(async (pool, init) => {
        process.kill(kill(init) ?? assert.fail('it is not there'), 'SIGKILL')
        await until('the pool has noticed', () => pool.size === 0)
        assert.equal(claim(pool, new JobGate(NOTHING)), null)
      })
    })
  }

  it('ends what was claimed by a job that is interrupted meanwhile', async () => {
    await using pool = new WarmPool()
    pool.fill(CLASS, HOST_IMAGE, 1)
    const stop = new AbortController()
    const preparing = claim(pool, new JobGate(NOTHING), CLASS, stop.signal) ?? assert.fail('none waits')
    stop.abort()
    await assert.rejects(preparing, { name: 'AbortError' })
    await until('its keeper has ended', () => keepers().length === 0)
  })

  it('throws away what has waited for ten minutes', async (context) => {
    const start = performance.now()
    await withWaiting(async (pool) => {
      context.mock.method(performance, 'now', () => start + 24 * 3_600_000)
      assert.equal(claim(pool, new JobGate(NOTHING)), null)
      assert.equal(pool.size, 0)
      context.mock.restoreAll()
    })
  })
})

/** What falls while a sandbox waits, as somebody with root of this host can make it fall. */
const FALLS: readonly { readonly what: string; readonly names: string; readonly fall: (init: number) => unknown }[] = [
  {
    what: 'a memory limit that was raised',
    names: 'memory-limit',
    fall: (init) => raise(init, 'memory', ['memory.limit_in_bytes', 'memory.max']),
  },
  { what: 'a limit of processes that was raised', names: 'pids-limit', fall: (init) => raise(init, 'pids', ['pids.max'], '100000') },
  {
    what: 'a limit of processor time that was taken away',
    names: 'cpu-limit',
    fall: (init) => raise(init, 'cpu', ['cpu.cfs_quota_us', 'cpu.max'], '-1'),
  },
  { what: 'a mount that was added', names: 'mount-namespace', fall: (init) => inside(init, ['-m'], ['mount', '-t', 'tmpfs', 'x', '/tmp']) },
  {
    what: 'a cover of a kernel file that was taken away',
    names: 'masked-paths',
    fall: (init) => inside(init, ['-m'], ['perl', '-e', UMOUNT, coverOf(init)]),
  },
  {
    what: 'a kernel path that became writable',
    names: 'masked-paths',
    fall: (init) => inside(init, ['-m'], ['mount', '-o', 'remount,bind,rw', '/proc/sys']),
  },
  {
    what: 'a file that was written on its disk',
    names: 'inode-limit',
    fall: (init) => writeFileSync(`/proc/${init}/root/tmp/planted`, ''),
  },
  {
    what: 'a file that was written in its memory',
    names: 'inode-limit',
    fall: (init) => inside(init, ['-U', '-m', '-S', '0', '-G', '0'], ['/bin/touch', '/dev/shm/planted']),
  },
  {
    what: 'a file of its image that was changed',
    names: 'inode-limit',
    fall: (init) => writeFileSync(`/proc/${init}/root/etc/hosts`, '127.0.0.1 planted\n'),
  },
  { what: 'a process that somebody started in its namespaces', names: 'pid-namespace', fall: (init) => start(init, ['-p', '-m']) },
  {
    what: 'a process in its cgroups',
    names: 'pid-namespace',
    fall: (init) => writeFileSync(join(cgroupOf(init, 'pids'), 'cgroup.procs'), String(start(null, []))),
  },
  {
    what: 'a link that was added',
    names: 'network',
    fall: (init) => inside(init, ['-n'], ['ip', 'link', 'add', 'planted', 'type', 'veth', 'peer', 'name', 'planted1']),
  },
  {
    what: 'a route that was added',
    names: 'network',
    fall: (init) => inside(init, ['-n'], ['ip', 'route', 'add', '203.0.113.0/24', 'dev', 'eth0']),
  },
  {
    what: 'a route in a table of its own that was added',
    names: 'network',
    fall: (init) => inside(init, ['-n'], ['ip', 'route', 'add', '203.0.113.0/24', 'dev', 'lo', 'table', '77']),
  },
  { what: 'rules of the network that were changed', names: 'network', fall: (init) => inside(init, ['-n'], ['perl', '-e', ADD_TABLE]) },
  { what: 'where the gate can lead, unbound', names: 'network', fall: (init) => unbind(init) },
  {
    what: 'a limit of the gate that was raised',
    names: 'network',
    fall: (init) => raise(init, 'memory', ['memory.limit_in_bytes', 'memory.max'], '536870913', true),
  },
]

describe('a wall that falls while a sandbox waits', { skip }, () => {
  const started: number[] = []
  afterEach(() => {
    for (const pid of started.splice(0)) orNothing(() => process.kill(pid, 'SIGKILL'), false)
    assert.deepEqual(keepers(), [], 'a sandbox was left')
  })

  for (const { what, names, fall } of FALLS) {
    it(`is noticed at the claim: ${what}`, async () => {
      await withWaiting(async (pool, init) => {
        const result = fall(init)
        if (typeof result === 'number') started.push(result)
        await assert.rejects(claimedInVain(pool), (error: AgentError) => {
          assert.equal(error.code, 'GUARANTEE_MISSING')
          assert.match(error.message, new RegExp(names))
          assert.deepEqual(error.details, { guarantees: [names] })
          return true
        })
      })
    })
  }
})

/** The job's directory of that controller; version 2 has one for all. */
function cgroupOf(init: number, controller: string): string {
  const lines = readFileSync(`/proc/${init}/cgroup`, 'utf8').split('\n')
  const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n')
  const line = lines.find((text) => text.split(':')[1]?.split(',').includes(controller)) ?? lines.find((text) => text.startsWith('0::'))
  const [, names = '', path = ''] = /^\d+:([^:]*):(.*)$/.exec(line ?? '') ?? []
  const mount = mounts
    .map((text) => text.split(' '))
    .find(([, , type, options = '']) => (names === '' ? type === 'cgroup2' : type === 'cgroup' && options.split(',').includes(controller)))
  return join(mount?.[1] ?? assert.fail(`no cgroup of ${controller}`), path)
}

function raise(init: number, controller: string, files: readonly string[], value = String(512 << 20), isGates = false): void {
  const own = cgroupOf(init, controller)
  const directory = isGates ? join(own, '..', `${/slot\d+-/.exec(own)?.[0]}_gate`) : own
  const file = files.map((name) => join(directory, name)).find(existsSync) ?? assert.fail(`no limit in ${directory}`)
  // With swap it may not be less than without.
  if (file.endsWith('memory.limit_in_bytes')) writeFileSync(join(directory, 'memory.memsw.limit_in_bytes'), value)
  writeFileSync(file, file.endsWith('cpu.max') ? 'max' : value)
}

/** One batch of nf_tables (linux/netfilter/nfnetlink.h): begin, a new table, end. */
const ADD_TABLE = `
sub message { my ($type, $flags, $head, $rest, $seq) = @_; my $body = $head . $rest; pack('LSSLL', 16 + length $body, $type, $flags, $seq, 0) . $body }
socket(my $s, 16, 3, 12) or die "socket: $!";
my $mark = pack('CCn', 0, 0, 10);
my $name = pack('SSa8', 12, 1, "planted");
my $batch = message(16, 1, $mark, '', 1) . message(0xa00, 0x405, pack('CCn', 2, 0, 0), $name, 2) . message(17, 1, $mark, '', 3);
send($s, $batch, 0, pack('SSLL', 16, 0, 0, 0)) or die "send: $!";
recv($s, my $answer, 4096, 0);
my $error = unpack('l', substr($answer, 16, 4));
die "refused: $error" if $error;
`

/** umount2(2), which needs no /proc/self: nobody who comes from outside has one in there. */
const UMOUNT = `my $path = $ARGV[0]; syscall(${process.arch === 'arm64' ? 39 : 166}, $path, 2) == 0 or die "umount2: $!"`

/** Takes one of the programs from the gate's cgroup (bpf(2)): query, descriptor by id, detach. */
const DETACH = `
use POSIX;
my ($call, $path) = @ARGV;
$call += 0;
my $cgroup = POSIX::open($path, O_RDONLY) // die "open: $!";
my $ids = "\\0" x 256;
my $query = pack('LLLLPLx4', $cgroup, 10, 0, 0, $ids, 64) . "\\0" x 32;
syscall($call, 16, $query, length $query) == 0 or die "query: $!";
my $get = pack('LLL', unpack('L', $ids), 0, 0);
my $program = syscall($call, 13, $get, length $get);
die "get: $!" if $program < 0;
my $detach = pack('LLLLL', $cgroup, $program, 10, 0, 0);
syscall($call, 9, $detach, length $detach) == 0 or die "detach: $!";
`

function unbind(init: number): void {
  const line =
    readFileSync(`/proc/${init}/cgroup`, 'utf8')
      .split('\n')
      .find((text) => text.startsWith('0::')) ?? ''
  const mount = /^\S+ (\S+) cgroup2 /m.exec(readFileSync('/proc/self/mounts', 'utf8'))?.[1] ?? assert.fail('no cgroup2')
  const gates = join(mount, line.slice(3), '..', `${/slot\d+-/.exec(line)?.[0]}_gate`)
  const { status, stderr } = spawnSync('perl', ['-e', DETACH, process.arch === 'arm64' ? '280' : '321', gates], { encoding: 'utf8' })
  assert.equal(status, 0, stderr)
}

/** A file of the kernel that a null device lies over. */
function coverOf(init: number): string {
  const covers = readFileSync(`/proc/${init}/mountinfo`, 'utf8').matchAll(/^\S+ \S+ \S+ \/null (\/proc\/\S+) /gm)
  return [...covers][0]?.[1] ?? assert.fail('nothing is covered')
}

function inside(init: number, namespaces: readonly string[], argv: readonly string[]): void {
  const { status, stderr } = spawnSync('nsenter', ['-t', String(init), ...namespaces, ...argv], { encoding: 'utf8' })
  assert.equal(status, 0, stderr)
}

/** A process that does nothing for a while; null: of the host. */
function start(init: number | null, namespaces: readonly string[]): number {
  const sleeping = ['/bin/sleep', '600']
  const [program = '', ...rest] = init === null ? sleeping : ['nsenter', '-t', String(init), ...namespaces, ...sleeping]
  const child = spawn(program, rest, { stdio: 'ignore' })
  child.unref()
  const visible = (): boolean => init === null || readdirSync(`/proc/${init}/root/proc`).filter((name) => /^\d+$/.test(name)).length > 2
  for (let look = 0; look < 1000 && !visible(); look += 1) spawnSync('/bin/sleep', ['0.01'])
  return child.pid ?? assert.fail('it did not start')
}

/** Of a process that may have ended meanwhile: none, and no text. */
function orNothing<T>(read: () => T, nothing: T): T {
  try {
    return read()
  } catch {
    return nothing // It has ended.
  }
}

function childrenOf(pid: number): readonly number[] {
  const tasks = orNothing(() => readdirSync(`/proc/${pid}/task`), [])
  const list = tasks.map((task) => orNothing(() => readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8'), ''))
  return list
    .flatMap((text) => text.split(' '))
    .filter((text) => text !== '')
    .map(Number)
}

/** In a pid namespace of its own. */
function isInit(pid: number): boolean {
  return /^NSpid:\t\d+\t1$/m.test(orNothing(() => readFileSync(`/proc/${pid}/status`, 'utf8'), ''))
}

/** It has a uid of its slot, and is not in a pid namespace of its own. */
function isGate(pid: number): boolean {
  return /gate/.test(orNothing(() => readFileSync(`/proc/${pid}/cgroup`, 'utf8'), ''))
}
