// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { StepTraffic } from '@sallyport/gate'
import {
  FIRST_DESCRIPTOR,
  type Guarantee,
  type PutEntry,
  type Sandbox,
  type SandboxDriver,
  type SandboxSpec,
  type StepExit,
  type StepSpec,
} from '@sallyport/sandbox'
import { TestGate } from './test-gate.ts'

export interface ContractOptions {
  /** Why nothing can be tried here, printed with every test; false when it can. */
  readonly skip: string | false
  /** Guarantees that this host cannot give: the self-check has to name exactly these. Limits among them are not tried. */
  readonly missing?: readonly Guarantee[]
}

let serial = 0

/** A small sandbox with an id of its own. */
export function contractSpec(changes: Partial<SandboxSpec> = {}): SandboxSpec {
  serial += 1
  return {
    id: `contract-${process.pid}-${serial}`,
    image: { kind: 'host' },
    rootfs: 'disposable',
    limits: {
      cpu: 1,
      memoryBytes: 128 << 20,
      memorySwapBytes: 128 << 20,
      pids: 64,
      diskBytes: 128 << 20,
      diskInodes: 20_000,
      openFiles: 512,
    },
    nodeBinary: null,
    readOnlyBinds: [],
    directories: [],
    hostname: 'contract',
    gate: null,
    ...changes,
  }
}

const WORK = '/home/runner'

interface Ended extends StepExit {
  readonly output: string
  readonly began: boolean
}

async function runStep(sandbox: Sandbox, argv: readonly string[], changes: Partial<StepSpec> = {}): Promise<Ended> {
  const running = await sandbox.startStep({
    id: 'step',
    argv,
    env: { PATH: '/usr/bin:/bin' },
    workingDirectory: WORK,
    files: [],
    collect: [],
    collectBytesMax: 1024,
    network: null,
    ...changes,
  })
  const output = await textOf(running.output as AsyncIterable<Buffer>)
  const began = await running.begun.then(
    () => true,
    () => false,
  )
  return { ...(await running.exit), output, began }
}

const shell = (sandbox: Sandbox, script: string, changes: Partial<StepSpec> = {}): Promise<Ended> =>
  runStep(sandbox, ['/bin/sh', '-c', script], changes)

async function textOf(content: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = []
  for await (const part of content) parts.push(part)
  return Buffer.concat(parts).toString('utf8')
}

async function readAll(sandbox: Sandbox, root: string, paths: readonly string[]): Promise<(string | null)[]> {
  const contents: (string | null)[] = []
  await sandbox.readFiles(root, paths, async (_path, content) => {
    contents.push(content === null ? null : await textOf(content))
  })
  return contents
}

const file = (path: string, text: string, mode = 0o644): PutEntry => ({
  type: 'file',
  path,
  mode,
  size: Buffer.byteLength(text),
  content: Buffer.from(text),
})

/** The job's cgroups on the host, by the sandbox's id. */
function cgroupsOf(id: string): string[] {
  const mounts = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' '))
  const roots = mounts.filter(([, , type]) => type === 'cgroup' || type === 'cgroup2').map(([, path = '']) => join(path, 'sallyport'))
  return roots
    .filter((root) => existsSync(root))
    .flatMap((root) =>
      readdirSync(root)
        .filter((name) => name.endsWith(`-${id}`))
        .map((name) => join(root, name)),
    )
}

const isErrorWith =
  (...codes: readonly string[]) =>
  (error: unknown): boolean =>
    error instanceof Error && codes.includes((error as Error & { code?: string }).code ?? error.name)

