// SPDX-License-Identifier: Apache-2.0
// The gate's process and the steps' networks, on this machine's kernel. Nothing leaves it: the gate of _echo-gate.ts dials nobody.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, globSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { relayAddress, stepSource } from '@sallyport/core'
import { EchoGate, gateSpec } from '../_with-gate.ts'
import type { Sandbox, StepExit, StepNetwork, StepSpec } from '../contract.ts'
import { createDriver } from './registry.ts'

const skip = process.getuid?.() === 0 ? false : 'sandboxes need root'
const directory = mkdtempSync(join(tmpdir(), 'sallyport-gate-'))
after(() => rmSync(directory, { recursive: true, force: true }))

const signal = (): AbortSignal => AbortSignal.timeout(30_000)
const prepare = (gate: EchoGate): Promise<Sandbox> => createDriver('runc', directory).prepare(gateSpec(gate.launch), signal())

/** Opens the connection of `$1 $2` and says what came. */
const ASK_TCP = 'exec 3<>/dev/tcp/$0/$1 && read -t 3 -u 3 line && echo "$line"'
/** Of `timeout`, when it had to end what it ran. */
const TIMED_OUT = 124
const ASK_UDP = 'exec 3<>/dev/udp/$0/$1 && echo hello >&3 && timeout 3 dd bs=2048 count=1 status=none <&3'

async function startStep(sandbox: Sandbox, argv: readonly string[], network: StepNetwork | null, id = 'step'): Promise<Running> {
  const spec: StepSpec = {
    id,
    argv,
    env: { PATH: '/usr/bin:/bin' },
    workingDirectory: '/tmp',
    files: [],
    collect: [],
    collectBytesMax: 0,
    network,
  }
  return sandbox.startStep(spec)
}
type Running = Awaited<ReturnType<Sandbox['startStep']>>

async function runStep(sandbox: Sandbox, argv: readonly string[], network: StepNetwork | null): Promise<StepExit & { output: string }> {
  const step = await startStep(sandbox, argv, network)
  let output = ''
  for await (const part of step.output as AsyncIterable<Buffer>) output += part.toString()
  return { ...(await step.exit), output }
}

let steps = 0
function ownNetwork(relays: StepNetwork['relays'] = []): StepNetwork {
  steps += 1
  return { source: stepSource(steps), relays }
}

async function until(what: string, holds: () => boolean): Promise<void> {
  for (let attempt = 0; attempt < 12_000; attempt += 1) {
    if (holds()) return
    await sleep(10)
  }
  assert.fail(`it did not come to it that ${what}`)
}

/** One that nobody has reaped yet has ended, too. */
const isAlive = (pid: unknown): boolean => existsSync(`/proc/${pid}`) && !/^Z/.test(statusOf(pid)['State'] ?? 'Z')

function statusOf(pid: unknown): Record<string, string> {
  const lines = readFileSync(`/proc/${pid}/status`, 'utf8').split('\n')
  return Object.fromEntries(lines.map((line) => line.split(':\t')).map(([name = '', value = '']) => [name, value.trim()]))
}

/** None where it is gone by now: gates of others come and go. */
function membersOf(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').split('\n')
  } catch (error) {
    if (['ENOENT', 'ENODEV'].includes(String((error as NodeJS.ErrnoException).code))) return []
    throw error
  }
}

/** In every hierarchy where it has one of its own. */
function cgroupsOf(pid: unknown): string[] {
  return globSync('/sys/fs/cgroup/**/sallyport/slot*-_gate/cgroup.procs')
    .filter((file) => membersOf(file).includes(String(pid)))
    .map((file) => join(file, '..'))
}

