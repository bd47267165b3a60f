// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { findJobCgroup, type JobCgroup, readEffectiveLimits, readLimitCounts, readThrottling, StepCgroup } from './cgroup.ts'

const V1 = ['memory', 'pids', 'cpu,cpuacct', 'freezer', 'name=systemd'] as const

/** A directory that looks like cgroupfs, with the lines of /proc that go with it. */
class FakeHost {
  readonly root: string
  readonly #mounts: string[] = ['proc /proc proc rw 0 0']
  readonly #membership: string[] = []

  constructor(context: TestContext) {
    this.root = mkdtempSync(join(tmpdir(), 'sallyport-cgroup-'))
    context.after(() => rmSync(this.root, { recursive: true, force: true }))
  }

  v1(path = '/sallyport/slot0-x'): this {
    for (const [index, names] of V1.entries()) {
      this.#mounts.push(`cgroup ${this.root}/${names} cgroup rw,nosuid,${names} 0 0`)
      this.#membership.push(`${index + 1}:${names}:${path}`)
      mkdirSync(join(this.root, names, path), { recursive: true })
    }
    return this
  }

  v2(path = '/sallyport/slot0-x'): this {
    this.#mounts.push(`cgroup2 ${this.root}/unified cgroup2 rw,nsdelegate 0 0`)
    this.#membership.push(`0::${path}`)
    mkdirSync(join(this.root, 'unified', path), { recursive: true })
    return this
  }

  file(hierarchy: string, name: string, text: string): void {
    const path = join(this.root, hierarchy, 'sallyport/slot0-x', name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text)
  }

  read(hierarchy: string, name: string): string {
    return readFileSync(join(this.root, hierarchy, 'sallyport/slot0-x', name), 'utf8')
  }

  has(hierarchy: string, name: string): boolean {
    return existsSync(join(this.root, hierarchy, 'sallyport/slot0-x', name))
  }

  job(): JobCgroup {
    const files = { mounts: join(this.root, 'mounts'), membership: join(this.root, 'membership') }
    writeFileSync(files.mounts, `${this.#mounts.join('\n')}\n`)
    writeFileSync(files.membership, `${this.#membership.join('\n')}\n`)
    return findJobCgroup(files)
  }
}

test('a job’s cgroup is found in each hierarchy of version 1, of version 2, and of both', (context) => {
  const versions = (host: FakeHost): number[] => host.job().hierarchies.map(({ version }) => version)
  assert.deepEqual(versions(new FakeHost(context).v1()), [1, 1, 1, 1, 1])
  assert.deepEqual(versions(new FakeHost(context).v2()), [2])
  assert.deepEqual(versions(new FakeHost(context).v1().v2()), [1, 1, 1, 1, 1, 2])
})

test('a root cgroup is nobody’s own', (context) => {
  assert.deepEqual(new FakeHost(context).v1('/').v2('/').job().hierarchies, [])
})

test('a path with a colon is read whole', (context) => {
  const [found] = new FakeHost(context).v2('/a:b/c').job().hierarchies
  assert.ok(found?.directory.endsWith('unified/a:b/c'))
})

test('a step gets a directory where it is killed, counted or limited, and joins all hierarchies', (context) => {
  const host = new FakeHost(context).v1().v2()
  const step = new StepCgroup(host.job(), 'step-1')
  assert.deepEqual(
    V1.map((names) => host.has(names, 'step-1')),
    [true, true, false, true, false],
  )
  assert.ok(host.has('unified', 'step-1'))
  assert.equal(step.procsFiles.length, 6)
  assert.ok(step.procsFiles.includes(join(host.root, 'cpu,cpuacct/sallyport/slot0-x/cgroup.procs')))
  assert.ok(step.procsFiles.includes(join(host.root, 'unified/sallyport/slot0-x/step-1/cgroup.procs')))
})