/** Every duty of `SandboxDriver` and `Sandbox` in packages/sandbox/src/contract.ts that does not depend on how a driver works. */
export function sandboxDriverContract(name: string, create: () => SandboxDriver, options: ContractOptions): void {
  describe(`the sandbox driver ${name}`, { skip: options.skip, timeout: 120_000 }, () => {
    let sandbox: Sandbox
    before(async () => {
      sandbox = await create().prepare(contractSpec(), AbortSignal.timeout(30_000))
    })
    after(() => sandbox?.[Symbol.asyncDispose]())
    describe('a step', () => stepDuties(() => sandbox))
    describe('the end of a step', () => endDuties(() => sandbox))
    describe('files', () => fileDuties(() => sandbox))
    describe('a network', () => networkDuties(create, options.missing ?? []))
    describe('limits', { skip: limitSkip(options) }, () => limitDuties(create))
    describe('a sandbox', () => sandboxDuties(create, options.missing ?? []))
    describe('a sandbox', () => abortDuties(create))
    describe('what the driver declares', () => traitDuties(create))
  })
}

/** What differs between drivers is declared, and is as it was declared. */
function traitDuties(create: () => SandboxDriver): void {
  const { traits } = create()
  const within = async (use: (sandbox: Sandbox) => Promise<void>): Promise<void> => {
    await using sandbox = await create().prepare(contractSpec(), AbortSignal.timeout(60_000))
    await use(sandbox)
  }

  it(`is who answers the job's system calls: a kernel that is ${traits.kernel}`, () =>
    within(async (sandbox) => {
      const { output } = await shell(sandbox, 'cat /proc/version')
      assert.equal(output === readFileSync('/proc/version', 'utf8'), traits.kernel === 'shared')
      const by = new Set((await sandbox.selfCheck(AbortSignal.timeout(60_000))).map((result) => result.by))
      assert.deepEqual([...by].sort(), traits.kernel === 'shared' ? ['kernel'] : ['kernel', 'sentry'])
    }))

  it(`is whether steps have process ids of the host: ${traits.hasHostPids ? 'they have' : 'they have none'}`, () =>
    within(async (sandbox) => {
      await shell(sandbox, 'true')
      assert.equal(sandbox.hostIdentity.pids?.size ?? null, traits.hasHostPids ? 1 : null)
    }))

  it(`is what becomes of what a step leaves running: leftovers ${traits.leftovers}`, () =>
    within(async (sandbox) => {
      // Seen from outside of every step: it goes on writing, or does not.
      await shell(sandbox, '(while :; do date +%N > /tmp/tick; sleep 0.02; done) > /dev/null 2>&1 & sleep 0.2')
      const look = async (): Promise<string | null | undefined> => (await readAll(sandbox, '/tmp', ['tick']))[0]
      const first = await look()
      let changed = false
      const waits = traits.leftovers === 'run-on' ? 500 : 10
      for (let turn = 0; turn < waits && !changed; turn++) {
        await sleep(20)
        changed = (await look()) !== first
      }
      assert.equal(changed, traits.leftovers === 'run-on')
    }))

  it(`is how connections are known to be a step's: ${traits.attributesSteps}`, async () => {
    const gate = new TestGate()
    await using sandbox = await create().prepare(contractSpec({ gate: gate.launch }), AbortSignal.timeout(60_000))
    const networks = [await gate.open('first', []), await gate.open('second', [])]
    const running = await sandbox.startStep({ ...STEP, id: 'first', argv: ['/bin/sleep', '4242'], network: networks[0] ?? null })
    running.output.resume()
    const second = runStep(sandbox, ['/bin/true'], { id: 'second', network: networks[1] ?? null })
    if (traits.attributesSteps === 'by-turn') await assert.rejects(second, isErrorWith('SANDBOX_UNSUPPORTED'))
    else assert.equal((await second).code, 0)
    await running.kill()
    await running.exit
    const third = await runStep(sandbox, ['/bin/true'], { id: 'third', network: await gate.open('third', []) })
    assert.equal(third.code, 0)
  })
}

const STEP = { env: { PATH: '/usr/bin:/bin' }, workingDirectory: WORK, files: [], collect: [], collectBytesMax: 0, network: null } as const

