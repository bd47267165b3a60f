// SPDX-License-Identifier: Apache-2.0
import { messageOf } from '@sallyport/core'
import {
  type EffectiveLimits,
  findJobCgroup,
  type JobCgroup,
  readEffectiveLimits,
  readLimitCounts,
  readThrottling,
  throttlingBetween,
} from '../cgroup.ts'
import type {
  HostIdentity,
  LimitCounts,
  RefusedPacket,
  RunningStep,
  Sandbox,
  SelfCheckResult,
  StepExit,
  StepNetwork,
  StepSpec,
} from '../contract.ts'
import { type Entered, enterSandbox } from '../native/enter.ts'
import { ID_COUNT } from '../oci/bundle.ts'
import { hostThreads } from '../oci/sentry-bundle.ts'
import { RefusedPackets } from '../refused-packets.ts'
import { SandboxError } from '../sandbox-error.ts'
import { runSelfCheck, type StartedHelper } from '../self-check.ts'
import { CANARY_SOURCE, helperStep, KeptSandbox, type KeptSandboxParts, limitHitIn, PUMP_TIME_MAX_MS, stepRequest } from './kept-sandbox.ts'
import { lookFromOutside } from './sentry-outside.ts'

/** For a step to be dead. A kernel that does not answer any more does not end a step either: the sandbox counts as lost then. */
const KILL_LIMIT_MS = 10_000

/** There is one link, and one step at a time that has it: no cgroup is told apart (native/src/keeper-network-sentry-rules.c). */
const TURN = { cgroup: 1n, level: 1 } as const

/**
 * A sandbox with a kernel of its own (gVisor's sentry), whose steps are started from inside (native/src/inside.c). On the host it is a few processes; those of
 * the job are none of them.
 */
export class SentrySandbox extends KeptSandbox implements Sandbox {
  readonly hostIdentity: HostIdentity
  /** Root alone makes one. */
  readonly weaknesses: readonly [] = []
  readonly #parts: KeptSandboxParts
  readonly #cgroup: JobCgroup
  readonly #refused = new RefusedPackets()
  #refusedCount = 0
  #canaryRefused: readonly RefusedPacket[] = []
  /** Which step has the network. */
  #turn: string | null = null

  constructor(parts: KeptSandboxParts) {
    super(parts)
    this.#parts = parts
    this.hostIdentity = { cgroup: parts.cgroup, uids: { first: parts.idBase, count: ID_COUNT }, pids: null }
    const { hierarchies } = findJobCgroup({ mounts: '/proc/self/mounts', membership: `/proc/${parts.init}/cgroup` })
    // The runtime joins those that it sets limits in; in the others it is where we are.
    this.#cgroup = { hierarchies: hierarchies.filter(({ directory }) => directory.endsWith(`/${parts.cgroup}`)) }
  }