describe('the process of a gate', { skip }, () => {
  const gate = new EchoGate()
  let sandbox: Sandbox
  let pid: unknown
  before(async () => {
    sandbox = await prepare(gate)
    pid = await gate.ask('pid')
  })
  after(() => sandbox?.[Symbol.asyncDispose]())

  it('has a user of its own, no capability, no way to new ones, and a filter', () => {
    const status = statusOf(pid)
    const uid = Number(status['Uid']?.split('\t')[0])
    assert.ok(uid >= 0x7fff_0000 && uid <= 0x7fff_ffff, String(uid))
    assert.equal(status['Uid'], Array(4).fill(uid).join('\t'))
    assert.equal(status['Gid'], status['Uid'])
    assert.equal(status['Groups'], '')
    for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb']) assert.equal(Number(`0x${status[set]}`), 0, set)
    assert.equal(status['NoNewPrivs'], '1')
    assert.equal(status['Seccomp'], '2')
  })

  it('sees no file: an empty root that cannot be written, and nothing through what it had open before', () => {
    assert.deepEqual(readdirSync(`/proc/${pid}/root`), [])
    const mounts = readFileSync(`/proc/${pid}/mounts`, 'utf8').trim().split('\n')
    assert.equal(mounts.length, 1)
    assert.match(mounts[0] ?? '', /^empty \/ tmpfs ro,nosuid,nodev,noexec,/)
    const directories = readdirSync(`/proc/${pid}/fd`)
      .map((name) => `/proc/${pid}/fd/${name}`)
      .filter((path) => statSync(path).isDirectory())
    const files = directories.flatMap((path) => readdirSync(path, { recursive: true }).map((name) => join(path, String(name))))
    assert.deepEqual(
      files.filter((path) => statSync(path).size > 0 && !statSync(path).isDirectory()),
      [],
    )
  })

  it('has the environment that was asked for, no core dumps, and namespaces of its own but for the network', () => {
    assert.equal(readFileSync(`/proc/${pid}/environ`, 'utf8'), 'MARK=gate\0')
    assert.match(readFileSync(`/proc/${pid}/limits`, 'utf8'), /^Max core file size +0 +0 /m)
    // What of its memory a core would hold that is piped to a program.
    assert.equal(Number(readFileSync(`/proc/${pid}/coredump_filter`, 'utf8')), 0)
    const shared = ['net', 'mnt', 'ipc', 'uts'].filter((name) => inode(pid, name) === inode('self', name))
    assert.deepEqual(shared, ['net'])
  })

  it('has limits of memory, of what its sockets hold, and of processes of its own', () => {
    const limits = limitsIn(cgroupsOf(pid))
    assert.equal(limits['pids.max'], '64')
    // Version 2 counts both as one.
    if ('memory.max' in limits) assert.equal(limits['memory.max'], String(512 << 20))
    else {
      assert.equal(limits['memory.limit_in_bytes'], String(256 << 20))
      assert.equal(limits['memory.kmem.tcp.limit_in_bytes'], String(256 << 20))
    }
  })

  it('is no process that the kernel spares when memory runs out, whatever its supervisor is', () => {
    assert.equal(readFileSync(`/proc/${pid}/oom_score_adj`, 'utf8').trim(), '250')
  })

  it('connects and sends where it may reach, and nowhere else', async () => {
    const answers = (await gate.ask('attacks')) as Record<string, string>
    for (const what of ['loopback', 'IPv6 loopback', 'IPv4 by IPv6', 'datagram to loopback', 'another port there'])
      assert.equal(answers[what], 'EPERM', what)
    // Nobody is there.
    assert.equal(answers['what it may reach'], 'ECONNREFUSED')
    assert.equal(answers['datagram to what it may reach'], 'done')
  })

  it('need not reach anything', async () => {
    const gate = new EchoGate({ reach: Promise.resolve([]) })
    await using _ = await prepare(gate)
    const answers = (await gate.ask('attacks')) as Record<string, string>
    for (const what of ['loopback', 'IPv6 loopback', 'what it may reach', 'datagram to what it may reach'])
      assert.equal(answers[what], 'EPERM', what)
  })

  it('can neither read, start nor signal anything, nor reach a socket of the host that has no file, nor listen', async () => {
    const answers = (await gate.ask('attacks')) as Record<string, string>
    assert.equal(answers['read'], 'ENOENT')
    assert.equal(answers['list'], '[]')
    assert.match(answers['spawn'] ?? '', /^(EPERM|ENOENT|ENOSYS)$/)
    assert.equal(answers['signal'], 'EPERM')
    assert.equal(answers['signal itself'], 'EPERM')
    assert.equal(answers['abstract socket'], 'EAFNOSUPPORT')
    // Landlock's ABI 4 and newer; before it, a port on the host is all that a taken gate wins.
    assert.equal(answers['port of its own'], 'EACCES')
  })
})

const LIMITS = ['memory.max', 'memory.limit_in_bytes', 'memory.kmem.tcp.limit_in_bytes', 'pids.max']

function limitsIn(cgroups: readonly string[]): Record<string, string> {
  const files = cgroups.flatMap((path) => LIMITS.map((name) => ({ name, file: join(path, name) })))
  return Object.fromEntries(files.filter(({ file }) => existsSync(file)).map(({ name, file }) => [name, readFileSync(file, 'utf8').trim()]))
}

/** Of this process, by an argument. */
function childrenNamed(argument: string): string[] {
  const children = readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').split(' ').filter(Boolean)
  return children.filter((pid) => commandLine(pid).includes(argument))
}

