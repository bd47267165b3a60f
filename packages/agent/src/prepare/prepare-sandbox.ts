// SPDX-License-Identifier: Apache-2.0
import { join } from 'node:path'
import { createDriver, ociDriver, type Sandbox, SandboxError, type SandboxSpec, type SelfCheckResult } from '@sallyport/sandbox'
import { AgentError } from '../agent-error.ts'
import type { IsolationKind, JobLimits } from '../contract.ts'

export interface PreparedSandbox {
  readonly sandbox: Sandbox
  /** e.g. `oci (runc)`. */
  readonly isolation: string
  readonly image: string
  readonly checks: readonly SelfCheckResult[]
  readonly prepareMs: number
  readonly selfCheckMs: number
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
  readonly signal: AbortSignal
  /** See `SandboxDriver.prepare`. */
  readonly onWaiting?: () => void
}

/**
 * A sandbox whose walls were just tried. Fails closed: when one guarantee does not hold the sandbox is gone before the error is
 * thrown, and nothing of the job has run in it.
 *
 * @throws AgentError GUARANTEE_MISSING; SandboxError.
 */
export async function prepareSandbox(input: PrepareInput): Promise<PreparedSandbox> {
  const start = performance.now()
  const driver = createDriver(input.isolation === 'oci' ? ociDriver() : input.isolation, join(input.stateDirectory, 'sandbox'))
  const sandbox = await driver.prepare(sandboxSpec(input), input.signal, input.onWaiting)
  const prepared = performance.now()
  try {
    const checks = await sandbox.selfCheck(input.signal)
    assertAllHold(checks)
    return {
      sandbox,
      isolation: `oci (${driver.name})`,
      image: sandbox.imageDescription,
      checks,
      prepareMs: prepared - start,
      selfCheckMs: performance.now() - prepared,
    }
  } catch (error) {
    await sandbox[Symbol.asyncDispose]()
    throw error
  }
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
