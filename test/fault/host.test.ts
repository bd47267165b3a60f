// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { assertNothingLeft, commandLine, keepersOf } from '../_host.ts'
import { until, World } from '../_world.ts'
import { reached } from './_faults.ts'

const world = new World()
after(() => world[Symbol.asyncDispose]())

const repository = world.workflow('on: push\njobs: { one: { runs-on: ubuntu-latest, steps: [{ run: echo hello }] } }\n')
const BUILT = join(import.meta.dirname, '../../build/native')

/** Runs with a script in the place of runc, in a mount namespace of its own. */
function withRuntime(script: string): readonly string[] {
  const path = join(world.directory, `fake-${Math.random().toString(36).slice(2)}`)
  writeFileSync(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 })
  return ['unshare', '-m', 'sh', '-c', `mount --bind ${path} "$(readlink -f "$(command -v runc)")" && exec "$@"`, 'sh']
}

/** `--root DIR --log FILE create --bundle DIR --preserve-fds 1 --pid-file FILE ID`, or `… start ID`. */
const CREATES = `log=$4; [ "$5" = create ] && { unshare -n sh -c 'sleep 1000 3>&- & echo $! > "$0"' "\${11}"; exit 0; }`

describe('an OCI runtime that fails', () => {
  const cases: readonly (readonly [name: string, script: string, says: RegExp])[] = [
    ['at create', 'echo "no luck today" > "$4"; exit 1', /failed at create: no luck today/],
    ['at create, without a word', 'exit 1', /failed at create: it said nothing/],
    ['at start', `${CREATES}; echo "will not start" > "$log"; exit 1`, /failed at start: will not start/],
    ['by lying that the container runs', `${CREATES}; exit 0`, /PID 1 of the sandbox did not start/],
    ['by writing no pid', 'exit 0', /wrote no pid/],
    ['by dying', 'kill -9 $$', /failed at create/],
  ]
  for (const [name, script, says] of cases) {
    test(`${name} ends the run with 6 and the runtime's words, and leaves nothing`, async () => {
      const run = await world.runJson(repository, [], { wrap: withRuntime(script) })
      assert.equal(run.exitCode, 6, run.why)
      assert.equal(run.document.error?.code, 'SANDBOX_FAILED')
      assert.match(String(run.document.error?.message), says)
      assert.equal(
        run.document.jobs[0]?.steps.every(({ conclusion }) => conclusion !== 'success'),
        true,
      )
      await assertNothingLeft(world)
    })
  }

  test('by giving its standard streams to the job, as crun does, reaches no device of the host', async () => {
    const device = join(world.directory, 'device')
    mkdirSync(device)
    const own = `mount -t tmpfs none ${device} && mknod -m 666 ${device}/null c 1 3 && mount --bind ${device}/null /dev/null && exec "$@"`
    const script = 'chown 4242 /dev/fd/0 /dev/fd/1 /dev/fd/2; echo "the owner is $(stat -c %u /dev/null)" > "$4"; exit 1'
    const run = await world.runJson(repository, [], { wrap: ['unshare', '-m', 'sh', '-c', own, 'sh', ...withRuntime(script)] })
    assert.match(String(run.document.error?.message), /the owner is 0/)
    await assertNothingLeft(world)
  })

  const hanging: readonly (readonly [name: string, script: string])[] = [
    ['at create', 'sleep 1000'],
    ['at create, with a process that detached', '(setsid sleep 1000 &); sleep 1000'],
    ['at start', `${CREATES.replace('3>&-', '')}; exit 0`],
  ]
  for (const [name, script] of hanging) {
    test(`by hanging ${name} is ended by Ctrl-C and by kill -9 of the supervisor, and leaves nothing`, async () => {
      for (const signal of ['SIGINT', 'SIGKILL'] as const) {
        const running = world.start(['run', '--json', '--state', world.state], { cwd: repository, wrap: withRuntime(script) })
        await until('the runtime', () => world.marker.pids().some((pid) => commandLine(pid) === 'sleep 1000'))
        running.child.kill(signal)
        const result = await running.result
        assert.equal(result.exitCode, signal === 'SIGINT' ? 130 : null, result.stderr)
        await assertNothingLeft(world)
      }
    })
  }

  test('for exec is a reason of Sallyport’s own: 125, with the code in --json', async () => {
    const result = await world.exec(['true'], [], { wrap: withRuntime('echo "no luck today" > "$4"; exit 1') })
    assert.equal(result.exitCode, 125, result.stderr)
    assert.equal(result.document.error?.exitCode, 6)
    assert.match(result.stderr, /no luck today/)
    await assertNothingLeft(world)
  })
})

describe('a missing part', () => {
  test('the static helper: says so and how to get it', async () => {
    const wrap = ['unshare', '-m', 'sh', '-c', `mount -t tmpfs none ${BUILT} && exec "$@"`, 'sh']
    const run = await world.runJson(repository, [], { wrap })
    assert.equal(run.exitCode, 6, run.why)
    assert.match(String(run.document.error?.message), /static helper/)
    assert.match(String(run.document.error?.hint), /make build/)
    await assertNothingLeft(world)
  })

  test('mke2fs: says which package has it', async () => {
    await using fresh = new World()
    const hide = 'for p in /usr/sbin/mke2fs /sbin/mke2fs; do [ -e $p ] && mount --bind /dev/null $p; done; exec "$@"'
    const run = await fresh.runJson(repository, [], { wrap: ['unshare', '-m', 'sh', '-c', hide, 'sh'] })
    assert.equal(run.exitCode, 6, run.why)
    assert.match(String(run.document.error?.hint), /e2fsprogs/)
    await assertNothingLeft(fresh)
  })
})

