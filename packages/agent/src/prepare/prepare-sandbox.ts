// SPDX-License-Identifier: Apache-2.0
import { join } from 'node:path'
import {
  createDriver,
  ociDriver,
  type Sandbox,
  type SandboxBeginning,
  SandboxError,
  type SandboxSpec,
  type SelfCheckResult,
} from '@sallyport/sandbox'
import { AgentError } from '../agent-error.ts'
import type { IsolationKind, JobLimits } from '../contract.ts'
import type { JobGate } from '../gate/job-gate.ts'
import { lossOf } from './loss.ts'

export interface PreparedSandbox {
  readonly sandbox: Sandbox
  /** e.g. `oci (runc)`. */
  readonly isolation: string
  readonly image: string
  readonly checks: readonly SelfCheckResult[]
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
    prepareMs: Math.round(prepared.prepareMs),
    selfCheckMs: Math.round(prepared.selfCheckMs),
    passed: prepared.checks.length,
    failed: [],
  }
}

export interface PrepareInput {
  readonly stateDirectory: string
  readonly isolation: IsolationKind
  readonly limits: JobLimits
  /** `[a-z0-9-]`, ours. */
  readonly id: string
  /** See `SandboxSpec.directories`. */
  readonly directories: readonly string[]
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
  const driver = createDriver(isolation === 'oci' ? ociDriver() : isolation, join(stateDirectory, 'sandbox'))
  return { driver: driver.name, beginning: driver.begin(gate.launch, signal) }
}

type BeginInput = Pick<PrepareInput, 'isolation' | 'stateDirectory' | 'gate' | 'signal'>

/**
 * A sandbox whose walls were just tried, with its gate. Fails closed: when one guarantee does not hold the sandbox is gone before the error is
 * thrown, and nothing of the job has run in it.
 *
 * @throws AgentError GUARANTEE_MISSING; SandboxError; GateError.
 */
export async function prepareSandbox(input: PrepareInput): Promise<PreparedSandbox> {
  const start = performance.now()
  const { driver, beginning } = await (input.begun ?? beginSandbox(input))
  const sandbox = await beginning.build(sandboxSpec(input), input.onWaiting)
  const prepared = performance.now()
  try {
    const checks = await sandbox.selfCheck(input.signal)
    assertAllHold(checks)
    input.gate.bind(sandbox)
    const trust = await trustOf(sandbox, input.gate)
    return {
      sandbox,
      isolation: `oci (${driver})`,
      image: sandbox.imageDescription,
      checks,
      prepareMs: prepared - start,
      selfCheckMs: performance.now() - prepared,
      trust,
      lost: lossOf(sandbox, input.gate),
    }
  } catch (error) {
    await sandbox[Symbol.asyncDispose]()
    throw error
  }
}

async function trustOf(sandbox: Sandbox, gate: JobGate): Promise<Readonly<Record<string, string>>> {
  const authority = await gate.authority()
  if (authority === null) return {}
  const { putTrust } = await import('../gate/trust-in-sandbox.ts')
  return putTrust(sandbox, authority)
}

function sandboxSpec(input: PrepareInput): SandboxSpec {
  const { cpu, memoryBytes, memorySwapBytes, pids, diskBytes, diskInodes, openFiles } = input.limits
  return {
    id: input.id,
    image: { kind: 'host' },
    rootfs: 'disposable',
    limits: { cpu, memoryBytes, memorySwapBytes, pids, diskBytes, diskInodes, openFiles },
    nodeBinary: process.execPath,
    readOnlyBinds: [],
    directories: input.directories,
    hostname: 'sallyport',
    gate: input.gate.launch,
  }
}

function assertAllHold(checks: readonly SelfCheckResult[]): void {
  const missing = checks.filter((check) => !check.holds)
  if (missing.length === 0) return
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
