// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, spawn } from 'node:child_process'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { GateLaunch, GateReach, RefusedPacket } from '../contract.ts'
import type { ImageLayer } from '../image-layers.ts'
import type { RootlessSupport } from '../rootless/support.ts'
import { SandboxError } from '../sandbox-error.ts'
import { type KeeperLine, KeeperRequests, parsePacket } from './keeper-requests.ts'

export interface KeeperSetup {
  readonly id: string
  /** Absolute path of runc, crun or runsc. */
  readonly runtime: string
  /** Of a runtime that brings a kernel of its own: what it is told before each verb. */
  readonly sentryFlags: readonly string[] | null
  readonly readOnly: boolean
  readonly layers: readonly ImageLayer[]
  /** On the job's own disk, without an overlay in between. */
  readonly directories: readonly { readonly target: string; readonly mode: number }[]
  /** Made below those, parents first, owned by the job. */
  readonly subdirectories: readonly { readonly target: string; readonly mode: number }[]
  readonly config: Uint8Array
  /** How many processes the job's user namespace may ever hold at once; 0: a cgroup counts them alone. */
  readonly processes: number
}

/** How the keeper starts a gate. */
export interface KeeperGate extends Pick<GateLaunch, 'argv' | 'env' | 'files'> {
  /** Compiles a `struct sock_filter` array, once the keeper is on its way. */
  readonly seccomp: () => Uint8Array
}

/** A step's place at the gate: `cgroup` is the inode of its directory in the cgroup2 hierarchy, `level` how deep that lies. */
export interface StepAddress {
  readonly cgroup: bigint
  readonly level: number
  readonly source: string
}

/**
 * The host process that owns one sandbox (native/src/keeper.c). Its end, for whatever reason, is the end of the sandbox, and our
 * end is its end: it watches the socket.
 */
export class Keeper {
  readonly #process: ChildProcess
  readonly #socket: Socket
  readonly #lines: LineQueue
  readonly #requests = new KeeperRequests()
  readonly #exited: Promise<void>
  /** Every process of the sandbox is dead and its cgroups are gone. */
  readonly #ended = Promise.withResolvers<void>()
  readonly #lost = Promise.withResolvers<string>()
  #disposing = false