  async selfCheck(signal: AbortSignal): Promise<readonly SelfCheckResult[]> {
    const { spec } = this.#parts
    const results = await runSelfCheck(
      {
        limits: { ...spec.limits, pids: hostThreads(spec.limits.pids) },
        effective: this.effectiveLimits(),
        hostname: spec.hostname,
        ids: ID_COUNT,
        isRootless: false,
        image: spec.image.kind,
        network: spec.gate === null ? 'none' : 'gate',
        kernel: 'own',
        start: (argv, files) => this.#startHelper(argv, files, null),
        startCanary: (argv, files) => this.#startCanary(argv, files),
      },
      signal,
    )
    // The canary's own packets are not the job's.
    await this.#takePackets()
    this.#refused.take(null)
    this.#refusedCount = 0
    return [...lookFromOutside(`/proc/${this.#parts.init}`, this.#parts.idBase), ...this.#datagramCheck(), ...results]
  }

  /** The host sees a kernel, and little of what that keeps. */
  async standing(): Promise<null> {
    return null
  }

  async wait(): Promise<void> {
    // Nothing can be done ahead.
  }

  /** The canary's own network stack told it that a datagram was sent (native/src/canary-network-gate.c): the rules at the link's end tell that they refused it. */
  #datagramCheck(): readonly SelfCheckResult[] {
    if (this.#parts.spec.gate === null) return []
    const holds = this.#canaryRefused.some(({ address, protocol, port }) => address === '192.0.2.1' && protocol === 'udp' && port === 443)
    const evidence = `UDP to 192.0.2.1:443: ${holds ? 'refused' : 'not refused'} at the gate's end of the link`
    return [{ guarantee: 'network', holds, evidence, by: 'kernel' }]
  }

  effectiveLimits(): EffectiveLimits {
    return readEffectiveLimits(this.#cgroup)
  }

  limitCounts(): LimitCounts {
    return readLimitCounts(this.#cgroup)
  }

  refusedPackets(): number {
    return this.#refusedCount
  }

  /** No process of the job is one of the host. */
  executableOf(): null {
    return null
  }

  async startStep(step: StepSpec): Promise<RunningStep> {
    this.assertNotDisposed()
    const before = this.limitCounts()
    const throttledBefore = readThrottling(this.#cgroup)
    await this.#takeTurn(step.id, step.network)
    let entered: Entered
    try {
      entered = this.#enter(step, { pump: false })
    } catch (error) {
      await this.#endTurn(step.network)
      throw error
    }
    const exit = entered.exit.then(async (end): Promise<StepExit> => {
      const refusedPackets = await this.#endTurn(step.network)
      const throttling = throttlingBetween(throttledBefore, readThrottling(this.#cgroup))
      return { ...end, limitHit: limitHitIn(before, this.limitCounts()), throttling, refusedPackets }
    })
    return { output: entered.output, begun: entered.begun, exit, kill: () => this.#kill(entered, exit) }
  }

  async #kill(entered: Entered, exit: Promise<unknown>): Promise<void> {
    entered.hangUp()
    const { promise: tooLate, resolve } = Promise.withResolvers<boolean>()
    const timer = setTimeout(resolve, KILL_LIMIT_MS, true)
    const isTooLate = await Promise.race([tooLate, exit.then(() => false)])
    clearTimeout(timer)
    if (isTooLate) this.#parts.keeper.giveUp('a step of it could not be killed')
  }

  /** @throws SandboxError SANDBOX_UNSUPPORTED while another step has it: nobody could tell their packets apart. */
  async #takeTurn(id: string, network: StepNetwork | null): Promise<void> {
    if (network === null) return
    const { keeper, spec } = this.#parts
    if (spec.gate === null) throw new SandboxError('SANDBOX_INPUT', 'Cannot give a step a network: its sandbox was prepared without a gate')
    if (this.#turn !== null) {
      throw new SandboxError(
        'SANDBOX_UNSUPPORTED',
        `Cannot start step "${id}": step "${this.#turn}" has the network, and gVisor cannot tell two apart`,
        {
          hint: 'Start it after the other one, or use --isolation oci',
        },
      )
    }
    this.#turn = id
    try {
      await keeper.openStep({ ...TURN, source: network.source })
      for (const { index, port } of network.relays) await keeper.setRelay(index, port)
    } catch (error) {
      this.#turn = null
      throw error
    }
  }

  /** After the last process of the step is gone: its packets are, too. */
  async #endTurn(network: StepNetwork | null): Promise<readonly RefusedPacket[]> {
    if (network === null) return []
    const { keeper } = this.#parts
    try {
      await keeper.closeStep({ ...TURN, source: network.source })
      for (const { index } of network.relays) await keeper.setRelay(index, 0)
      await this.#takePackets()
    } catch (error) {
      keeper.giveUp(`the network of a step could not be closed: ${messageOf(error)}`)
    }
    this.#turn = null
    return this.#refused.take(network.source)
  }

  async #takePackets(): Promise<void> {
    if (this.#parts.spec.gate === null) return
    const packets = await this.#parts.keeper.takePackets()
    this.#refusedCount += packets.length
    this.#refused.add(packets)
  }

  async #startCanary(argv: readonly string[], files: StepSpec['files']): Promise<StartedHelper> {
    const network = this.#parts.spec.gate === null ? null : { source: CANARY_SOURCE, relays: [] }
    await this.#takeTurn('self-check', network)
    const started = this.#startHelper(argv, files, network)
    const exit = started.entered.exit.then(async (end) => {
      this.#canaryRefused = await this.#endTurn(network)
      return end
    })
    return { ...started, entered: { ...started.entered, exit } }
  }

  protected override startHelper(argv: readonly string[]): StartedHelper {
    return this.#startHelper(argv, [], null)
  }

  #startHelper(argv: readonly string[], files: StepSpec['files'], network: StepNetwork | null): StartedHelper {
    const entered = this.#enter(helperStep(argv, files, network), { pump: true })
    const watchdog = setTimeout(() => entered.hangUp(), PUMP_TIME_MAX_MS)
    watchdog.unref()
    return { entered, kill: entered.hangUp, release: () => clearTimeout(watchdog) }
  }

  #enter(step: StepSpec, options: { readonly pump: boolean }): Entered {
    const { spec, wardens } = this.#parts
    this.assertNotDisposed()
    return enterSandbox(() => wardens.take(), {
      ...stepRequest(step, this.#parts),
      init: 1,
      uid: 0,
      cgroups: [],
      pump: options.pump,
      noNetwork: step.network === null,
      pids: spec.limits.pids,
      processes: 0,
      begun: () => undefined,
    })
  }

  probeSource(): Promise<never> {
    return Promise.reject(sourceUnsupported())
  }

  /** They end with their step. */
  endLeftovers(): Promise<number> {
    return Promise.resolve(0)
  }

  freezeSource(): Promise<never> {
    return Promise.reject(sourceUnsupported())
  }

  takeSourceChanges(): Promise<never> {
    return Promise.reject(sourceUnsupported())
  }
}

/** The host's kernel sees one process, the sentry, and none of those that change files. */
function sourceUnsupported(): SandboxError {
  return new SandboxError(
    'SANDBOX_UNSUPPORTED',
    'The guarantee "source-read-only" does not hold under gVisor: who changes a file is not seen there',
    {
      hint: 'Use --isolation oci, or leave source: read-only out',
      details: { guarantees: ['source-read-only'] },
    },
  )
}
