// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { JOB_NETWORK, messageOf } from '@sallyport/core'
import {
  cgroupPaths,
  type EffectiveLimits,
  findJobCgroup,
  type JobCgroup,
  readEffectiveLimits,
  readLimitCounts,
  readThrottling,
  StepCgroup,
  type StepGroup,
  throttlingBetween,
} from '../cgroup.ts'
import type {
  HostIdentity,
  LimitCounts,
  RefusedPacket,
  RunningStep,
  Sandbox,
  SelfCheckResult,
  SourceChanges,
  Standing,
  StepExit,
  StepNetwork,
  StepSpec,
  Weakness,
} from '../contract.ts'
import { type Entered, enterSandbox } from '../native/enter.ts'
import type { StepAddress } from '../native/keeper.spawn.ts'
import { parseSourceChanges } from '../native/source-answers.ts'
import { ID_COUNT } from '../oci/bundle.ts'
import { RefusedPackets } from '../refused-packets.ts'
import { sourceNeedsRoot } from '../rootless/needs-root.ts'
import type { RootlessSupport } from '../rootless/support.ts'
import { UngroupedHelper, UngroupedStep } from '../rootless/ungrouped-step.ts'
import { weaknessesOf } from '../rootless/weaknesses.ts'
import { SandboxError } from '../sandbox-error.ts'
import { runSelfCheck, type StartedHelper } from '../self-check.ts'
import { lookAtWalls } from '../standing.ts'
import { StepLimits } from '../step-limits.ts'
import { TimeAllowance } from '../time-allowance.ts'
import { CANARY_SOURCE, helperStep, KeptSandbox, type KeptSandboxParts, limitHitIn, PUMP_TIME_MAX_MS, stepRequest } from './kept-sandbox.ts'
import { programWithSocket } from './socket-owner.ts'

export interface EnteredSandboxParts extends KeptSandboxParts {
  /** Null for root. */
  readonly rootless: RootlessSupport | null
}

/** The first step takes one. */
const WAITING_WARDENS = 1
/** As after the building of one that does not wait (native/src/keeper.c). */
const STEPS_BEGIN_MS = 400

function ignoreLost(): void {
  // The end of the keeper is the end of the sandbox, and is heard of.
}

interface OpenNetwork {
  readonly address: StepAddress
  readonly relays: StepNetwork['relays']
}

/** A sandbox whose steps are started from outside by entering its namespaces (native/src/enter.c). */
export class EnteredSandbox extends KeptSandbox implements Sandbox {
  readonly hostIdentity: HostIdentity
  readonly weaknesses: readonly Weakness[]
  readonly #parts: EnteredSandboxParts
  readonly #cgroup: JobCgroup
  #steps = 0
  /** Steps whose cgroups are there, and what those counted that are gone. */
  readonly #counting = new Set<StepGroup>()
  #counted: LimitCounts = { oomKills: 0, pidsRefused: 0 }
  /** Of steps. */
  readonly #firstPids = new Set<number>()
  /** Ids of steps by the names of their cgroups. */
  readonly #stepsByCgroup = new Map<string, string>()
  /** Running steps by their ids. */
  readonly #running = new Map<string, StepGroup>()
  readonly #refused = new RefusedPackets()
  /** A job decides how often it is looked for, and among how many descriptors: 60 ms for 6,000. */
  readonly #lookingForPrograms = new TimeAllowance()
  #endsLeftovers = false
  /** Host pid of the pump that waits for files. */
  #waitingPump: number | null = null
  #hasWaited = false
  /** Sent by the self-check, and not the job's. */
  #canaryPackets = 0

  constructor(parts: EnteredSandboxParts) {
    super(parts)
    this.#parts = parts
    const { rootless } = parts
    this.hostIdentity = {
      cgroup: parts.cgroup,
      uids: { first: rootless?.outer.hostId(parts.idBase) ?? parts.idBase, count: this.#idCount },
      pids: this.#firstPids,
    }
    this.weaknesses = rootless === null ? [] : weaknessesOf(rootless.cgroup)
    // Without a cgroup nothing tells what one step left from the next.
    this.#endsLeftovers = this.#isUngrouped
    this.#cgroup = findJobCgroup(cgroupPaths(parts.init), rootless === null ? null : parts.cgroup)
  }

  get #idCount(): number {
    return this.#parts.rootless?.outer.ids ?? ID_COUNT
  }