  /** With a gate it makes the network and starts that at once. @throws SandboxError SANDBOX_INPUT before anything is started. */
  constructor(helper: string, gate: KeeperGate | null, rootless: RootlessSupport | null = null) {
    const first = formatGate(gate)
    this.#process = spawn(helper, ['keeper', ...rootlessArguments(rootless)], {
      stdio: ['ignore', 'ignore', 'inherit', 'pipe', ...(gate === null ? [] : (['pipe'] as const))],
      env: { PATH: RUNTIME_PATH },
      cwd: '/',
    })
    this.#socket = this.#process.stdio[3] as Socket
    this.#lines = new LineQueue(this.#socket)
    this.#exited = new Promise((resolve) => {
      this.#process.once('error', () => resolve())
      this.#process.once('exit', () => resolve())
    })
    void this.#exited.then(() => {
      this.#ended.resolve()
      this.#requests.close()
      if (!this.#disposing) this.#lost.resolve('the keeper of the sandbox ended')
    })
    this.#send(first)
    if (gate !== null) this.#send(Buffer.concat([formatBytes('gate-seccomp', gate.seccomp()), Buffer.from('gate\n')]))
  }

  /** Of the host; it is ours until we hear of its end. */
  get pid(): number {
    return this.#process.pid ?? 0
  }

  /** Our end of the gate's control socket; null without a gate. */
  get gateControl(): Duplex | null {
    return (this.#process.stdio[4] as Duplex | null | undefined) ?? null
  }

  /** Resolves with the reason when PID 1, the gate or the keeper ends before it was asked to. */
  get lost(): Promise<string> {
    return this.#lost.promise
  }

  /** `template` and `spool`: the empty disk, and the directory for the (unlinked) copy of it. The keeper starts with that at once. */
  useDisk(disk: { readonly template: string; readonly spool: string }): void {
    this.#send(formatLine(['disk', disk.template, disk.spool]))
  }

  /** As {@link useDisk}, where a disk is memory. */
  useMemoryDisk(bytes: number, inodes: number): void {
    this.#send(formatLine(['memory-disk', String(bytes), String(inodes)]))
  }

  /** The id range that this sandbox has for itself. */
  async claim(): Promise<{ readonly number: number; readonly idBase: number }> {
    const [number, idBase] = await this.#expect('slot')
    return { number: Number(number), idBase: Number(idBase) }
  }

  /**
   * Mounts everything and has the runtime create the container. Resolves with the host pid of PID 1, which runs nothing yet. `reach`: the gate's, which may come
   * while the runtime works; null without a gate.
   */
  async create(setup: KeeperSetup, reach: Promise<readonly GateReach[]> | null): Promise<number> {
    this.#send(formatSetup(setup))
    // Not awaited: what the keeper says meanwhile is for this call. Where there is no reach, the gate does not get ready either, and says why.
    void reach?.then(
      (list) => this.#send(formatReach(list)),
      () => undefined,
    )
    const [pid] = await this.#expect('created')
    return Number(pid)
  }

  /**
   * `told`: when it has been told what may leave; a gate can wait long for that. From then on it has a minute.
   * @throws SandboxError with the keeper's reason where it has one, since it sees how the gate ended; else what `ready` rejects with.
   */
  async awaitGate(ready: Promise<unknown>, told: Promise<unknown>): Promise<void> {
    const late = told.then(() => sleep(GATE_READY_MAX_MS, null, { ref: false }).then(failNotReady))
    try {
      await Promise.race([ready, late])
    } catch (error) {
      // Whatever it says before it was asked for anything is why.
      await Promise.race([this.#expect('nothing'), sleep(GATE_REASON_MAX_MS, null, { ref: false })])
      throw error
    }
  }

  /** Starts PID 1. The gate has said that it is ready: its files are taken away first. */
  async start(): Promise<void> {
    this.#send('start\n')
    await this.#expect('started')
    void this.#watch()
  }

  /** From when this resolves on, packets of the cgroup arrive at the gate. @throws SandboxError as {@link KeeperRequests.next}. */
  async openStep({ cgroup, level, source }: StepAddress): Promise<void> {
    await this.#request('change the network of a step', ['step-open', String(cgroup), String(level), source])
  }

  /** The cgroup has no network any more, whatever still runs in it. */
  async closeStep({ cgroup }: StepAddress): Promise<void> {
    await this.#request('change the network of a step', ['step-close', String(cgroup)])
  }

  /** What is sent to the relay's address and this port reaches the gate; 0 takes it away. */
  async setRelay(index: number, port: number): Promise<void> {
    await this.#request('change the network of a step', ['relay', String(index), String(port)])
  }

  /** Ends every process of the sandbox but its PID 1. */
  async sweep(): Promise<void> {
    await this.#request('end what runs in the sandbox', ['sweep'])
  }

  /** What it alone can see of the walls (native/src/keeper-standing.c). */
  async standing(): Promise<readonly { readonly guarantee: string; readonly text: string }[]> {
    const lines = await this.#request('look at the walls of the sandbox', ['standing'])
    return lines.map(({ fields: [guarantee = '', text = ''] }) => ({ guarantee, text }))
  }

  /** For so long from now on, whatever was said before, processes enter the job's cgroups without having to wait for the kernel. */
  async keepCgroupsWarm(ms: number): Promise<void> {
    await this.#request('keep the cgroups of the sandbox warm', ['cgroups-warm', String(ms)])
  }

  /** What the kernel refused since the last call. */
  async takePackets(): Promise<readonly RefusedPacket[]> {
    const lines = await this.#request('change the network of a step', ['packets'])
    return lines.map(parsePacket)
  }

  /** Whether this kernel can make a source read-only and watch it. @throws SandboxError as {@link KeeperRequests.next}. */
  async probeSource(): Promise<void> {
    await this.#request('watch a read-only source', ['source-probe'])
  }

  /** From when this resolves on, the directory is the lower layer of an overlay in its place. Nothing of the job may run. */
  freezeSource(path: string): Promise<readonly KeeperLine[]> {
    return this.#request('make the source read-only', ['source-freeze', path])
  }

  /** What changed in it since the last call (native/src/source-watch.c). */
  takeSourceChanges(): Promise<readonly KeeperLine[]> {
    return this.#request('see what changed in the source', ['source-take'])
  }

  /** The network of a step is not what it was said to be: the sandbox counts as lost. */
  giveUp(reason: string): void {
    if (!this.#disposing) this.#lost.resolve(reason)
  }

  /** Idempotent. Resolves when nothing of the sandbox is left. */
  async dispose(): Promise<void> {
    this.#disposing = true
    this.#socket.end()
    await this.#exited
  }

  /** As {@link dispose}, but resolves when all that is left is the kernel's release of mounts; that keeps no process of ours from ending. */
  async disposeInBackground(): Promise<void> {
    const disposed = this.dispose()
    await Promise.race([this.#ended.promise, disposed])
    this.#process.unref()
    this.#socket.unref()
  }

  #send(data: string | Uint8Array): void {
    this.#socket.write(data)
  }

  #request(what: string, fields: readonly string[]): Promise<readonly KeeperLine[]> {
    const answer = this.#requests.next(what)
    this.#send(formatLine(fields))
    return answer
  }

  async #watch(): Promise<void> {
    for (;;) {
      const line = await this.#lines.next()
      if (line === null) return this.#requests.close()
      const [word = '', ...fields] = line.split('\t')
      if (word === 'disposed') this.#ended.resolve()
      else if (word === 'lost') this.giveUp('PID 1 of the sandbox ended')
      else if (word === 'gate-lost') this.giveUp(fields.join(' '))
      else this.#requests.hear(word, fields)
    }
  }

  async #expect(word: string): Promise<string[]> {
    const line = await this.#lines.next()
    const [first, ...fields] = (line ?? '').split('\t')
    if (first === word) return fields
    await this.dispose()
    if (first === 'unsupported') throw unsupported(fields.join(' '))
    const reason = first === 'error' ? fields.join(' ') : 'the keeper ended early'
    throw new SandboxError('SANDBOX_FAILED', `Cannot build the sandbox: ${reason}`)
  }
}

function rootlessArguments(rootless: RootlessSupport | null): string[] {
  if (rootless === null) return []
  const { outer, locks, cgroup } = rootless
  return ['rootless', locks, String(outer.slots), String(outer.ids), cgroup?.directory ?? '-']
}

/** Hundreds of times what it needs. */
const GATE_READY_MAX_MS = 60e3
/** The keeper hears of the gate's end when we do. */
const GATE_REASON_MAX_MS = 500

function failNotReady(): never {
  throw new SandboxError('SANDBOX_FAILED', 'Cannot build the sandbox: the gate was not ready within a minute')
}

function unsupported(reason: string): SandboxError {
  return new SandboxError('SANDBOX_UNSUPPORTED', `Cannot build the network of the sandbox: ${reason}`, {
    hint: 'The gate needs a kernel with veth and nf_tables, with its socket and tproxy expressions (CONFIG_VETH, CONFIG_NF_TABLES_INET, CONFIG_NFT_SOCKET, CONFIG_NFT_TPROXY)',
  })
}

// The runtime finds its own tools (newuidmap is not needed for root); nothing of the caller's environment goes along.
const RUNTIME_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

function formatSetup(setup: KeeperSetup): Buffer {
  const lines = [
    ['id', setup.id],
    ['runtime', setup.runtime],
    ['processes', String(setup.processes)],
    ...(setup.sentryFlags === null ? [] : [['sentry'], ...setup.sentryFlags.map((flag) => ['flag', flag])]),
    ...(setup.readOnly ? [['read-only']] : []),
    ...setup.layers.map(({ target, source, over }) => ['layer', target, source, ...(over === null ? [] : [over])]),
    ...setup.directories.map(({ target, mode }) => ['dir', target, mode.toString(8)]),
    ...setup.subdirectories.map(({ target, mode }) => ['sub', target, mode.toString(8)]),
  ]
  return Buffer.concat([Buffer.from(lines.map(formatLine).join('')), formatBytes('config', setup.config), Buffer.from('create\n')])
}

function formatReach(reach: readonly GateReach[]): Buffer {
  const lines = reach.map(({ allowed, network, port }) => formatLine([allowed ? 'allow' : 'refuse', network, String(port ?? 0)]))
  return formatBytes('reach', Buffer.from(lines.join('')))
}

function formatGate(gate: KeeperGate | null): Buffer {
  if (gate === null) return Buffer.from('no-gate\n')
  const lines = [
    ...gate.argv.map((text) => ['gate-arg', text]),
    ...Object.entries(gate.env).map(([name, value]) => ['gate-env', `${name}=${value}`]),
    ...gate.files.map((path) => ['gate-file', path]),
  ]
  return Buffer.from(lines.map(formatLine).join(''))
}

function formatBytes(word: string, bytes: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(formatLine([word, String(bytes.length)])), bytes])
}