function limitSkip({ missing = [] }: ContractOptions): string | false {
  return missing.includes('memory-limit') ? `this host cannot give: ${missing.join(', ')}` : false
}

/** E2BIG of Linux; gVisor says ENAMETOOLONG of a single one. */
const TOO_LONG = /Argument list too long|File name too long/

function stepDuties(sandbox: () => Sandbox): void {
  it('ends with the code of its program', async () => {
    for (const code of [0, 1, 7, 255]) {
      const { kind, code: found, message } = await shell(sandbox(), `exit ${code}`)
      assert.deepEqual({ kind, found, message }, { kind: 'exited', found: code, message: null })
    }
  })

  it('ends with the signal that ended its program', async () => {
    const { kind, code } = await shell(sandbox(), 'kill -TERM $$')
    assert.deepEqual({ kind, code }, { kind: 'signalled', code: 15 })
  })

  it('gets its arguments as they are: empty, with newlines, quotes and bytes above ASCII', async () => {
    const odd = ['', 'a\nb', `"'$(id)`, 'ü€𝄞', '--', '-n']
    const { output } = await runStep(sandbox(), ['/usr/bin/printf', '[%s]', ...odd])
    assert.equal(output, odd.map((argument) => `[${argument}]`).join(''))
  })

  it('gets exactly the environment that was asked for', async () => {
    const { output } = await runStep(sandbox(), ['/usr/bin/env', '-0'], { env: { A: '1', EMPTY: '', LINES: 'x\ny=z' } })
    assert.deepEqual(output.split('\0').filter(Boolean).sort(), ['A=1', 'EMPTY=', 'LINES=x\ny=z'])
  })

  it('reads nothing from its standard input', async () => {
    assert.deepEqual((await shell(sandbox(), 'cat; echo end')).output, 'end\n')
  })

  it('has its standard output and error in the order written', async () => {
    assert.equal(
      (await shell(sandbox(), 'for i in 1 2 3; do echo out $i; echo err $i >&2; done')).output,
      'out 1\nerr 1\nout 2\nerr 2\nout 3\nerr 3\n',
    )
  })

  it('loses no byte of a large output', async () => {
    const { output } = await shell(sandbox(), 'head -c 8000000 /dev/zero | tr "\\0" x')
    assert.equal(output.length, 8_000_000)
  })

  it('finds a program by the PATH of its environment', async () => {
    const exit = await runStep(sandbox(), ['true'], { env: { PATH: '/usr/bin' } })
    assert.deepEqual([exit.code, exit.began], [0, true])
  })

  const notStarted: readonly (readonly [why: string, argv: readonly string[], changes: Partial<StepSpec>, message: RegExp])[] = [
    ['a program that is not there', ['no-such-program'], {}, /"no-such-program": No such file or directory/],
    ['a directory for a program', ['/usr'], {}, /"\/usr": Permission denied/],
    ['a working directory that is not there', ['/bin/true'], { workingDirectory: '/nowhere' }, /"\/nowhere": No such file or directory/],
    ['a variable of 1 MiB', ['/bin/true'], { env: { BIG: 'x'.repeat(2 ** 20) } }, TOO_LONG],
    ['an argument of 1 MiB', ['/bin/true', 'x'.repeat(2 ** 20)], {}, TOO_LONG],
    ['no program at all', [], {}, /incomplete/],
  ]
  for (const [why, argv, changes, message] of notStarted) {
    it(`does not start with ${why}, and says so`, async () => {
      const exit = await runStep(sandbox(), argv, changes)
      assert.deepEqual([exit.kind, exit.began], ['failed-to-start', false])
      assert.match(exit.message ?? '', message)
    })
  }

  it('passes a variable of 100 KiB', async () => {
    assert.equal(
      (await shell(sandbox(), 'printf %s "$BIG" | wc -c', { env: { PATH: '/usr/bin', BIG: 'x'.repeat(102_400) } })).output.trim(),
      '102400',
    )
  })

  it('is refused with a NUL in an argument, a variable or a path, which the kernel would cut', async () => {
    const attempts: readonly (readonly [argv: readonly string[], changes: Partial<StepSpec>])[] = [
      [['/bin/echo', 'a\0b'], {}],
      [['/bin/true'], { env: { A: 'a\0b' } }],
      [['/bin/true'], { workingDirectory: '/tmp\0/x' }],
    ]
    for (const [argv, changes] of attempts) await assert.rejects(runStep(sandbox(), argv, changes), isErrorWith('SANDBOX_INPUT'))
  })

  describe('its own files', () => ownFileDuties(sandbox))
}

