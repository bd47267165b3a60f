// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { JOB_NETWORK, messageOf, SallyportError, stepSource } from '@sallyport/core'
import { type EffectiveLimits, findJobCgroup, type JobCgroup, readEffectiveLimits, readLimitCounts, StepCgroup } from '../cgroup.ts'
import {
  type FileEntry,
  type HostIdentity,
  type LimitCounts,
  type PutEntry,
  type RefusedPacket,
  type RunningStep,
  SANDBOX_PATHS,
  type Sandbox,
  type SandboxSpec,
  type SelfCheckResult,
  type StepExit,
  type StepNetwork,
  type StepSpec,
} from '../contract.ts'
import { ByteReader } from '../native/byte-reader.ts'
import { type Entered, enterSandbox } from '../native/enter.ts'
import { putFrames, readFileAnswer, readListing, readRequest } from '../native/file-frames.ts'
import type { Keeper, StepAddress } from '../native/keeper.spawn.ts'
import type { WardenPool } from '../native/warden-pool.spawn.ts'
import { ID_COUNT } from '../oci/bundle.ts'
import { RefusedPackets } from '../refused-packets.ts'
import { SandboxError } from '../sandbox-error.ts'
import { runSelfCheck, type StartedHelper } from '../self-check.ts'
import { TimeAllowance } from '../time-allowance.ts'
import { programWithSocket } from './socket-owner.ts'
import type { StepWalls } from './walls.ts'

export interface EnteredSandboxParts {
  readonly id: string
  readonly spec: SandboxSpec
  readonly wardens: WardenPool
  readonly keeper: Keeper
  /** Host pid of PID 1. */
  readonly init: number
  readonly idBase: number
  /** Its name in the hierarchies. */
  readonly cgroup: string
  readonly imageDescription: string
  readonly walls: StepWalls
}

/** For one listing, reading or writing of files; a repository of 10 GiB takes about two minutes. */
const PUMP_TIME_MAX_MS = 15 * 60e3

/** Of the step's private tmpfs: the script, the environment files, and what the step puts there. */
const PRIVATE_DIRECTORY_BYTES = 192 << 20

/** No step's: the gate knows nothing of it, so it has to refuse whatever comes from there. */
const CANARY_SOURCE = stepSource(65_279)

interface OpenNetwork {
  readonly address: StepAddress
  readonly relays: StepNetwork['relays']
}

/** A sandbox whose steps are started from outside by entering its namespaces (native/src/enter.c). */
export class EnteredSandbox implements Sandbox {
  readonly id: string
  readonly hostIdentity: HostIdentity
  readonly lost: Promise<string>
  readonly imageDescription: string
  readonly #parts: EnteredSandboxParts
  readonly #cgroup: JobCgroup
  #steps = 0
  /** Steps whose cgroups are there, and what those counted that are gone. */
  readonly #counting = new Set<StepCgroup>()
  #counted: LimitCounts = { oomKills: 0, pidsRefused: 0 }
  /** Of steps. */
  readonly #firstPids = new Set<number>()
  /** Running steps by their ids. */
  readonly #running = new Map<string, StepCgroup>()
  readonly #refused = new RefusedPackets()
  /** A job decides how often it is looked for, and among how many descriptors: 60 ms for 6,000. */
  readonly #lookingForPrograms = new TimeAllowance()
  #endsLeftovers = false
  /** Sent by the self-check, and not the job's. */
  #canaryPackets = 0
  #disposed: Promise<void> | null = null

