// SPDX-License-Identifier: Apache-2.0
// A job's two network namespaces, made by the keeper's own code and tried from both ends. All of it in namespaces of the test's own, so that
// nothing can leave the machine.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, readlinkSync, rmdirSync, statSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { createInterface, type Interface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { buildHelper, buildProbe, run } from './_helper.ts'

const probe = buildProbe('network-probe', [
  'util.c',
  'netlink.c',
  'nftables.c',
  'keeper-network.c',
  'keeper-network-links.c',
  'keeper-network-refusals.c',
  'keeper-network-gate-rules.c',
  'keeper-network-job-rules.c',
  'keeper-network-sentry-rules.c',
])

/** A refusal is at once: far below any time that TCP waits before it tries again. */
const AT_ONCE_MS = 100

// ---- cgroups of our own, where sockets are told apart

const cgroupRoot = /^\S+ (\S+) cgroup2 /m.exec(readFileSync('/proc/self/mounts', 'utf8'))?.[1]
if (cgroupRoot === undefined) throw new Error('no cgroup2 hierarchy is mounted')
const base = `${cgroupRoot}/sallyport-network-test-${process.pid}`
const box = `${base}/box`
const LEVEL = 3
mkdirSync(box, { recursive: true })
after(async () => {
  for (const stop of stops.toReversed()) await stop()
  for (const path of [...cgroups.toReversed(), box, base]) rmdirSync(path)
})
const stops: (() => Promise<void>)[] = []
const cgroups: string[] = []

function makeCgroup(name: string): string {
  const path = `${box}/${name}`
  mkdirSync(path)
  cgroups.push(path)
  return path
}

const idOf = (cgroup: string): bigint => statSync(cgroup, { bigint: true }).ino

// ---- programs that are spoken to in lines

type Child = ChildProcess & { stdin: Writable; stdout: Readable }

function start(command: string, ...args: string[]): Child {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] }) as Child
  const ended = once(child, 'exit')
  stops.push(async () => {
    child.kill('SIGKILL')
    await ended
  })
  return child
}

class Talker {
  readonly pid: number
  readonly #child: Child
  readonly #lines: Interface

  constructor(command: string, ...args: string[]) {
    this.#child = start(command, ...args)
    this.#lines = createInterface(this.#child.stdout)
    this.pid = this.#child.pid ?? 0
  }