function commandLine(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
  } catch (error) {
    // It ended meanwhile.
    if (/^(ENOENT|ESRCH)$/.test(String((error as NodeJS.ErrnoException).code))) return []
    throw error
  }
}

function inode(pid: unknown, name: string): bigint {
  return statSync(`/proc/${pid}/ns/${name}`, { bigint: true }).ino
}

/** Fills connections over the loopback that nobody reads from, and says how many MiB all sockets of the machine hold then. */
const HOARD = `
import os, resource, socket, time
def hoard():
    server = socket.create_server(('127.0.0.1', 0))
    kept = []
    for i in range(25):
        client = socket.create_connection(server.getsockname())
        kept += [client, server.accept()[0]]
        client.setblocking(False)
        try:
            while True: client.send(bytes(1 << 20))
        except BlockingIOError:
            pass
    time.sleep(5)
for i in range(12):
    if os.fork() == 0: hoard()
time.sleep(1.5)
held = next(line for line in open('/proc/net/sockstat') if line.startswith('TCP:')).split()[-1]
print(int(held) * resource.getpagesize() >> 20)
`

describe('what the sockets of a job hold', { skip }, () => {
  it('is bounded, read or not', async () => {
    await using sandbox = await prepare(new EchoGate())
    const step = await startStep(sandbox, ['/usr/bin/python3', '-c', HOARD], ownNetwork())
    const [output] = (await once(step.output, 'data')) as [Buffer]
    await step.kill()
    // The machine's other connections are counted with them.
    assert.ok(Number(output.toString()) < 500, `${output} MiB`)
  })
})