test('what the sockets of a job hold is bounded where its memory limit does not count it', (context) => {
  const host = new FakeHost(context).v1().v2()
  host.file('memory', 'memory.kmem.tcp.limit_in_bytes', '-1\n')
  new StepCgroup(host.job(), 'step-1')
  assert.equal(host.read('memory', 'memory.kmem.tcp.limit_in_bytes'), String(256 << 20))
})

test('a step is known to the kernel by the inode of its directory of version 2, and by how deep that lies', (context) => {
  const host = new FakeHost(context).v1().v2()
  const step = new StepCgroup(host.job(), 'step-1')
  const { ino } = statSync(join(host.root, 'unified/sallyport/slot0-x/step-1'), { bigint: true })
  assert.deepEqual(step.identify(), { cgroup: ino, level: 3 })
})

test('without version 2 a step cannot be told from another by the kernel', (context) => {
  assert.equal(new StepCgroup(new FakeHost(context).v1().job(), 'step-1').identify(), null)
})

test('the members of a step are the processes in its directory', (context) => {
  const host = new FakeHost(context).v2()
  const step = new StepCgroup(host.job(), 'step-1')
  assert.deepEqual(step.members(), [])
  host.file('unified', 'step-1/cgroup.procs', '17\n4711\n')
  assert.deepEqual(step.members(), [17, 4711])
})

test('the name of a step that is there already is an error: its members would be another step’s', (context) => {
  const job = new FakeHost(context).v2().job()
  new StepCgroup(job, 'step-1')
  assert.throws(() => new StepCgroup(job, 'step-1'), { code: 'EEXIST' })
})

test('on version 2 the kernel is told to kill all at once', (context) => {
  const host = new FakeHost(context).v1().v2()
  const step = new StepCgroup(host.job(), 'step-1')
  host.file('unified', 'step-1/cgroup.kill', '0')
  step.kill()
  assert.equal(host.read('unified', 'step-1/cgroup.kill'), '1')
})

test('what was on its way into a step that is killed is killed when it is there', (context) => {
  const host = new FakeHost(context).v2()
  const step = new StepCgroup(host.job(), 'step-1')
  host.file('unified', 'step-1/cgroup.kill', '0')
  step.begun()
  assert.equal(host.read('unified', 'step-1/cgroup.kill'), '0')
  step.kill()
  host.file('unified', 'step-1/cgroup.kill', '0')
  step.begun()
  assert.equal(host.read('unified', 'step-1/cgroup.kill'), '1')
})

test('on version 1 alone the step is frozen, and thawed in the end', (context) => {
  const host = new FakeHost(context).v1()
  const step = new StepCgroup(host.job(), 'step-1')
  host.file('freezer', 'step-1/freezer.state', 'THAWED')
  step.kill()
  assert.match(host.read('freezer', 'step-1/freezer.state'), /^THAWED/)
})

test('a step is empty when no hierarchy has a member', (context) => {
  const host = new FakeHost(context).v1().v2()
  const step = new StepCgroup(host.job(), 'step-1')
  assert.equal(step.isEmpty(), true)
  host.file('unified', 'step-1/cgroup.procs', '4242\n')
  assert.equal(step.isEmpty(), false)
})

test('a step’s directories are removed once, and again without an error; with members they stay', (context) => {
  const host = new FakeHost(context).v1().v2()
  const job = host.job()
  const step = new StepCgroup(job, 'step-1')
  assert.deepEqual([step.remove(), step.remove()], [true, true])
  assert.equal(host.has('pids', 'step-1'), false)
  const busy = new StepCgroup(job, 'step-2')
  host.file('pids', 'step-2/held', '')
  assert.equal(busy.remove(), false)
})

test('limits of version 2 are read as the kernel has them', (context) => {
  const host = new FakeHost(context).v2()
  for (const [name, text] of Object.entries({
    'memory.max': '1000\n',
    'memory.swap.max': '0\n',
    'pids.max': '64\n',
    'cpu.max': '50000 100000\n',
  }))
    host.file('unified', name, text)
  assert.deepEqual(readEffectiveLimits(host.job()), { memoryBytes: 1000, memorySwapBytes: 1000, pids: 64, cpu: 0.5 })
})