  async hear(): Promise<string> {
    const [line] = (await once(this.#lines, 'line')) as [string]
    return line
  }

  async ask(command: string): Promise<string> {
    const answer = this.hear()
    this.#child.stdin.write(`${command}\n`)
    return answer
  }

  /** What came of it, and how long it took. */
  async time(command: string): Promise<{ result: string; ms: number }> {
    const answer = await this.ask(command)
    const split = answer.lastIndexOf(' ')
    return { result: answer.slice(0, split), ms: Number(answer.slice(split + 1)) }
  }

  async result(command: string): Promise<string> {
    return (await this.time(command)).result
  }

  /** Refused with this, at once. */
  async refused(command: string, error: string): Promise<void> {
    const { result, ms } = await this.time(command)
    assert.equal(result, error, command)
    assert.ok(ms < AT_ONCE_MS, `${command}: ${ms} ms`)
  }
}

interface Pair {
  readonly keeper: Talker
  /** Of a process in the job's namespace. */
  readonly job: number
  readonly madeMs: number
  readonly joinedMs: number
}

/** The job's namespace is made as an OCI runtime makes it: by somebody else. */
async function makePair(...unshare: string[]): Promise<Pair> {
  const keeper = new Talker('unshare', '--net', ...unshare, probe, 'keeper')
  const madeMs = Number((await keeper.hear()).split(' ')[1])
  const job = start('unshare', '--net', 'sh', '-c', 'echo; exec sleep 1000')
  await once(job.stdout, 'data')
  const { result, ms } = await keeper.time(`join ${job.pid}`)
  assert.equal(result, 'ok')
  return { keeper, job: job.pid ?? 0, madeMs, joinedMs: ms }
}

/** A process of the job, in this cgroup or in none of a step. */
function enterJob(pair: Pair, cgroup: string | null): Talker {
  const talker = new Talker('nsenter', `--net=/proc/${pair.job}/ns/net`, probe, 'job')
  if (cgroup !== null) writeFileSync(`${cgroup}/cgroup.procs`, String(talker.pid))
  return talker
}

let serial = 0

class Step {
  readonly process: Talker
  readonly cgroup: string
  readonly #pair: Pair

  constructor(pair: Pair) {
    serial += 1
    this.#pair = pair
    this.cgroup = makeCgroup(`step-${serial}`)
    this.process = enterJob(pair, this.cgroup)
  }

  static async open(pair: Pair, source: string): Promise<Step> {
    const step = new Step(pair)
    assert.equal(await pair.keeper.result(`open ${idOf(step.cgroup)} ${LEVEL} ${source}`), 'ok')
    return step
  }

  async close(): Promise<void> {
    assert.equal(await this.#pair.keeper.ask(`close ${idOf(this.cgroup)}`), 'ok')
  }
}

const listed = (text: string): string[] => text.split(';').filter((entry) => entry !== '')

/** What arrived at the gate since the last call, without the ports that nobody chose. */
async function seen(pair: Pair): Promise<string[]> {
  return listed(await pair.keeper.ask('seen')).map((entry) => entry.replace(/^(\S+ [\d.]+):\d+/, '$1'))
}

async function refused(pair: Pair): Promise<string[]> {
  return listed(await pair.keeper.ask('refused')).toSorted()
}

test('a connection to any address arrives with its destination and with the address of its step', async () => {
  const pair = await makePair()
  const one = await Step.open(pair, '198.18.1.7')
  const two = await Step.open(pair, '198.18.255.255')
  assert.equal(await one.process.result('tcp a 203.0.113.9 443'), 'hello')
  assert.equal(await two.process.result('tcp a 203.0.113.9 443'), 'hello')
  assert.equal(await one.process.result('tcp b 198.19.0.1 22'), 'hello')
  assert.equal(await one.process.result('tcp c 198.18.0.1 7000'), 'hello')
  assert.equal(await two.process.result('tcp d 198.18.1.7 80'), 'hello')
  assert.deepEqual(await seen(pair), [
    'tcp 198.18.1.7 203.0.113.9:443',
    'tcp 198.18.255.255 203.0.113.9:443',
    'tcp 198.18.1.7 198.19.0.1:22',
    'tcp 198.18.1.7 198.18.0.1:7000',
    'tcp 198.18.255.255 198.18.1.7:80',
  ])
  assert.equal(await one.process.result('say a hi'), 'hi')
  assert.deepEqual(await refused(pair), [])
})

/** What a process asks that was there before the network was, in the first moment. */
async function askAtOnce(source: string): Promise<string> {
  const keeper = new Talker('unshare', '--net', probe, 'keeper')
  await keeper.hear()
  const cgroup = makeCgroup(`early-${source}`)
  const job = new Talker('unshare', '--net', probe, 'job')
  writeFileSync(`${cgroup}/cgroup.procs`, String(job.pid))
  // It has a namespace of its own by the time that it answers.
  await job.ask('udp none 127.0.0.1 9 x')
  assert.equal(await keeper.result(`join ${job.pid}`), 'ok')
  assert.equal(await keeper.result(`open ${idOf(cgroup)} ${LEVEL} ${source}`), 'ok')
  return job.result('udp u 198.18.0.1 53 question')
}

test('the first question of all is answered, on a busy machine too', async () => {
  const busy = availableParallelism() * 3
  const others = Array.from({ length: busy }, () => start('sh', '-c', 'while :; do :; done'))
  try {
    for (let round = 0; round < 6; round += 1) {
      const answers = await Promise.all(Array.from({ length: 6 }, (_, lane) => askAtOnce(`198.18.${10 + round}.${lane}`)))
      assert.deepEqual(answers, Array(6).fill('8 from 198.18.0.1:53'))
    }
  } finally {
    for (const other of others) other.kill('SIGKILL')
  }
})

test('even a privileged process that binds a step’s address speaks as itself', async () => {
  const pair = await makePair()
  await Step.open(pair, '198.18.1.1')
  const liar = await Step.open(pair, '198.18.1.2')
  assert.equal(await liar.process.result('lie 198.18.1.1 198.18.0.1 53'), 'ok')
  await enterJob(pair, null).refused('lie 198.18.1.1 198.18.0.1 53', 'EPERM')
  assert.deepEqual(await seen(pair), ['dns 198.18.1.2 198.18.0.1:53'])
})

test('the end of a step cuts its connections, new and established, at once, and no other step’s', async () => {
  const pair = await makePair()
  const ending = await Step.open(pair, '198.18.1.1')
  const staying = await Step.open(pair, '198.18.1.2')
  assert.equal(await ending.process.result('tcp a 203.0.113.9 443'), 'hello')
  assert.equal(await staying.process.result('tcp a 203.0.113.9 443'), 'hello')
  assert.equal(await ending.process.result('udp u 198.18.0.1 53 question'), '8 from 198.18.0.1:53')
  await ending.close()
  await ending.process.refused('say a hi', 'ECONNRESET')
  await ending.process.refused('tcp b 203.0.113.9 443', 'ECONNREFUSED')
  await ending.process.refused('udp u 198.18.0.1 53 question', 'EPERM')
  assert.equal(await staying.process.result('say a hi'), 'hi')
  assert.deepEqual(await refused(pair), ['0.0.0.0 198.18.0.1 17 53', '0.0.0.0 203.0.113.9 6 443'])
  assert.equal(await pair.keeper.ask(`close ${idOf(ending.cgroup)}`), 'ENOENT')
})

test('a step is found by its cgroup at its level, and below where the keeper’s own cgroup namespace begins', async () => {
  const wrong = await makePair()
  const missed = new Step(wrong)
  assert.equal(await wrong.keeper.result(`open ${idOf(missed.cgroup)} ${LEVEL - 1} 198.18.1.1`), 'ok')
  await missed.process.refused('tcp a 203.0.113.9 443', 'ECONNREFUSED')
  // Here some kernels count from the namespace's root and others from the machine's.
  const nested = await makePair('--cgroup')
  const found = new Step(nested)
  assert.equal(await nested.keeper.result(`open ${idOf(found.cgroup)} ${LEVEL - 1} 198.18.1.1`), 'ok')
  assert.equal(await found.process.result('tcp a 203.0.113.9 443'), 'hello')
})

test('a process of no open step reaches nothing, and is told so at once', async () => {
  const pair = await makePair()
  const unopened = new Step(pair)
  for (const { process } of [unopened, { process: enterJob(pair, null) }]) {
    await process.refused('tcp a 203.0.113.9 443', 'ECONNREFUSED')
    await process.refused('udp u 198.18.0.1 53 question', 'EPERM')
    await process.refused('ping', 'EPERM')
  }
  assert.deepEqual(await refused(pair), ['0.0.0.0 192.0.2.1 1 0', '0.0.0.0 198.18.0.1 17 53', '0.0.0.0 203.0.113.9 6 443'])
  assert.deepEqual(await seen(pair), [])
})

test('every name server is the gate, and the answer comes from the one that was asked', async () => {
  const pair = await makePair()
  const step = await Step.open(pair, '198.18.1.1')
  // One socket: what the kernel remembers of one question must not spoil the next one's answer.
  for (const address of ['198.18.0.1', '8.8.8.8', '1.1.1.1', '198.18.0.1', '8.8.8.8']) {
    assert.equal(await step.process.result(`udp u ${address} 53 question`), `8 from ${address}:53`)
  }
  assert.deepEqual(await seen(pair), Array(5).fill('dns 198.18.1.1 198.18.0.1:53'))
})

test('other datagrams, protocols and source routes are refused at once and told apart', async () => {
  const pair = await makePair()
  const step = await Step.open(pair, '198.18.1.1')
  await step.process.refused('udp u 203.0.113.9 443 hello', 'EPERM')
  await step.process.refused('udp u 203.0.113.9 443 again', 'EPERM')
  await step.process.refused('udp u 198.18.0.1 20000 relay', 'EPERM')
  await step.process.refused('ping', 'EPERM')
  await step.process.refused('route', 'EPERM')
  assert.deepEqual(await refused(pair), ['198.18.1.1 192.0.2.1 1 0', '198.18.1.1 198.18.0.1 17 20000', '198.18.1.1 203.0.113.9 17 443'])
  assert.deepEqual(await refused(pair), [])
  assert.deepEqual(await seen(pair), [])
})

test('what was refused is remembered up to a limit, and refused beyond it', async () => {
  const pair = await makePair()
  const step = await Step.open(pair, '198.18.1.1')
  for (let port = 1000; port < 1300; port += 1) await step.process.refused(`udp u 203.0.113.9 ${port} x`, 'EPERM')
  assert.equal((await refused(pair)).length, 256)
  await step.process.refused('udp u 203.0.113.9 9 x', 'EPERM')
  assert.deepEqual(await refused(pair), ['198.18.1.1 203.0.113.9 17 9'])
})

test('datagrams to a relay’s address reach its socket, of any size, and the answer comes from there', async () => {
  const pair = await makePair()
  const step = await Step.open(pair, '198.18.1.1')
  await step.process.refused('udp u 198.19.255.1 123 time', 'EPERM')
  assert.equal(await pair.keeper.ask('relay 0 123'), 'ok')
  assert.equal(await pair.keeper.ask('relay 7 5000'), 'ok')
  assert.equal(await step.process.result('udp u 198.19.255.1 123 time'), '4 from 198.19.255.1:123')
  assert.equal(await step.process.result('udp u 198.19.255.8 5000 large 60000'), '60000 from 198.19.255.8:5000')
  await step.process.refused('udp u 198.19.255.1 124 time', 'EPERM')
  await step.process.refused('udp u 198.19.255.8 123 time', 'EPERM')
  assert.equal(await pair.keeper.ask('relay 0 124'), 'ok')
  await step.process.refused('udp u 198.19.255.1 123 time', 'EPERM')
  assert.equal(await step.process.result('udp u 198.19.255.1 124 time'), '4 from 198.19.255.1:124')
  assert.equal(await pair.keeper.ask('relay 0 0'), 'ok')
  await step.process.refused('udp u 198.19.255.1 124 time', 'EPERM')
  assert.equal(await pair.keeper.ask('relay 8 1'), 'EINVAL')
  assert.deepEqual(await seen(pair), [
    'relay 198.18.1.1 198.18.0.1:20000',
    'relay 198.18.1.1 198.18.0.1:20007',
    'relay 198.18.1.1 198.18.0.1:20000',
  ])
})

test('when the job has closed a connection, its kernel still answers the gate, so that nothing is left there', async () => {
  const pair = await makePair()
  const step = await Step.open(pair, '198.18.1.1')
  // The gate's end of one gets an acknowledgement, that of the other a reset.
  for (const port of [80, 81]) {
    assert.equal(await step.process.result(`tcp on-${port} 203.0.113.9 ${port}`), 'hello')
    assert.equal(await step.process.ask(`close on-${port}`), 'ok')
    await sleep(150)
  }
  assert.deepEqual(
    (await seen(pair)).filter((entry) => !entry.startsWith('tcp ')),
    ['closed', 'closed'],
  )
  assert.deepEqual(await refused(pair), [])
})

test('connections that the gate closes when nobody answers it any more are gone within seconds, so that nothing keeps its namespace', async () => {
  const pair = await makePair()
  const step = await Step.open(pair, '198.18.1.1')
  for (const name of ['a', 'b', 'c']) assert.equal(await step.process.result(`tcp ${name} 203.0.113.9 443`), 'hello')
  await step.close()
  assert.equal(await pair.keeper.ask('left'), '3')
  assert.equal(await pair.keeper.ask('drop'), 'ok')
  assert.equal(await pair.keeper.ask('left'), '3')
  for (let waits = 0; (await pair.keeper.ask('left')) !== '0'; waits += 1) {
    assert.ok(waits < 100, 'the kernel still tries to reach a job that is not there')
    await sleep(100)
  }
})

test('without a listener at the gate, a connection is refused at once', async () => {
  const pair = await makePair()
  const step = await Step.open(pair, '198.18.1.1')
  assert.equal(await step.process.result('tcp a 203.0.113.9 443'), 'hello')
  assert.equal(await pair.keeper.ask('deaf'), 'ok')
  await step.process.refused('tcp b 203.0.113.9 443', 'ECONNREFUSED')
})

test('nothing in the gate’s namespace can connect to what listens in the job', async () => {
  const pair = await makePair()
  const step = await Step.open(pair, '198.18.1.1')
  assert.equal(await step.process.ask('serve 8080'), 'ok')
  // Neighbours within the job do: the probe's listener answers.
  assert.match(await enterJob(pair, null).ask('tcp a 127.0.0.1 8080'), /^EAGAIN /)
  assert.equal(await pair.keeper.ask('ingress 8080'), 'nothing')
})

test('a job without a network namespace of its own is refused', async () => {
  const keeper = new Talker('unshare', '--net', probe, 'keeper')
  await keeper.hear()
  const done = run('unshare', ['--net', 'sh', '-c', `printf 'join %s\\n' $$ | '${probe}' keeper`])
  assert.equal(done.status, 125)
  assert.match(done.stderr, /no network namespace of its own/)
})

test('the pair carries hundreds of megabytes', async (t) => {
  const pair = await makePair()
  const step = await Step.open(pair, '198.18.1.1')
  assert.equal(await step.process.result('tcp a 203.0.113.9 443'), 'hello')
  const { result, ms } = await step.process.time('fill a 256')
  assert.equal(result, 'ok')
  t.diagnostic(`made in ${pair.madeMs} ms, joined in ${pair.joinedMs} ms, ${Math.round(256 / (ms / 1000))} MiB/s`)
})

// ---- the canary, with this network but without any other wall

const namespaces = ['user', 'pid', 'mnt', 'net', 'ipc', 'uts', 'cgroup']
const helper = buildHelper()

function canary(pair: Pair, cgroup: string): { holds: boolean; evidence: string }[] {
  const hosts = namespaces.flatMap((name) => ['--host-ns', `${name}=${readlinkSync(`/proc/self/ns/${name}`).replace(/\D/g, '')}`])
  const limits = ['--caps', 'eb', '--open-files', '4321', '--disk', '/', '--disk-bytes', '1000', '--inodes', '10', '--ids', '65536']
  const inside = `'${helper}' canary-target > /dev/null & target=$!; '${helper}' canary "$@" --peer $target`
  const script = `echo $$ > '${cgroup}/cgroup.procs'; exec nsenter --net=/proc/${pair.job}/ns/net unshare --pid --fork --mount-proc sh -c "$0" sh "$@"`
  const done = run('sh', [
    '-c',
    script,
    inside,
    '--hostname',
    'box',
    '--network',
    'gate',
    '--kernel',
    'shared',
    '--host-version',
    'another',
    ...limits,
    ...hosts,
  ])
  assert.equal(done.status, 0, done.stderr)
  return done.stdout
    .toString()
    .split('\n')
    .filter((line) => line.startsWith('network '))
    .map((line) => ({ holds: line.startsWith('network holds '), evidence: line.replace(/^network \w+ /, '') }))
}

/** What depends on the network and the gate alone: this canary is the host's root, whom the kernel refuses nothing else. */
const walls = ['UDP to 192.0.2.1:443', 'TCP to [2001:db8::1]:443', 'no interface up', 'IPv4 routes', 'no IPv6 address']
const refusals = ['TCP to 192.0.2.1:443', 'DNS by UDP to 198.18.0.1', 'DNS by UDP to 192.0.2.1', 'DNS by TCP to 198.18.0.1']

const among = (checks: { evidence: string }[], names: readonly string[]): string[] =>
  names.filter((name) => checks.some(({ evidence }) => evidence.startsWith(name)))

test('the canary of a gate that refuses finds every wall of this network', async () => {
  const pair = await makePair()
  const step = await Step.open(pair, '198.18.1.1')
  assert.equal(await pair.keeper.ask('strict'), 'ok')
  const checks = canary(pair, step.cgroup)
  const names = [...walls, ...refusals]
  assert.deepEqual(
    among(
      checks.filter(({ holds }) => holds),
      names,
    ),
    names,
  )
  assert.deepEqual(
    among(
      checks.filter(({ holds }) => !holds),
      names,
    ),
    [],
  )
})

test('the canary of a gate that answers finds that nobody refuses', async () => {
  const pair = await makePair()
  const step = await Step.open(pair, '198.18.1.1')
  const failing = canary(pair, step.cgroup).filter(({ holds }) => !holds)
  assert.deepEqual(among(failing, refusals), refusals)
  // Nor is there another wall: what root may do here shows that these canaries can fail, too.
  const changes = ['RTM_NEWLINK', 'RTM_NEWADDR', 'RTM_NEWROUTE', 'RTM_NEWNEIGH', 'RTM_NEWRULE', 'socket AF_NETLINK NETLINK_NETFILTER']
  assert.deepEqual(among(failing, changes), changes)
})