function ownFileDuties(sandbox: () => Sandbox): void {
  it('has a file open that nobody finds, where it asked for a descriptor', async () => {
    const files = ['one', 'two'].map((name, index) => ({
      name,
      content: Buffer.from(`${name} `),
      mode: 0o400,
      descriptor: FIRST_DESCRIPTOR + index,
    }))
    const look = 'cat <&20; cat /dev/fd/21; ls -A /run/sallyport/step | wc -l; (echo x >&20) 2>/dev/null || echo read-only'
    assert.equal((await runStep(sandbox(), ['/bin/bash', '-c', look], { files })).output, 'one two 0\nread-only\n')
    assert.equal((await shell(sandbox(), 'cat /dev/fd/20 2>&1 | wc -l; ls /proc/self/fd | wc -l')).output, '1\n4\n')
  })

  it('finds its files in a directory that later steps do not see', async () => {
    const files = [{ name: 'script', content: Buffer.from('private'), mode: 0o644 }]
    const look = 'cat /run/sallyport/step/script; stat -c %a /run/sallyport/step/script'
    assert.equal((await shell(sandbox(), look, { files })).output, 'private644\n')
    assert.match((await shell(sandbox(), look)).output, /No such file/)
  })

  it('leaves what is collected, and null for what is no regular file or over the limit', async () => {
    const script =
      'cd /run/sallyport/step && printf data > good && head -c 5000 /dev/zero > big && mkfifo fifo && ln -s /etc/passwd link && mkdir directory'
    const collect = ['good', 'big', 'fifo', 'link', 'directory', 'absent']
    const { files } = await shell(sandbox(), script, { collect })
    assert.deepEqual(Object.keys(files).sort(), [...collect].sort())
    assert.equal(Buffer.from(files['good'] ?? []).toString(), 'data')
    for (const name of collect.slice(1)) assert.equal(files[name], null, name)
  })
}

function endDuties(sandbox: () => Sandbox): void {
  const spec = {
    id: 'kill',
    env: { PATH: '/usr/bin:/bin' },
    workingDirectory: WORK,
    files: [],
    collect: [],
    collectBytesMax: 0,
    network: null,
  }

  it('comes with kill, for every process of it, also those that detached', async () => {
    const argv = ['/bin/sh', '-c', 'setsid sleep 4242 & echo up; sleep 4242']
    const running = await sandbox().startStep({ ...spec, argv })
    for await (const _ of running.output.iterator({ destroyOnReturn: false })) break
    running.output.resume()
    await running.kill()
    const { kind, code } = await running.exit
    assert.deepEqual({ kind, code }, { kind: 'signalled', code: 9 })
    // What was killed is dead at once, and reaped a moment later.
    const count = 'cat /proc/[0-9]*/comm 2> /dev/null | grep -c sleep'
    assert.equal((await shell(sandbox(), `for i in $(seq 200); do [ $(${count}) = 0 ] && break; done; ${count}`)).output, '0\n')
  })

  it('is the end whether or not it is killed again, and again afterwards', async () => {
    const running = await sandbox().startStep({ ...spec, argv: ['/bin/sleep', '4242'] })
    running.output.resume()
    await Promise.all([running.kill(), running.kill()])
    // It may have been killed before its program was there.
    assert.notEqual((await running.exit).kind, 'exited')
    await running.kill()
  })

  it('does not wait for what the step left running, nor hear it', async () => {
    const startMs = performance.now()
    const { output } = await shell(sandbox(), '(sleep 1; echo late; sleep 30) & echo done')
    assert.equal(output, 'done\n')
    assert.ok(performance.now() - startMs < 900, 'it waited for the leftover')
  })

  it('is told apart among many at a time', async () => {
    const ends = await Promise.all(Array.from({ length: 8 }, (_, index) => shell(sandbox(), `echo ${index}; exit ${index}`)))
    assert.deepEqual(
      ends.map(({ output, code }) => [output, code]),
      ends.map((_, index) => [`${index}\n`, index]),
    )
  })
}

