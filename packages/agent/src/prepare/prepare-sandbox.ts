// SPDX-License-Identifier: Apache-2.0
import { join } from 'node:path'
import {
  createDriver,
  type Limits,
  type Sandbox,
  type SandboxBeginning,
  SandboxError,
  type SandboxImage,
  type SandboxSpec,
  type SelfCheckResult,
  type Weakness,
} from '@sallyport/sandbox'
import type { ChosenIsolation } from '../admit/isolation.ts'
import { AgentError } from '../agent-error.ts'
import type { JobLimits } from '../contract.ts'
import type { JobGate } from '../gate/job-gate.ts'
import type { JobImage } from '../images/job-image.ts'
import { lossOf } from './loss.ts'

export interface PreparedSandbox {
  readonly sandbox: Sandbox
  /** e.g. `oci (runc)`. */
  readonly isolation: string
  readonly image: string
  readonly jobImage: JobImage
  /** Those that hold; {@link weaknesses} says which of the others were declared. */
  readonly checks: readonly SelfCheckResult[]
  readonly weaknesses: readonly Weakness[]
  readonly failed: readonly string[]
  readonly prepareMs: number
  readonly selfCheckMs: number
  /** For every step, under its own: makes its programs trust the job's own authority. Empty where the gate terminates nothing. */
  readonly trust: Readonly<Record<string, string>>
  /** Why there is no sandbox any more, or no gate; in one clause. It never resolves before one of them is gone. */
  readonly lost: Promise<string>
}

/** The data of a `job.prepared` event. */
export function preparedFacts(prepared: PreparedSandbox): Readonly<Record<string, unknown>> {
  return {
    isolation: prepared.isolation,
    image: prepared.image,
    imageReference: prepared.jobImage.resolved?.reference ?? null,
    imageDigest: prepared.jobImage.resolved?.digest ?? null,
    prepareMs: Math.round(prepared.prepareMs),
    selfCheckMs: Math.round(prepared.selfCheckMs),
    ...selfCheckOf(prepared),
    weaker: prepared.weaknesses.map(({ name }) => name),
  }
}

/** `failed`: guarantees that a job of root has, and this one has not; their names are among its weaknesses. */
export function selfCheckOf({ checks, failed }: Pick<PreparedSandbox, 'checks' | 'failed'>): {
  readonly passed: number
  readonly failed: readonly string[]
} {
  return { passed: checks.length, failed }
}

export interface PrepareInput {
  readonly stateDirectory: string
  readonly isolation: ChosenIsolation
  readonly limits: JobLimits
  /** See `SandboxSpec.askedLimits`. */
  readonly askedLimits: readonly (keyof Limits)[]
  /** `[a-z0-9-]`, ours. */
  readonly id: string
  /** See `SandboxSpec.directories`. */
  readonly directories: readonly string[]
  /** Held by the caller's until then, from there on by what is prepared; let go when there is no sandbox. */
  readonly image: Promise<JobImage>
  /** Not started yet. */
  readonly gate: JobGate
  readonly signal: AbortSignal
  /** See `SandboxDriver.prepare`. */
  readonly onWaiting?: () => void
  /** Of the same gate and signal; default: begun now. */
  readonly begun?: Promise<BegunSandbox>
}

export interface BegunSandbox {
  readonly driver: string
  readonly beginning: SandboxBeginning
}

/** At once, what depends on the gate alone: above all the gate itself. @throws SandboxError. */
export async function beginSandbox({ isolation, stateDirectory, gate, signal }: BeginInput): Promise<BegunSandbox> {
  const driver = createDriver(isolation.driver, join(stateDirectory, 'sandbox'), { runsc: isolation.runsc })
  return { driver: driver.name, beginning: driver.begin(gate.launch, signal) }
}

type BeginInput = Pick<PrepareInput, 'stateDirectory' | 'signal'> & {
  readonly isolation: Pick<ChosenIsolation, 'driver' | 'runsc'>
  readonly gate: Pick<JobGate, 'launch'>
}

/**
 * A sandbox whose walls were just tried, with its gate. Fails closed: when one guarantee does not hold the sandbox is gone before the error is
 * thrown, and nothing of the job has run in it.
 *
 * @throws AgentError GUARANTEE_MISSING; SandboxError; GateError.
 */