function formatLine(fields: readonly string[]): string {
  for (const field of fields) {
    if (/[\t\n\0]/.test(field))
      throw new SandboxError('SANDBOX_INPUT', `Cannot use a value with a control character: ${JSON.stringify(field)}`)
  }
  return `${fields.join('\t')}\n`
}

/** Lines of a socket, asked for one at a time; null once it is closed. The keeper is ours: its lines are short. */
class LineQueue {
  readonly #ready: string[] = []
  readonly #waiting: ((line: string | null) => void)[] = []
  #partial = ''
  #closed = false

  constructor(socket: Socket) {
    socket.setEncoding('utf8')
    socket.on('data', (text: string) => this.#push(text))
    socket.on('error', () => this.#close())
    socket.on('close', () => this.#close())
  }

  next(): Promise<string | null> {
    const line = this.#ready.shift()
    if (line !== undefined) return Promise.resolve(line)
    if (this.#closed) return Promise.resolve(null)
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  #push(text: string): void {
    const lines = (this.#partial + text).split('\n')
    this.#partial = lines.pop() ?? ''
    for (const line of lines) {
      const waiting = this.#waiting.shift()
      if (waiting === undefined) this.#ready.push(line)
      else waiting(line)
    }
  }

  #close(): void {
    this.#closed = true
    for (const waiting of this.#waiting.splice(0)) waiting(null)
  }
}