/** A mount namespace in which this world's state directory is a file system of its own of that size. */
class SmallDisk implements AsyncDisposable {
  readonly world: World = new World()
  readonly #holder: ReturnType<typeof spawn>
  readonly #ready: Promise<void>

  constructor(size: string) {
    mkdirSync(this.world.state)
    const script = `mount -t tmpfs -o size=${size},mode=0700 none ${this.world.state} && echo ok && exec sleep 3600`
    this.#holder = spawn('unshare', ['-m', 'sh', '-c', script], { stdio: ['ignore', 'pipe', 'inherit'] })
    this.#ready = new Promise((resolve) => this.#holder.stdout?.once('data', () => resolve()))
  }

  async enter(cwd: string): Promise<readonly string[]> {
    await this.#ready
    return ['nsenter', '-t', String(this.#holder.pid), '-m', 'sh', '-c', 'cd "$0" && exec "$@"', cwd]
  }

  /** The state directory, from outside of the namespace. */
  get path(): string {
    return `/proc/${this.#holder.pid}/root${this.world.state}`
  }

  /** Takes what is left of the space. */
  fill(): void {
    try {
      writeFileSync(join(this.path, 'filler'), Buffer.alloc(512 << 20))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#holder.kill('SIGKILL')
    await this.world[Symbol.asyncDispose]()
  }
}

const LIMITS = ['--limit', 'disk=256MiB', '--limit', 'inodes=4096']

describe('a full disk', () => {
  test('from the start: nothing runs, the run ends with 6 and says what to do', async () => {
    for (const size of ['8k', '64k', '1m']) {
      await using disk = new SmallDisk(size)
      const result = await disk.world.run(['run', ...LIMITS], { cwd: repository, wrap: await disk.enter(repository) })
      assert.equal(result.exitCode, 6, `${size}: ${result.stderr}${result.stdout}`)
      assert.match(result.stderr + result.stdout, /error\[(STORE_FULL|SANDBOX_FAILED)\]/)
      assert.match(result.stderr + result.stdout, /space/i)
      await assertNothingLeft(disk.world)
    }
  })

  test('in the middle of a run: it fails with 6, the sandbox goes, and what was on record stays readable', async () => {
    await using disk = new SmallDisk('64m')
    const slow = world.workflow(`
      on: push
      jobs:
        one:
          runs-on: ubuntu-latest
          steps: [{ run: echo first }, { run: sleep 1; seq 1 100000 }, { run: echo never }]
    `)
    const running = disk.world.start(['run', '--json', '--state', disk.world.state, ...LIMITS], { cwd: slow, wrap: await disk.enter(slow) })
    await reached(running, (event) => event.type === 'step.started' && event.step === '2')
    disk.fill()
    const result = await running.result
    assert.equal(result.exitCode, 6, result.stdout.slice(-2000) + result.stderr)
    assert.match(result.stdout.trimEnd().split('\n').at(-1) ?? '', /"error":\{"code":"STORE_FULL"/)
    await assertNothingLeft(disk.world)
    const [run = ''] = readdirSync(join(disk.path, 'runs'))
    const lines = readFileSync(join(disk.path, 'runs', run, 'journal.jsonl'), 'utf8')
      .trimEnd()
      .split('\n')
    assert.equal(lines.map((line) => (JSON.parse(line) as { type: string }).type).includes('step.started'), true)
    const shown = await disk.world.run(['runs', 'log', run], { wrap: await disk.enter('/') })
    assert.match(shown.stdout, /first\n/)
  })

  test('that the job itself fills is the job’s failure, and the record is whole', async () => {
    const run = await world.runJson(
      world.workflow(`
      on: push
      jobs:
        one:
          runs-on: ubuntu-latest
          steps:
            - { run: 'dd if=/dev/zero of=$HOME/big bs=1M count=300 status=none', continue-on-error: true }
            - { run: 'rm $HOME/big; i=0; mkdir $HOME/many; while [ $i -lt 20000 ] && : > $HOME/many/$i; do i=$((i+1)); done; echo $i', shell: sh, continue-on-error: true }
            - run: echo still here
      `),
      LIMITS,
    )
    assert.equal(run.exitCode, 0, run.why)
    assert.match(run.output('one', '1'), /No space left on device/)
    assert.equal(run.output('one', '3'), 'still here\n')
    await assertNothingLeft(world)
  })
})

describe('more than one at a time', () => {
  test('runs at the same time have id ranges of their own and leave nothing', async () => {
    const repositories = [1, 2].map((n) =>
      world.workflow(
        `on: push\njobs: { one: { runs-on: ubuntu-latest, steps: [{ run: "sleep 3; cat /proc/self/uid_map; echo ${n}" }] } }\n`,
      ),
    )
    const all = repositories.map((cwd) => world.start(['run', '--json', '--state', world.state], { cwd }))
    await until('two keepers', () => keepersOf(world).length === 2)
    const slots = keepersOf(world).map(({ slot }) => slot)
    assert.equal(new Set(slots).size, 2)
    const runs = (await Promise.all(all.map(({ result }) => result))).map((result) => world.parse(result))
    for (const run of runs) assert.equal(run.exitCode, 0, run.why)
    assert.notEqual(runs[0]?.output('one', '1').split(/\s+/)[2], runs[1]?.output('one', '1').split(/\s+/)[2])
    await assertNothingLeft(world)
  })
})