function fileDuties(sandbox: () => Sandbox): void {
  it('go in with their content and mode, and come out the same', async () => {
    const big = 'big '.repeat(500_000)
    const entries: PutEntry[] = [
      { type: 'directory', path: 'in', mode: 0o755 },
      file('in/empty', ''),
      file('in/run.sh', '#!/bin/sh\necho ran\n', 0o755),
      file('in/two\nlines ü', 'odd name'),
      {
        type: 'file',
        path: 'in/big',
        mode: 0o600,
        size: big.length,
        content: (async function* () {
          yield Buffer.from(big)
        })(),
      },
      { type: 'symlink', path: 'in/link', target: '/etc/passwd' },
    ]
    const done = await sandbox().putFiles(WORK, entries)
    assert.equal(done.files, 4)
    assert.equal((await shell(sandbox(), './run.sh; readlink link', { workingDirectory: `${WORK}/in` })).output, 'ran\n/etc/passwd\n')
    const listed = await sandbox().listFiles(`${WORK}/in`, 100)
    assert.deepEqual(
      listed.map(({ path, type, size, mode }) => [path, type, type === 'file' ? size : 0, type === 'file' ? mode : 0]).sort(),
      [
        ['big', 'file', big.length, 0o600],
        ['empty', 'file', 0, 0o644],
        ['link', 'symlink', 0, 0],
        ['run.sh', 'file', 19, 0o755],
        ['two\nlines ü', 'file', 8, 0o644],
      ],
    )
    const contents = await readAll(sandbox(), `${WORK}/in`, ['two\nlines ü', 'big', 'empty'])
    assert.deepEqual(contents, ['odd name', big, ''])
  })

  it('read as null where there is no regular file, and the next one is still right', async () => {
    await shell(
      sandbox(),
      'mkdir -p odd && cd odd && mkfifo fifo && ln -s /etc/passwd link && ln -s .. up && mkdir directory && echo last > last',
    )
    const paths = ['fifo', 'link', 'up/odd/last', 'directory', 'absent', '../odd/last', 'last']
    assert.deepEqual(await readAll(sandbox(), `${WORK}/odd`, paths), [null, null, null, null, null, null, 'last\n'])
  })

  it('may be left unread, or read only a part of', async () => {
    await shell(sandbox(), 'mkdir -p part && cd part && head -c 3000000 /dev/zero > a && cp a b && echo last > c')
    const seen: string[] = []
    await sandbox().readFiles(`${WORK}/part`, ['a', 'b', 'c'], async (path, content) => {
      assert.ok(content !== null)
      if (path === 'a') return
      if (path === 'b') for await (const _ of content) break
      else seen.push(await textOf(content))
    })
    assert.deepEqual(seen, ['last\n'])
  })

  it('are not listed beyond the limit', async () => {
    await shell(sandbox(), 'mkdir -p many && cd many && touch 1 2 3 4 5')
    await assert.rejects(sandbox().listFiles(`${WORK}/many`, 4), isErrorWith('SANDBOX_INPUT'))
    assert.equal((await sandbox().listFiles(`${WORK}/many`, 5)).length, 5)
  })

  it('never go in outside of their root, whatever a link there says', async () => {
    await shell(sandbox(), 'mkdir -p trap/elsewhere && ln -s /tmp trap/out && ln -s elsewhere trap/in')
    for (const path of ['../escaped', '/tmp/escaped', 'out/escaped']) {
      await sandbox()
        .putFiles(`${WORK}/trap`, [file(path, 'x')])
        .catch(() => undefined)
    }
    assert.equal((await shell(sandbox(), 'ls /tmp/escaped escaped 2>/dev/null | wc -l')).output.trim(), '0')
  })

  it('that change their size while they are copied are an error', async () => {
    const entry: PutEntry = { type: 'file', path: 'shrunk', mode: 0o644, size: 10, content: Buffer.from('short') }
    await assert.rejects(sandbox().putFiles(WORK, [entry]), isErrorWith('SANDBOX_INPUT'))
  })

  it('of which the source fails are an error, and the sandbox goes on', async () => {
    async function* failing(): AsyncGenerator<PutEntry> {
      yield file('before', 'x')
      throw new Error('the source broke')
    }
    await assert.rejects(sandbox().putFiles(WORK, failing()))
    assert.equal((await shell(sandbox(), 'echo on')).output, 'on\n')
  })
}