export async function prepareSandbox(input: PrepareInput): Promise<PreparedSandbox> {
  const begun = input.begun ?? beginSandbox(input)
  const jobImage = await imageOrNothing(input.image, begun)
  const start = performance.now()
  const { driver, beginning } = await letGo(begun, jobImage)
  const sandbox = await letGo(beginning.build(sandboxSpec(input, jobImage.spec), input.onWaiting), jobImage)
  const prepared = performance.now()
  try {
    const checks = await sandbox.selfCheck(input.signal)
    const failed = assertAllHold(checks, sandbox.weaknesses)
    input.gate.bind(sandbox)
    const trust = await trustOf(sandbox, input.gate)
    return {
      sandbox,
      isolation: `${driver === 'gvisor' ? 'gvisor (runsc' : `oci (${driver}`}${sandbox.weaknesses.length === 0 ? '' : ', without root'})`,
      image: sandbox.imageDescription,
      jobImage,
      checks: checks.filter(({ holds }) => holds),
      failed,
      weaknesses: sandbox.weaknesses,
      prepareMs: prepared - start,
      selfCheckMs: performance.now() - prepared,
      trust,
      lost: lossOf(sandbox, input.gate),
    }
  } catch (error) {
    await sandbox[Symbol.asyncDispose]()
    await jobImage[Symbol.asyncDispose]()
    throw error
  }
}

/** Without an image what has begun is not needed. */
async function imageOrNothing(image: Promise<JobImage>, begun: Promise<BegunSandbox>): Promise<JobImage> {
  try {
    return await image
  } catch (error) {
    await begun.then(
      ({ beginning }) => beginning[Symbol.asyncDispose](),
      () => undefined, // The image is the reason that counts.
    )
    throw error
  }
}

async function letGo<T>(step: Promise<T>, image: JobImage): Promise<T> {
  try {
    return await step
  } catch (error) {
    await image[Symbol.asyncDispose]()
    throw error
  }
}

async function trustOf(sandbox: Sandbox, gate: JobGate): Promise<Readonly<Record<string, string>>> {
  const authority = await gate.authority()
  if (authority === null) return {}
  const { putTrust } = await import('../gate/trust-in-sandbox.ts')
  return putTrust(sandbox, authority)
}

type SpecInput = Pick<PrepareInput, 'limits' | 'askedLimits' | 'id' | 'directories'> & Pick<BeginInput, 'gate'>

function sandboxSpec(input: SpecInput, image: SandboxImage): SandboxSpec {
  const { cpu, memoryBytes, memorySwapBytes, pids, diskBytes, diskInodes, openFiles } = input.limits
  return {
    id: input.id,
    image,
    rootfs: 'disposable',
    askedLimits: input.askedLimits,
    limits: { cpu, memoryBytes, memorySwapBytes, pids, diskBytes, diskInodes, openFiles },
    nodeBinary: process.execPath,
    readOnlyBinds: [],
    directories: input.directories,
    hostname: 'sallyport',
    gate: input.gate.launch,
  }
}

/** The names of those that do not hold and were declared. @throws AgentError GUARANTEE_MISSING, naming those that were not. */
export function assertAllHold(checks: readonly SelfCheckResult[], weaknesses: readonly Weakness[]): string[] {
  const broken = checks.filter((check) => !check.holds)
  const missing = broken.filter(({ guarantee }) => weaknesses.every(({ name }) => name !== guarantee))
  if (missing.length === 0) return [...new Set(broken.map(({ guarantee }) => guarantee))]
  const names = [...new Set(missing.map((check) => check.guarantee))]
  const first = missing[0]
  throw new AgentError(
    'GUARANTEE_MISSING',
    `Cannot start the job: the guarantee "${names.join('", "')}" does not hold here (${first?.evidence})`,
    {
      hint: 'Run "sallyport doctor": it shows every guarantee and how to get the missing one',
      details: { guarantees: names },
    },
  )
}

/** Whether the reason is that this host cannot give what was asked for, rather than a failure of ours. */
export function isMissingGuarantee(error: unknown): boolean {
  return (
    (error instanceof AgentError && error.code === 'GUARANTEE_MISSING') ||
    (error instanceof SandboxError && error.code === 'SANDBOX_UNSUPPORTED')
  )
}