  constructor(parts: EnteredSandboxParts) {
    this.#parts = parts
    this.id = parts.id
    this.hostIdentity = { cgroup: parts.cgroup, uids: { first: parts.idBase, count: ID_COUNT }, pids: this.#firstPids }
    this.lost = parts.keeper.lost
    this.imageDescription = parts.imageDescription
    this.#cgroup = findJobCgroup({ mounts: '/proc/self/mounts', membership: `/proc/${parts.init}/cgroup` })
  }

  async selfCheck(signal: AbortSignal): Promise<readonly SelfCheckResult[]> {
    const { spec } = this.#parts
    const results = await runSelfCheck(
      {
        limits: spec.limits,
        effective: this.effectiveLimits(),
        hostname: spec.hostname,
        network: spec.gate === null ? 'none' : 'gate',
        start: (argv, files) => this.startHelper(argv, files),
        startCanary: (argv, files) => this.#startCanary(argv, files),
      },
      signal,
    )
    this.#canaryPackets = this.#countRefusedPackets()
    return results.map((result) => this.#withoutSignalScope(result))
  }

  /**
   * Before Landlock's ABI 6 (Linux 6.12) nothing keeps a process from signalling a later step's, which runs with the same uid. There no process
   * outlives its step: what an earlier step left behind is killed before the next one starts.
   */
  #withoutSignalScope(result: SelfCheckResult): SelfCheckResult {
    if (result.guarantee !== 'step-signal-isolation' || result.holds) return result
    this.#endsLeftovers = true
    return { ...result, holds: true, evidence: `no process outlives its step on this kernel (${result.evidence})` }
  }

  /** The limits as the kernel has them. */
  effectiveLimits(): EffectiveLimits {
    return readEffectiveLimits(this.#cgroup)
  }

  limitCounts(): LimitCounts {
    const job = readLimitCounts(this.#cgroup)
    const steps = [...this.#counting].map((cgroup) => cgroup.limitCounts()).reduce(addCounts, this.#counted)
    // The job's own figure holds those of its steps or none of them, as the cgroup version has it.
    return { oomKills: Math.max(job.oomKills, steps.oomKills), pidsRefused: Math.max(job.pidsRefused, steps.pidsRefused) }
  }

  refusedPackets(): number {
    return this.#countRefusedPackets() - this.#canaryPackets
  }

  /** The kernel's own counters of the job's network namespace: nothing has a route out of it. */
  #countRefusedPackets(): number {
    const file = (name: string): string => readFileSync(`/proc/${this.#parts.init}/net/${name}`, 'utf8')
    return noRouteCount(file('snmp')) + noRouteCount6(file('snmp6'))
  }

  async startStep(step: StepSpec): Promise<RunningStep> {
    const before = readLimitCounts(this.#cgroup)
    const cgroup = this.#makeCgroup()
    const network = await this.#openNetwork(cgroup, step.network)
    const entered = await this.#enterStep(step, cgroup, network)
    this.#counting.add(cgroup)
    this.#running.set(step.id, cgroup)
    const exit = entered.exit.then(async (end): Promise<StepExit> => {
      const limitHit = limitHitIn(before, readLimitCounts(this.#cgroup), cgroup.limitCounts())
      if (this.#running.get(step.id) === cgroup) this.#running.delete(step.id)
      if (this.#endsLeftovers) cgroup.kill()
      const refusedPackets = await this.#closeNetwork(network)
      this.#retire(cgroup)
      return { ...end, limitHit, refusedPackets }
    })
    return {
      output: entered.output,
      exit,
      kill: () => killUntilEnded(cgroup, exit),
    }
  }

  async #enterStep(step: StepSpec, cgroup: StepCgroup, network: OpenNetwork | null): Promise<Entered> {
    try {
      return this.#enter(step, cgroup, { pump: false })
    } catch (error) {
      await this.#closeNetwork(network)
      throw error
    }
  }

  executableOf(step: string, localPort: number): string | null {
    return this.#lookingForPrograms.spend(() => {
      const processes = this.#running.get(step)?.members() ?? []
      return programWithSocket({
        namespace: `/proc/${this.#parts.init}`,
        address: JOB_NETWORK.jobAddress,
        port: localPort,
        processes,
      })
    })
  }

  /** Before any process is in the cgroup: from its first packet on, each is the step's. */
  async #openNetwork(cgroup: StepCgroup, network: StepNetwork | null): Promise<OpenNetwork | null> {
    if (network === null) return null
    const { keeper, spec } = this.#parts
    try {
      const identity = cgroup.identify()
      if (identity === null || spec.gate === null)
        throw new SandboxError('SANDBOX_INPUT', 'Cannot give a step a network: its sandbox was prepared without a gate')
      const address = { ...identity, source: network.source }
      await keeper.openStep(address)
      for (const { index, port } of network.relays) await keeper.setRelay(index, port)
      return { address, relays: network.relays }
    } catch (error) {
      cgroup.remove()
      throw error
    }
  }

  /** What the step left running has no network from here on. */
  async #closeNetwork(network: OpenNetwork | null): Promise<readonly RefusedPacket[]> {
    if (network === null) return []
    const { keeper } = this.#parts
    try {
      await keeper.closeStep(network.address)
      for (const { index } of network.relays) await keeper.setRelay(index, 0)
      this.#refused.add(await keeper.takePackets())
    } catch (error) {
      // Of a sandbox that is gone there is nothing to close; of one that is there, nobody knows what its steps reach.
      keeper.giveUp(`the network of a step could not be closed: ${messageOf(error)}`)
    }
    return this.#refused.take(network.address.source)
  }

  /** Removes a step's cgroup. Leftovers keep it; then it goes with the sandbox. */
  #retire(cgroup: StepCgroup): void {
    const counts = cgroup.limitCounts()
    if (!cgroup.remove()) return
    this.#counting.delete(cgroup)
    this.#counted = addCounts(this.#counted, counts)
  }

  /** Runs a mode of our own helper inside, at the job's uid, with a socket for its stdin. It has no network. */
  startHelper(argv: readonly string[], files: StepSpec['files'] = []): StartedHelper {
    return this.#startHelper(argv, files, this.#makeCgroup())
  }

  /** With a network like a step's, from a source that no door is opened for. */
  async #startCanary(argv: readonly string[], files: StepSpec['files']): Promise<StartedHelper> {
    const cgroup = this.#makeCgroup()
    const network = await this.#openNetwork(cgroup, this.#parts.spec.gate === null ? null : { source: CANARY_SOURCE, relays: [] })
    const started = this.#startHelper(argv, files, cgroup)
    const exit = started.entered.exit.then(async (end) => {
      await this.#closeNetwork(network)
      return end
    })
    return { ...started, entered: { ...started.entered, exit } }
  }

  #startHelper(argv: readonly string[], files: StepSpec['files'], cgroup: StepCgroup): StartedHelper {
    const helper = [SANDBOX_PATHS.helper, ...argv]
    const entered = this.#enter(
      { id: 'pump', argv: helper, env: {}, workingDirectory: '/', files, collect: [], collectBytesMax: 0, network: null },
      cgroup,
      { pump: true },
    )
    // Hostile from the first job step on: one that neither ends nor answers must not hold the job for ever.
    const watchdog = setTimeout(() => cgroup.kill(), PUMP_TIME_MAX_MS)
    watchdog.unref()
    const release = (): void => {
      clearTimeout(watchdog)
      cgroup.remove()
    }
    return { entered, kill: () => cgroup.kill(), release }
  }

  #makeCgroup(): StepCgroup {
    this.#assertNotDisposed()
    this.#steps += 1
    return new StepCgroup(this.#cgroup, `step-${this.#steps}`)
  }

  #assertNotDisposed(): void {
    if (this.#disposed !== null) throw new SandboxError('SANDBOX_LOST', `Cannot start a step in sandbox "${this.id}": it is disposed`)
  }

  /** A request that is refused leaves no cgroup behind either. */
  #enter(step: StepSpec, cgroup: StepCgroup, options: { readonly pump: boolean }): Entered {
    const { spec, walls, wardens } = this.#parts
    try {
      this.#assertNotDisposed()
      return enterSandbox(() => wardens.take(), {
        init: this.#parts.init,
        uid: this.#parts.idBase,
        capabilities: walls.capabilities,
        seccomp: walls.seccomp,
        openFiles: spec.limits.openFiles,
        cgroups: cgroup.procsFiles,
        argv: step.argv,
        env: step.env,
        workingDirectory: step.workingDirectory,
        privateDirectory: { path: SANDBOX_PATHS.step, bytes: PRIVATE_DIRECTORY_BYTES },
        files: step.files,
        collect: step.collect,
        collectBytesMax: step.collectBytesMax,
        pump: options.pump,
        begun: (pid) => {
          if (!options.pump) this.#firstPids.add(pid)
        },
      })
    } catch (error) {
      cgroup.remove()
      throw error
    }
  }

  async putFiles(root: string, files: AsyncIterable<PutEntry> | Iterable<PutEntry>): Promise<{ files: number; bytes: number }> {
    const { entered, release } = this.startHelper(['put', root])
    const input = entered.input
    if (input === null) throw new TypeError('the pump has no input')
    const answer = collectText(entered.output)
    // A pump that ended early (disk full) has said why: its answer tells, the broken stream does not.
    const sending = pipeline(putFrames(files), input).catch((error: unknown) => error)
    let text: string
    let failure: unknown
    try {
      text = await answer
      failure = await Promise.race([sending, entered.exit.then(() => undefined)])
    } finally {
      release()
    }
    const match = /^ok (\d+) (\d+)\n$/.exec(text)
    if (match !== null) return { files: Number(match[1]), bytes: Number(match[2]) }
    // A source that could not be read says so itself.
    if (failure instanceof SallyportError) throw failure
    throw new SandboxError(
      'SANDBOX_FAILED',
      `Cannot write files into the sandbox: ${text.trim().slice(0, 500) || (await entered.exit).message || 'the pump ended early'}`,
    )
  }

  async listFiles(root: string, entriesMax: number): Promise<readonly FileEntry[]> {
    const { entered, kill, release } = this.startHelper(['list', root, String(entriesMax)])
    entered.input?.end()
    try {
      return await readListing(new ByteReader(entered.output), entriesMax)
    } catch (error) {
      throw await pumpFailure(error, entered)
    } finally {
      kill()
      hangUp(entered)
      await entered.exit
      release()
    }
  }

  async readFiles(
    root: string,
    paths: readonly string[],
    each: (path: string, content: AsyncIterable<Uint8Array> | null) => Promise<void>,
  ): Promise<void> {
    const { entered, kill, release } = this.startHelper(['read', root, String(Number.MAX_SAFE_INTEGER)])
    const sending = pipeline(
      paths.map((path) => readRequest(path)),
      entered.input ?? failNoInput(),
    ).catch(() => undefined)
    try {
      const reader = new ByteReader(entered.output)
      for (const path of paths) {
        const content = await readFileAnswer(reader)
        await each(path, content === null ? null : keptOpen(content))
        // What the caller did not want stands before the next answer.
        if (content !== null) for await (const _ of content);
      }
    } catch (error) {
      throw await pumpFailure(error, entered)
    } finally {
      kill()
      hangUp(entered)
      await entered.exit
      await sending
      release()
    }
  }

  async disposeInBackground(): Promise<void> {
    void this.#dispose()
    await this.#parts.keeper.disposeInBackground()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#dispose()
  }

  #dispose(): Promise<void> {
    this.#parts.wardens.close()
    this.#disposed ??= this.#parts.keeper.dispose()
    return this.#disposed
  }
}