function limitDuties(create: () => SandboxDriver): void {
  const { traits } = create()
  const within = async (use: (sandbox: Sandbox) => Promise<void>): Promise<void> => {
    await using sandbox = await create().prepare(contractSpec(), AbortSignal.timeout(30_000))
    await use(sandbox)
  }

  it('of memory end the process that passes it, and the step says so', () =>
    within(async (sandbox) => {
      const exit = await shell(sandbox, 'head -c 400000000 /dev/zero | tail')
      assert.equal(exit.limitHit, 'memory')
      assert.ok(sandbox.limitCounts().oomKills > 0)
      if (traits.memoryLimitEnds === 'process') assert.equal((await shell(sandbox, 'echo on')).output, 'on\n')
      else assert.match(await Promise.race([sandbox.lost, sleep(20_000, 'nothing was said')]), /PID 1/)
    }))

  it('of processes refuse the next one, and the step says so', () =>
    within(async (sandbox) => {
      const exit = await shell(sandbox, 'for i in $(seq 200); do sleep 30 & done; kill $(jobs -p); echo end')
      assert.match(exit.output, /Cannot fork|Resource temporarily unavailable/)
      assert.equal(exit.limitHit, traits.tellsPidsLimit ? 'pids' : null)
    }))

  it('of disk bytes refuse what goes in and what the job writes, and the sandbox goes on', () =>
    within(async (sandbox) => {
      const size = 200 << 20
      const chunk = Buffer.alloc(1 << 20, 1)
      const content = (async function* () {
        for (let sent = 0; sent < size; sent += chunk.length) yield chunk
      })()
      const entry: PutEntry = { type: 'file', path: 'huge', mode: 0o644, size, content }
      await assert.rejects(sandbox.putFiles(WORK, [entry]), /No space left/)
      assert.match(
        (await shell(sandbox, 'rm -f huge; head -c 200000000 /dev/zero > huge; rm -f huge; echo on')).output,
        /No space left.*on\n$/s,
      )
    }))

  it('of open files hold in every process', () =>
    within(async (sandbox) => assert.equal((await shell(sandbox, 'ulimit -Hn')).output, '512\n')))
}