test('limits of version 1 are read as the kernel has them', (context) => {
  const host = new FakeHost(context).v1()
  host.file('memory', 'memory.limit_in_bytes', '1000\n')
  host.file('memory', 'memory.memsw.limit_in_bytes', '1500\n')
  host.file('pids', 'pids.max', '64\n')
  host.file('cpu,cpuacct', 'cpu.cfs_quota_us', '150000\n')
  host.file('cpu,cpuacct', 'cpu.cfs_period_us', '100000\n')
  assert.deepEqual(readEffectiveLimits(host.job()), { memoryBytes: 1000, memorySwapBytes: 1500, pids: 64, cpu: 1.5 })
})

test('no limit is null, and never a number that would pass for one', (context) => {
  const host = new FakeHost(context).v2()
  const none = { memoryBytes: null, memorySwapBytes: null, pids: null, cpu: null }
  assert.deepEqual(readEffectiveLimits(host.job()), none)
  for (const [name, text] of Object.entries({ 'memory.max': 'max', 'memory.swap.max': 'max', 'pids.max': 'max', 'cpu.max': 'max 100000' }))
    host.file('unified', name, `${text}\n`)
  assert.deepEqual(readEffectiveLimits(host.job()), none)
  const legacy = new FakeHost(context).v1()
  legacy.file('cpu,cpuacct', 'cpu.cfs_quota_us', '-1\n')
  legacy.file('cpu,cpuacct', 'cpu.cfs_period_us', '100000\n')
  assert.equal(readEffectiveLimits(legacy.job()).cpu, null)
})

test('what the kernel counted is read from either version’s files, a whole word at a time', (context) => {
  const unified = new FakeHost(context).v2()
  unified.file('unified', 'memory.events', 'low 0\nmax 9\noom 5\noom_kill 3\noom_group_kill 7\n')
  unified.file('unified', 'pids.events', 'max 2\n')
  assert.deepEqual(readLimitCounts(unified.job()), { oomKills: 3, pidsRefused: 2 })
  const legacy = new FakeHost(context).v1()
  legacy.file('memory', 'memory.oom_control', 'oom_kill_disable 0\nunder_oom 0\noom_kill 4\n')
  assert.deepEqual(readLimitCounts(legacy.job()), { oomKills: 4, pidsRefused: 0 })
})

test('how often a job was held back is read from cpu.stat, and is nothing where the kernel does not count it', (context) => {
  const unified = new FakeHost(context).v2()
  assert.deepEqual(readThrottling(unified.job()), { periods: 0, throttled: 0 })
  unified.file('unified', 'cpu.stat', 'usage_usec 9\nnr_periods 51\nnr_throttled 50\nthrottled_usec 4\n')
  assert.deepEqual(readThrottling(unified.job()), { periods: 51, throttled: 50 })
  const legacy = new FakeHost(context).v1()
  legacy.file('cpu,cpuacct', 'cpu.stat', 'nr_periods 7\nnr_throttled 3\nthrottled_time 1\n')
  assert.deepEqual(readThrottling(legacy.job()), { periods: 7, throttled: 3 })
})

test('a step’s own counts are its own', (context) => {
  const host = new FakeHost(context).v1()
  const job = host.job()
  const step = new StepCgroup(job, 'step-1')
  host.file('memory', 'memory.oom_control', 'oom_kill 0\n')
  host.file('memory', 'step-1/memory.oom_control', 'oom_kill 1\n')
  host.file('pids', 'step-1/pids.events', 'max 6\n')
  assert.deepEqual(step.limitCounts(), { oomKills: 1, pidsRefused: 6 })
  assert.deepEqual(readLimitCounts(job), { oomKills: 0, pidsRefused: 0 })
})