describe('the end of a gate', { skip }, () => {
  it('comes with the disposal of its sandbox, with its cgroups', async () => {
    const gate = new EchoGate()
    const sandbox = await prepare(gate)
    const pid = await gate.ask('pid')
    assert.ok(isAlive(pid))
    const cgroups = cgroupsOf(pid)
    assert.notEqual(cgroups.length, 0)
    await sandbox[Symbol.asyncDispose]()
    assert.equal(isAlive(pid), false)
    assert.deepEqual(cgroups.filter(existsSync), [])
  })

  it('comes with kill -9 of the keeper, and the sandbox says that it is lost', async () => {
    const gate = new EchoGate()
    await using sandbox = await prepare(gate)
    const pid = await gate.ask('pid')
    process.kill(Number(statusOf(pid)['PPid']), 'SIGKILL')
    await until('the gate ended', () => !isAlive(pid))
    assert.match(await sandbox.lost, /keeper/)
  })

  it('comes with kill -9 of the supervisor', async () => {
    const supervisor = spawn(process.execPath, [join(import.meta.dirname, '_held-sandbox.ts'), directory], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const [line] = (await once(supervisor.stdout, 'data')) as [Buffer]
    const pid = Number(line.toString())
    assert.ok(isAlive(pid))
    const cgroups = cgroupsOf(pid)
    supervisor.kill('SIGKILL')
    await until('the gate ended', () => !isAlive(pid))
    await until('its cgroups are gone', () => cgroups.filter(existsSync).length === 0)
  })

  it('loses the sandbox, which says why, and no step reaches anything any more', async () => {
    const gate = new EchoGate()
    await using sandbox = await prepare(gate)
    gate.send('fail')
    assert.match(await Promise.race([sandbox.lost, sleep(5000, 'nothing was said')]), /gate ended with code 1: .*asked to fail/)
    const { output, code } = await runStep(sandbox, ['/bin/bash', '-c', ASK_TCP, '192.0.2.1', '443'], ownNetwork())
    assert.notEqual(code, 0, output)
  })

  it('comes at its memory limit, which is said', async () => {
    const gate = new EchoGate()
    await using sandbox = await prepare(gate)
    gate.send('hoard')
    assert.match(await Promise.race([sandbox.lost, sleep(5000, 'nothing was said')]), /gate ended with signal 9, out of memory/)
  })

  it('while the sandbox is built ends the building, with the words of the gate', async () => {
    const gate = new EchoGate({ argv: [process.execPath, '-e', 'throw new Error("will not start")'] })
    await assert.rejects(prepare(gate), { code: 'SANDBOX_FAILED', message: /gate ended with code 1: .*will not start/ })
  })

  it('before it began, for a program or a file that is not there, says which', async () => {
    await assert.rejects(prepare(new EchoGate({ argv: ['/nowhere/node'] })), { message: /gate ended with code 125: .*\/nowhere\/node/ })
    const gate = new EchoGate()
    const files = [...gate.launch.files, '/nowhere/file']
    await assert.rejects(prepare(new EchoGate({ files })), { message: /gate ended with code 125: .*\/nowhere\/file: No such file/ })
  })

  it('comes before it began, too, when nobody could say where it may reach', async () => {
    for (const network of ['nonsense', '127.0.0.1', '127.0.0.1/33', '::/129', '::1/-1', '10.0.0.0/8x'])
      await assert.rejects(
        prepare(new EchoGate({ reach: Promise.resolve([{ allowed: true, network, port: null }]) })),
        { message: /no reach of a gate/ },
        network,
      )
  })

  it('comes with an abort while the sandbox is built, at whatever moment', async () => {
    for (const afterMs of [0, 2, 5, 10, 20, 40, 60]) {
      const spec = gateSpec(new EchoGate().launch)
      const controller = new AbortController()
      setTimeout(() => controller.abort(), afterMs)
      const built = await createDriver('runc', directory)
        .prepare(spec, controller.signal)
        .catch((error: Error) => error.name)
      if (typeof built === 'string') assert.equal(built, 'AbortError')
      else await built[Symbol.asyncDispose]()
      assert.deepEqual(childrenNamed('keeper'), [])
    }
  })

  it('is not waited for when nobody thinks it ready: the building ends with that reason, and nothing is left', async () => {
    const ready = sleep(150).then(() => Promise.reject(new Error('not like this')))
    const gate = new EchoGate({ ready })
    const spec = gateSpec(gate.launch)
    await assert.rejects(createDriver('runc', directory).prepare(spec, signal()), /not like this/)
    assert.deepEqual(
      globSync('/sys/fs/cgroup/**/sallyport/*').filter((path) => path.endsWith(`-${spec.id}`)),
      [],
    )
  })
})

describe('the network of a step', { skip }, () => {
  const gate = new EchoGate()
  let sandbox: Sandbox
  before(async () => {
    sandbox = await prepare(gate)
  })
  after(() => sandbox?.[Symbol.asyncDispose]())
  const ask = (how: string, address: string, port: number): string[] => ['/bin/bash', '-c', how, address, String(port)]

  it('leads to the gate, whatever address it asks for, and the gate knows the step and the address', async () => {
    for (const address of ['192.0.2.1', '198.19.7.7', '10.0.0.1']) {
      const network = ownNetwork()
      const { output } = await runStep(sandbox, ask(ASK_TCP, address, 443), network)
      assert.match(output, new RegExp(`^${network.source} \\d+ ${address}:443\n$`))
    }
  })

  it('has a resolver at every address', async () => {
    for (const address of ['198.18.0.1', '192.0.2.53']) {
      const network = ownNetwork()
      assert.equal((await runStep(sandbox, ask(ASK_UDP, address, 53), network)).output, `5 ${network.source} hello\n`)
    }
  })

  it('is not there for a step without one', async () => {
    for (const how of [ask(ASK_TCP, '192.0.2.1', 443), ask(ASK_UDP, '198.18.0.1', 53)]) {
      const { code, output } = await runStep(sandbox, how, null)
      assert.notEqual(code, 0, output)
    }
  })

  it('ends with the step, also for what it left running', async () => {
    const script = `(sleep 0.5; echo > /tmp/tried; { ${ASK_TCP}; } > /tmp/late) < /dev/null > /dev/null 2>&1 & echo started`
    assert.equal((await runStep(sandbox, ask(script, '192.0.2.1', 443), ownNetwork())).output, 'started\n')
    const later = 'for i in {1..2400}; do [ -e /tmp/tried ] && break; sleep 0.05; done; sleep 0.4; ls /tmp/tried; cat /tmp/late'
    assert.equal((await runStep(sandbox, ['/bin/bash', '-c', later], ownNetwork())).output, '/tmp/tried\n')
  })

  it('is told apart from that of another step of the same time', async () => {
    const networks = Array.from({ length: 6 }, () => ownNetwork())
    const ends = await Promise.all(networks.map((network) => runStep(sandbox, ask(ASK_TCP, '192.0.2.1', 80), network)))
    assert.deepEqual(
      ends.map(({ output }) => output.split(' ')[0]),
      networks.map(({ source }) => source),
    )
  })

  it('has the relays that were asked for, at their ports, and only while the step runs', async () => {
    const with1 = ownNetwork([{ index: 1, port: 4433 }])
    const to = (port: number): string[] => ask(ASK_UDP, relayAddress(1), port)
    assert.equal((await runStep(sandbox, to(4433), with1)).output, `7 ${with1.source} hello\n`)
    assert.notEqual((await runStep(sandbox, to(4434), ownNetwork([{ index: 1, port: 4433 }]))).code, 0)
    assert.notEqual((await runStep(sandbox, to(4433), ownNetwork())).code, 0)
  })

  it('refuses other datagrams at once, and the end of the step tells them', async () => {
    const network = ownNetwork()
    const { refusedPackets, code } = await runStep(sandbox, ask(ASK_UDP, '192.0.2.9', 443), network)
    assert.ok(code !== 0 && code !== TIMED_OUT, String(code))
    assert.deepEqual(
      refusedPackets.filter(({ source }) => source === network.source),
      [{ source: network.source, address: '192.0.2.9', protocol: 'udp', port: 443 }],
    )
  })

  it('can be asked which program has a connection', async () => {
    const tell = `import socket,sys,time
s = socket.create_connection(('192.0.2.1', 443))
print(s.getsockname()[1], flush=True)
time.sleep(20)`
    const step = await startStep(sandbox, ['/usr/bin/python3', '-c', tell], ownNetwork(), 'asking')
    const [line] = (await once(step.output, 'data')) as [Buffer]
    const port = Number(line.toString())
    assert.match(sandbox.executableOf('asking', port) ?? '', /^\/usr\/bin\/python3/)
    assert.equal(sandbox.executableOf('asking', port ^ 1), null)
    assert.equal(sandbox.executableOf('another', port), null)
    await step.kill()
    await step.exit
    assert.equal(sandbox.executableOf('asking', port), null)
  })

  it('cannot keep the supervisor at looking for programs', async () => {
    const connect = `import socket,time
s = socket.create_connection(('192.0.2.1', 443))
kept = [s.dup() for _ in range(400)]
print(s.getsockname()[1], flush=True)
time.sleep(60)`
    await using sandbox = await prepare(new EchoGate())
    const step = await startStep(sandbox, ['/usr/bin/python3', '-c', connect], ownNetwork(), 'asking')
    const [line] = (await once(step.output, 'data')) as [Buffer]
    const port = Number(line.toString())
    let asked = 0
    while (sandbox.executableOf('asking', port) !== null) assert.ok(++asked < 5000)
    assert.notEqual(asked, 0)
    await step.kill()
  })

  it('has no single program when a connection was passed on to another process', async () => {
    const tell = `import os,socket,time
s = socket.create_connection(('192.0.2.1', 443))
os.fork()
print(s.getsockname()[1], flush=True)
time.sleep(20)`
    const step = await startStep(sandbox, ['/usr/bin/python3', '-c', tell], ownNetwork(), 'forking')
    const [line] = (await once(step.output, 'data')) as [Buffer]
    await sleep(100)
    assert.equal(sandbox.executableOf('forking', Number.parseInt(line.toString(), 10)), null)
    await step.kill()
    await step.exit
  })
})

describe('a gate that lets through what no rule allows', { skip }, () => {
  it('is found by the self-check, which names the network', async () => {
    await using sandbox = await prepare(new EchoGate())
    const failed = (await sandbox.selfCheck(signal())).filter(({ holds }) => !holds)
    assert.deepEqual([...new Set(failed.map(({ guarantee }) => guarantee))], ['network'])
  })
})

describe('a host that cannot make the network', { skip }, () => {
  it('is refused by name, and what is missing is said', () => {
    const withoutNetAdmin = ['--bounding-set', '-net_admin', '--inh-caps', '-net_admin', process.execPath]
    const { status, stderr } = spawnSync('setpriv', [...withoutNetAdmin, join(import.meta.dirname, '_held-sandbox.ts'), directory], {
      encoding: 'utf8',
      timeout: 240_000,
    })
    assert.equal(status, 1)
    assert.match(stderr, /Cannot build the network of the sandbox: .*: Operation not permitted/)
    assert.match(stderr, /code: 'SANDBOX_UNSUPPORTED'/)
    assert.match(stderr, /CONFIG_NFT_TPROXY/)
  })
})

describe('a sandbox without a gate', { skip }, () => {
  it('gives no step a network', async () => {
    await using sandbox = await createDriver('runc', directory).prepare(gateSpec(null), signal())
    await assert.rejects(startStep(sandbox, ['/bin/true'], ownNetwork()), { code: 'SANDBOX_INPUT' })
    assert.equal((await runStep(sandbox, ['/bin/cat', '/etc/resolv.conf'], null)).output, '')
  })
})
