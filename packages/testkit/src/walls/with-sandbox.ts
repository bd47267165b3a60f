// SPDX-License-Identifier: Apache-2.0
import { readFile } from 'node:fs/promises'
import type { GateConfig } from '@sallyport/gate'
import {
  createDriver,
  type DriverName,
  type Limits,
  type Sandbox,
  type SandboxSpec,
  type StepExit,
  type StepSpec,
} from '@sallyport/sandbox'
import { type Attempt, parseAttempts } from '../attempt.ts'
import { buildAttacks } from '../compile.spawn.ts'
import { findRunsc } from '../find-runsc.ts'
import { TestGate } from '../test-gate.ts'
import { stateDirectory } from './disposable-box.spawn.ts'
import { type PlantName, removeWalls } from './remove-walls.ts'
import type { WallName } from './walls.ts'

export interface Experiment {
  /** Whose sandbox; default: runc's. */
  readonly driver?: DriverName
  /** What the gate of {@link withGate} is told. */
  readonly gate?: Partial<GateConfig>
  /** The walls to take out; none is the sandbox as the product builds it. */
  readonly without?: readonly WallName[]
  readonly plants?: readonly PlantName[]
  readonly spec?: Partial<SandboxSpec>
}

/** Small enough that every limit is met within a second. */
export const EXPERIMENT_LIMITS: Limits = {
  cpu: 1,
  memoryBytes: 256 << 20,
  memorySwapBytes: 256 << 20,
  pids: 64,
  diskBytes: 64 << 20,
  diskInodes: 4096,
  openFiles: 512,
}

let serial = 0

/** Where the attack programs lie in a sandbox made by {@link withSandbox}. */
const ATTACK = '/tmp/attack'

/** Runs `use` with a real sandbox, prepared like the product's and rid of some walls; afterwards nothing of it remains. */
export async function withSandbox<T>(experiment: Experiment, use: (sandbox: Sandbox) => Promise<T>): Promise<T> {
  return prepared(experiment, null, use)
}

/** The same with the real gate, without a name server: `experiment.gate` says which names it knows. */
export async function withGate<T>(experiment: Experiment, use: (sandbox: Sandbox, gate: TestGate) => Promise<T>): Promise<T> {
  const gate = new TestGate(experiment.gate)
  return prepared(experiment, gate, (sandbox) => use(sandbox, gate))
}

async function prepared<T>(experiment: Experiment, gate: TestGate | null, use: (sandbox: Sandbox) => Promise<T>): Promise<T> {
  const walls = await removeWalls(experiment.without ?? [], experiment.plants ?? [])
  const driver = createDriver(experiment.driver ?? 'runc', await stateDirectory(), { walls, runsc: findRunsc() })
  serial += 1
  const spec: SandboxSpec = {
    id: `escape-${process.pid}-${serial}`,
    image: { kind: 'host' },
    rootfs: 'disposable',
    limits: EXPERIMENT_LIMITS,
    nodeBinary: null,
    readOnlyBinds: [],
    directories: [],
    hostname: 'sallyport',
    gate: gate?.launch ?? null,
    ...experiment.spec,
  }
  await using sandbox = await driver.prepare(spec, new AbortController().signal)
  gate?.watch(sandbox)
  await putProgram(sandbox)
  return await use(sandbox)
}

async function putProgram(sandbox: Sandbox): Promise<void> {
  const content = await readFile(await buildAttacks())
  await sandbox.putFiles('/tmp', [{ type: 'file', path: 'attack', mode: 0o755, size: content.length, content }])
}

/** Why this machine has no sandboxes of the driver; null when it has. */
export async function obstacleOf(driver: DriverName): Promise<string | null> {
  const obstacle = await createDriver(driver, await stateDirectory(), { runsc: findRunsc() }).obstacle()
  return obstacle?.message ?? null
}

export interface StepRun {
  readonly output: string
  readonly exit: StepExit
}

export type StepRequest = Partial<StepSpec> & Pick<StepSpec, 'argv'>

const ENVIRONMENT = { PATH: '/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin', HOME: '/home/runner', LANG: 'C.UTF-8', ATTACK_DIR: '/tmp' }

/** A step of small data: what it printed (cut at 1 MiB) and how it ended. */
export async function runStep(sandbox: Sandbox, request: StepRequest): Promise<StepRun> {
  serial += 1
  const { env, ...rest } = request
  const defaults = { id: `step-${serial}`, workingDirectory: '/tmp', files: [], collect: [], collectBytesMax: 1 << 20, network: null }
  const step = await sandbox.startStep({ ...defaults, ...rest, env: { ...ENVIRONMENT, ...env } })
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of step.output as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes <= 1 << 20) chunks.push(chunk)
  }
  return { output: Buffer.concat(chunks).toString(), exit: await step.exit }
}

/** A shell step. */
export function runScript(sandbox: Sandbox, script: string, request: Partial<StepSpec> = {}): Promise<StepRun> {
  return runStep(sandbox, { ...request, argv: ['/bin/sh', '-c', script] })
}

/** Runs attack programs (attacks/main.c) as one step. */
export async function runAttacks(
  sandbox: Sandbox,
  ids: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<readonly Attempt[]> {
  const { output, exit } = await runStep(sandbox, { argv: [ATTACK, ...ids], env })
  const attempts = parseAttempts(output)
  if (attempts.length === 0)
    throw new Error(`The attack program told of no attempt: ${exit.message ?? `${exit.kind} ${exit.code}`}: ${output.slice(0, 500)}`)
  return attempts
}