function networkDuties(create: () => SandboxDriver, missing: readonly Guarantee[]): void {
  const signal = AbortSignal.timeout(60_000)
  let gate: TestGate
  let sandbox: Sandbox
  let serial = 0
  before(async () => {
    gate = new TestGate()
    sandbox = await create().prepare(contractSpec({ gate: gate.launch }), signal)
  })
  after(() => sandbox?.[Symbol.asyncDispose]())

  /** A step whose doors open and shut as an agent would do it. */
  const gated = async (script: string): Promise<Ended & StepTraffic> => {
    serial += 1
    const id = `gated-${serial}`
    const network = await gate.open(id, [])
    const ended = await runStep(sandbox, ['/bin/bash', '-c', script], { id, network })
    return { ...ended, ...(await gate.close(id)) }
  }

  it('is what the self-check finds it to be', async () => {
    const failed = (await sandbox.selfCheck(signal)).filter(({ holds, guarantee }) => !holds && !missing.includes(guarantee))
    assert.deepEqual(failed, [])
  })

  it('leads to a gate that lets through only what has a rule, and tells what it refused', async () => {
    const { code, refused } = await gated('exec 3<>/dev/tcp/192.0.2.1/443 && read -t 5 -u 3 line')
    assert.notEqual(code, 0)
    assert.deepEqual(
      refused.map(({ refusal }) => refusal.target),
      ['192.0.2.1:443'],
    )
  })

  it('has a resolver that knows no name without a rule', async () => {
    const { output, refused } = await gated('getent ahostsv4 origin.example.test || echo unknown')
    assert.equal(output, 'unknown\n')
    assert.match(refused.map(({ refusal }) => refusal.target).join(), /origin\.example\.test/)
  })

  it('refuses datagrams without a rule at once, and the end of the step tells them', async () => {
    const { refusedPackets } = await gated('echo x > /dev/udp/192.0.2.1/9')
    assert.deepEqual(
      refusedPackets.map(({ address, protocol, port }) => [address, protocol, port]),
      [['192.0.2.1', 'udp', 9]],
    )
  })

  it('is not there for a step without one', async () => {
    for (const protocol of ['tcp', 'udp']) {
      const { code } = await runStep(sandbox, ['/bin/bash', '-c', `echo x > /dev/${protocol}/198.18.0.1/53`])
      assert.notEqual(code, 0, protocol)
    }
  })

  it('takes the sandbox along when its gate ends', async () => {
    gate.end()
    assert.match(await Promise.race([sandbox.lost, sleep(5000, 'nothing was said')]), /gate/)
  })
}