  get #isUngrouped(): boolean {
    return this.#parts.rootless !== null && this.#parts.rootless.cgroup === null
  }

  /** See {@link EnterRequest.processes}. */
  get #processes(): number {
    return this.#parts.rootless === null ? 0 : this.#parts.spec.limits.pids
  }

  async selfCheck(signal: AbortSignal): Promise<readonly SelfCheckResult[]> {
    const { spec } = this.#parts
    const results = await runSelfCheck(
      {
        limits: spec.limits,
        ids: this.#idCount,
        isRootless: this.#parts.rootless !== null,
        effective: this.effectiveLimits(),
        hostname: spec.hostname,
        image: spec.image.kind,
        network: spec.gate === null ? 'none' : 'gate',
        kernel: 'shared',
        start: (argv, files) => this.startHelper(argv, files),
        startCanary: (argv, files) => this.#startCanary(argv, files),
      },
      signal,
    )
    this.#canaryPackets = this.#countRefusedPackets()
    return results.map((result) => this.#withoutSignalScope(result))
  }

  async standing(): Promise<Standing | null> {
    const { rootless, init, keeper } = this.#parts
    // Without root less can be seen.
    if (rootless !== null) return null
    return lookAtWalls({
      init,
      cgroup: this.#cgroup,
      effective: this.effectiveLimits(),
      own: this.#waitingPump === null ? [] : [this.#waitingPump],
      keeper: await keeper.standing(),
    })
  }

  async wait(root: string, ms: number): Promise<void> {
    this.#hasWaited = true
    this.#waitingPump = await this.pump.prepare(root)
    await this.#parts.keeper.keepCgroupsWarm(ms)
    this.#parts.wardens.prepare(WAITING_WARDENS)
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
    const throttledBefore = readThrottling(this.#cgroup)
    const cgroup = this.#makeCgroup('step')
    this.#stepsByCgroup.set(cgroup.name, step.id)
    const network = await this.#openNetwork(cgroup, step.network)
    const entered = await this.#enterStep(step, cgroup, network)
    this.#coolDown()
    const limits = this.#watchLimits(cgroup)
    // Of a step whose warden is lost: nobody asks any more.
    entered.exit.catch(() => limits.end(true))
    this.#counting.add(cgroup)
    this.#running.set(step.id, cgroup)
    const exit = entered.exit.then(async (end): Promise<StepExit> => {
      const found = limits.end(end.kind !== 'exited' || end.code !== 0)
      const limitHit = limitHitIn(before, readLimitCounts(this.#cgroup), cgroup.limitCounts()) ?? found
      const throttling = throttlingBetween(throttledBefore, readThrottling(this.#cgroup))
      if (this.#running.get(step.id) === cgroup) this.#running.delete(step.id)
      if (this.#endsLeftovers) await cgroup.kill()
      const refusedPackets = await this.#closeNetwork(network)
      this.#retire(cgroup)
      return { ...end, limitHit, throttling, refusedPackets }
    })
    return {
      output: entered.output,
      begun: entered.begun,
      exit,
      kill: () => killUntilEnded(cgroup, exit),
    }
  }

  /** It waits for nobody any more. */
  #coolDown(): void {
    if (!this.#hasWaited) return
    this.#hasWaited = false
    this.#parts.keeper.keepCgroupsWarm(STEPS_BEGIN_MS).catch(ignoreLost)
  }

  #watchLimits(cgroup: StepGroup): StepLimits {
    const { init, spec } = this.#parts
    return new StepLimits({ root: `/proc/${init}/root`, openFiles: spec.limits.openFiles, members: () => cgroup.members() })
  }

  async #enterStep(step: StepSpec, cgroup: StepGroup, network: OpenNetwork | null): Promise<Entered> {
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
  async #openNetwork(cgroup: StepGroup, network: StepNetwork | null): Promise<OpenNetwork | null> {
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
  #retire(cgroup: StepGroup): void {
    const counts = cgroup.limitCounts()
    if (!cgroup.remove()) return
    this.#counting.delete(cgroup)
    this.#counted = addCounts(this.#counted, counts)
  }

  protected override startHelper(argv: readonly string[], files: StepSpec['files'] = []): StartedHelper {
    return this.#startHelper(argv, files, this.#makeCgroup('helper'))
  }

  /** With a network like a step's, from a source that no door is opened for. */
  async #startCanary(argv: readonly string[], files: StepSpec['files']): Promise<StartedHelper> {
    const cgroup = this.#makeCgroup('helper')
    const network = await this.#openNetwork(cgroup, this.#parts.spec.gate === null ? null : { source: CANARY_SOURCE, relays: [] })
    const started = this.#startHelper(argv, files, cgroup)
    const exit = started.entered.exit.then(async (end) => {
      await this.#closeNetwork(network)
      return end
    })
    return { ...started, entered: { ...started.entered, exit } }
  }

  #startHelper(argv: readonly string[], files: StepSpec['files'], cgroup: StepGroup): StartedHelper {
    const entered = this.#enter(helperStep(argv, files, null), cgroup, { pump: true })
    // Hostile from the first job step on: one that neither ends nor answers must not hold the job for ever.
    const watchdog = setTimeout(() => void cgroup.kill(), PUMP_TIME_MAX_MS)
    watchdog.unref()
    const release = (): void => {
      clearTimeout(watchdog)
      cgroup.remove()
    }
    return { entered, kill: () => void cgroup.kill(), release }
  }

  #makeCgroup(of: 'step' | 'helper'): StepGroup {
    this.assertNotDisposed()
    this.#steps += 1
    if (this.#isUngrouped)
      return of === 'step' ? new UngroupedStep(this.#parts.init, () => this.#sweep()) : new UngroupedHelper(this.#parts.init)
    return new StepCgroup(this.#cgroup, `step-${this.#steps}`)
  }

  /** Of a sandbox that is gone nothing is left; of one that is there, nobody knows what still runs. */
  async #sweep(): Promise<void> {
    try {
      await this.#parts.keeper.sweep()
    } catch (error) {
      this.#parts.keeper.giveUp(`what a step left running could not be ended: ${messageOf(error)}`)
    }
  }

  /** A request that is refused leaves no cgroup behind either. */
  #enter(step: StepSpec, cgroup: StepGroup, options: { readonly pump: boolean }): Entered {
    const { wardens } = this.#parts
    try {
      this.assertNotDisposed()
      return enterSandbox(() => wardens.take(), {
        ...stepRequest(step, this.#parts),
        init: this.#parts.init,
        uid: this.#parts.idBase,
        processes: this.#processes,
        cgroups: cgroup.procsFiles,
        pump: options.pump,
        begun: (pid) => {
          cgroup.begun(pid)
          if (!options.pump) this.#firstPids.add(pid)
        },
      })
    } catch (error) {
      cgroup.remove()
      throw error
    }
  }

  async probeSource(): Promise<void> {
    if (this.#parts.rootless !== null) throw sourceNeedsRoot()
    try {
      await this.#parts.keeper.probeSource()
    } catch (error) {
      throw sourceUnsupported(error)
    }
  }

  async endLeftovers(): Promise<number> {
    const cgroups = [...this.#counting].filter((cgroup) => ![...this.#running.values()].includes(cgroup))
    const count = cgroups.reduce((sum, cgroup) => sum + cgroup.members().length, 0)
    for (const cgroup of cgroups) {
      await killUntilEnded(cgroup, Promise.resolve())
      if (!cgroup.isEmpty()) throw new SandboxError('SANDBOX_FAILED', 'Cannot end what an earlier step left running')
      this.#retire(cgroup)
    }
    return count
  }

  async freezeSource(root: string): Promise<{ readonly files: number; readonly ended: number }> {
    if (this.#running.size > 0) throw new TypeError('a step runs')
    const ended = await this.endLeftovers()
    try {
      const lines = await this.#parts.keeper.freezeSource(root)
      return { files: Number(lines.find(({ word }) => word === 'ready')?.fields[0] ?? 0), ended }
    } catch (error) {
      throw sourceUnsupported(error)
    }
  }

  async takeSourceChanges(): Promise<SourceChanges> {
    return parseSourceChanges(await this.#parts.keeper.takeSourceChanges(), (cgroup) => this.#stepsByCgroup.get(cgroup) ?? null)
  }
}

function sourceUnsupported(error: unknown): unknown {
  if (!(error instanceof SandboxError) || error.code !== 'SANDBOX_FAILED') return error
  return new SandboxError('SANDBOX_UNSUPPORTED', `The guarantee "source-read-only" does not hold here: ${error.message}`, {
    cause: error,
    hint: 'It needs Linux 5.17 or newer with overlayfs and fanotify (CONFIG_OVERLAY_FS, CONFIG_FANOTIFY), and a checkout whose files have one name each; or leave source: read-only out',
    details: { guarantees: ['source-read-only'] },
  })
}

const KILL_LIMIT_MS = 5000
const KILL_AGAIN_MS = 10
const DYING_MS = 1

/**
 * More than once: a step that is only being started joins its cgroup a moment later, and the first kill met nobody. Until the last one is dead, too: what is
 * killed still counts against the job's limits until then.
 */
async function killUntilEnded(cgroup: StepGroup, exit: Promise<unknown>): Promise<void> {
  const ended = exit.then(
    () => true,
    () => true,
  )
  const deadline = performance.now() + KILL_LIMIT_MS
  for (;;) {
    await cgroup.kill()
    const isEnded = await Promise.race([ended, sleep(KILL_AGAIN_MS, false, { ref: false })])
    if ((isEnded && cgroup.isEmpty()) || performance.now() >= deadline) return
    if (isEnded) await sleep(DYING_MS)
  }
}

function addCounts(left: LimitCounts, right: LimitCounts): LimitCounts {
  return { oomKills: left.oomKills + right.oomKills, pidsRefused: left.pidsRefused + right.pidsRefused }
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