/** An answer that ends early says less than the warden, when the pump could not even start: a job can have used up its own limits. */
async function pumpFailure(error: unknown, entered: Entered): Promise<unknown> {
  if (!(error instanceof SandboxError) || error.code !== 'SANDBOX_PROTOCOL') return error
  const exit = await Promise.race([entered.exit, sleep(1000, null, { ref: false })])
  if (exit?.kind !== 'failed-to-start') return error
  return new SandboxError('SANDBOX_FAILED', `Cannot reach the files of the sandbox: ${exit.message}`, {
    hint: 'Processes that the job left running may hold all that its limits allow',
  })
}

const KILL_LIMIT_MS = 5000
const KILL_AGAIN_MS = 10
const DYING_MS = 1

/**
 * More than once: a step that is only being started joins its cgroup a moment later, and the first kill met nobody. Until the last one is dead, too: what is
 * killed still counts against the job's limits until then.
 */
async function killUntilEnded(cgroup: StepCgroup, exit: Promise<unknown>): Promise<void> {
  const ended = exit.then(
    () => true,
    () => true,
  )
  const deadline = performance.now() + KILL_LIMIT_MS
  for (;;) {
    cgroup.kill()
    const isEnded = await Promise.race([ended, sleep(KILL_AGAIN_MS, false, { ref: false })])
    if ((isEnded && cgroup.isEmpty()) || performance.now() >= deadline) return
    if (isEnded) await sleep(DYING_MS)
  }
}