function sandboxDuties(create: () => SandboxDriver, missing: readonly Guarantee[]): void {
  const signal = AbortSignal.timeout(60_000)

  it('names each guarantee that does not hold, and no other', async () => {
    await using sandbox = await create().prepare(contractSpec(), signal)
    const results = await sandbox.selfCheck(signal)
    const failed = results.filter(({ holds }) => !holds)
    assert.deepEqual([...new Set(failed.map(({ guarantee }) => guarantee))].sort(), [...missing].sort(), JSON.stringify(failed))
  })

  it('has the directories that were asked for, as the job’s own', async () => {
    await using sandbox = await create().prepare(contractSpec({ directories: [`${WORK}/work`, `${WORK}/work/a`, '/tmp/b'] }), signal)
    assert.equal((await shell(sandbox, `touch ${WORK}/work/a/x /tmp/b/x && stat -c %u ${WORK}/work/a /tmp/b`)).output, '0\n0\n')
  })

  it('shares neither ids nor files nor network with another of the same time', async () => {
    const driver = create()
    const [one, two] = await Promise.all([driver.prepare(contractSpec(), signal), driver.prepare(contractSpec(), signal)])
    await using _ = one
    await using __ = two
    assert.notEqual(one.hostIdentity.uids.first, two.hostIdentity.uids.first)
    const look = 'readlink /proc/self/ns/net'
    const [first, second] = await Promise.all([shell(one, look), shell(two, look)])
    // Kernels of their own may give theirs the same number.
    if (driver.traits.kernel === 'shared') assert.notEqual(first.output, second.output)
    await shell(one, 'echo x > /tmp/mine')
    assert.match((await shell(two, 'cat /tmp/mine')).output, /No such file/)
  })

  it('with a read-only root takes writes in its own directories alone', async () => {
    await using sandbox = await create().prepare(contractSpec({ rootfs: 'read-only' }), signal)
    const { output } = await shell(sandbox, 'echo x > /tmp/a && echo tmp; echo x > /etc/a; echo x > /usr/a')
    assert.match(output, /^tmp\n.*\/etc\/a.*Read-only file system.*\/usr\/a.*Read-only file system/s)
  })

  it('counts connections that have nowhere to go', async () => {
    // Without a gate a kernel of the sandbox's own has no link at all, and nothing that the host could count.
    const gate = create().traits.kernel === 'shared' ? null : new TestGate()
    await using sandbox = await create().prepare(contractSpec(gate === null ? {} : { gate: gate.launch }), signal)
    assert.equal(sandbox.refusedPackets(), 0)
    await runStep(sandbox, ['/bin/bash', '-c', 'echo x > /dev/udp/192.0.2.1/9'], {
      id: 'lost',
      network: (await gate?.open('lost', [])) ?? null,
    })
    assert.ok(sandbox.refusedPackets() > 0)
  })

  it('is gone after its disposal, which may be asked for twice, and nothing starts in it any more', async () => {
    const spec = contractSpec()
    const sandbox = await create().prepare(spec, signal)
    assert.ok(cgroupsOf(spec.id).length > 0)
    await Promise.all([sandbox[Symbol.asyncDispose](), sandbox[Symbol.asyncDispose]()])
    await sandbox[Symbol.asyncDispose]()
    assert.deepEqual(cgroupsOf(spec.id), [])
    await assert.rejects(shell(sandbox, 'true'), isErrorWith('SANDBOX_LOST'))
    await assert.rejects(sandbox.listFiles(WORK, 10), isErrorWith('SANDBOX_LOST'))
    await assert.rejects(sandbox.putFiles(WORK, []), isErrorWith('SANDBOX_LOST'))
  })

  it('takes its running steps along when it is disposed', async () => {
    const sandbox = await create().prepare(contractSpec(), signal)
    const running = await sandbox.startStep({ ...STEP, id: 'step', argv: ['/bin/sh', '-c', 'echo up; sleep 4242'] })
    for await (const _ of running.output.iterator({ destroyOnReturn: false })) break
    running.output.resume()
    await sandbox[Symbol.asyncDispose]()
    const { kind, code } = await running.exit
    assert.deepEqual([kind, code], ['signalled', 9])
  })

  it('says that it is lost when its first process ends', async () => {
    const spec = contractSpec()
    await using sandbox = await create().prepare(spec, signal)
    const members = cgroupsOf(spec.id).flatMap((directory) =>
      readFileSync(join(directory, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean),
    )
    process.kill(Number(members[0]), 'SIGKILL')
    assert.match(await Promise.race([sandbox.lost, sleep(5000, 'nothing was said')]), /PID 1/)
  })
}

function abortDuties(create: () => SandboxDriver): void {
  it('is not built when it is aborted, at whatever moment, and nothing of it remains', async () => {
    for (const afterMs of [0, 1, 5, 10, 20, 30, 45]) {
      const spec = contractSpec()
      const controller = new AbortController()
      const preparing = create().prepare(spec, controller.signal)
      setTimeout(() => controller.abort(), afterMs)
      await preparing.then(
        (sandbox) => sandbox[Symbol.asyncDispose](),
        (error: unknown) =>
          assert.ok(isErrorWith('AbortError', 'ABORT_ERR', '20')(error) || (error as Error).name === 'AbortError', String(error)),
      )
      assert.deepEqual(cgroupsOf(spec.id), [])
    }
  })

  it('is not built when it was aborted before', async () => {
    const spec = contractSpec()
    await assert.rejects(create().prepare(spec, AbortSignal.abort()), (error: Error) => error.name === 'AbortError')
    assert.deepEqual(cgroupsOf(spec.id), [])
  })
}