function addCounts(left: LimitCounts, right: LimitCounts): LimitCounts {
  return { oomKills: left.oomKills + right.oomKills, pidsRefused: left.pidsRefused + right.pidsRefused }
}

/** Kernels differ in whether they count at the cgroup that has the limit or at the one that ran into it. */
function limitHitIn(before: LimitCounts, after: LimitCounts, own: LimitCounts): StepExit['limitHit'] {
  if (own.oomKills > 0 || after.oomKills > before.oomKills) return 'memory'
  return own.pidsRefused > 0 || after.pidsRefused > before.pidsRefused ? 'pids' : null
}

/** Of a generator that its reader may leave early: what is left of it stays to be read. */
function keptOpen(content: AsyncGenerator<Uint8Array>): AsyncIterable<Uint8Array> {
  return { [Symbol.asyncIterator]: () => ({ next: () => content.next() }) }
}

/** Nobody reads on: else the warden would wait for ever to pass on what the pump has written, and with it the pump's end. */
function hangUp(entered: Entered): void {
  entered.output.destroy()
}

function failNoInput(): never {
  throw new TypeError('the pump has no input')
}

/** Our helper's own short answer; bounded because a job may have got hold of the process that gives it. */
async function collectText(stream: AsyncIterable<Buffer>): Promise<string> {
  let text = ''
  for await (const part of stream) if (text.length < 65_536) text += part.toString()
  return text
}

/** `OutNoRoutes` of the two `Ip:` lines (names, values) of /proc/net/snmp, RFC 1213 `ipOutNoRoutes`. */
function noRouteCount(snmp: string): number {
  const [names, values] = snmp
    .split('\n')
    .filter((line) => line.startsWith('Ip:'))
    .map((line) => line.split(' '))
  return Number(values?.[names?.indexOf('OutNoRoutes') ?? -1] ?? 0)
}

function noRouteCount6(snmp6: string): number {
  return Number(/^Ip6OutNoRoutes\s+(\d+)$/m.exec(snmp6)?.[1] ?? 0)
}
