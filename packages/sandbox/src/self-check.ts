// SPDX-License-Identifier: Apache-2.0
import { readFileSync, readlinkSync } from 'node:fs'
import type { EffectiveLimits } from './cgroup.ts'
import { GUARANTEES, type Guarantee, type Limits, SANDBOX_PATHS, type SandboxTraits, type SelfCheckResult } from './contract.ts'
import type { Entered } from './native/enter.ts'
import { STEP_CAPABILITY_MASK } from './oci/capabilities.ts'
import { SandboxError } from './sandbox-error.ts'

/** A mode of our own helper that runs in the sandbox. */
export interface StartedHelper {
  readonly entered: Entered
  readonly kill: () => void
  readonly release: () => void
}

type HelperFiles = readonly { readonly name: string; readonly content: Uint8Array; readonly mode: number }[]

/** What the self-check needs of a sandbox: to run two modes of our helper in it. */
export interface SelfCheckInput {
  readonly limits: Limits
  /** Ids of the sandbox. */
  readonly ids: number
  /** Without root: the namespace counts processes, instead of a cgroup, and the root is memory, instead of an overlay. */
  readonly isRootless: boolean
  /** As the kernel has them. */
  readonly effective: EffectiveLimits
  readonly hostname: string
  /** `tree`: files of the image's own may have any name; then only what is mounted there can be the host's. */
  readonly image: 'host' | 'tree'
  /** `gate`: the canary has a network of its own, all of which ends at a gate that knows no door for it. */
  readonly network: 'none' | 'gate'
  /** Whose kernel the canary meets. */
  readonly kernel: SandboxTraits['kernel']
  readonly start: (argv: readonly string[], files: HelperFiles) => StartedHelper
  readonly startCanary: (argv: readonly string[], files: HelperFiles) => Promise<StartedHelper>
}

/**
 * Tries every wall from inside, as a step would, before any code of the job runs. The canaries are our own static program: the image
 * cannot lie for them. The limits of the cgroup are read from outside.
 */
export async function runSelfCheck(input: SelfCheckInput, signal: AbortSignal): Promise<readonly SelfCheckResult[]> {
  const mark = (content: string): { name: string; content: Uint8Array; mode: number }[] => [
    { name: 'canary', content: Buffer.from(content), mode: 0o600 },
  ]
  const by = input.kernel === 'own' ? 'sentry' : 'kernel'
  const started: StartedHelper[] = []
  const endAtOnce = (): void => {
    for (const { kill } of started) killIfPossible(kill)
  }
  signal.throwIfAborted()
  signal.addEventListener('abort', endAtOnce, { once: true })
  try {
    const peer = input.start(['canary-target'], mark('target'))
    started.push(peer)
    const canary = await input.startCanary(canaryArguments(input), mark('canary'))
    started.push(canary)
    // The canary is busy with the other walls until it hears whom to try from another step.
    const report = readAll(canary.entered, signal)
    report.catch(ignoreUntilAwaited)
    canary.entered.input?.end(`${await readFirstLine(peer.entered, signal)}\n`)
    const results = [...limitChecks(input), ...parseCanary(await report, by)]
    return [...results, ...missing(results)]
  } finally {
    signal.removeEventListener('abort', endAtOnce)
    for (const { kill } of started) kill()
    for (const { entered, release } of started) {
      await entered.exit
      release()
    }
  }
}

function killIfPossible(kill: () => void): void {
  try {
    kill()
  } catch {
    // Whoever listens to an abort cannot be told: the end of the check tries again, and tells.
  }
}

function ignoreUntilAwaited(): void {
  // Awaited a few lines later; until then its failure is not an unhandled one.
}

const NAMESPACES = ['user', 'pid', 'mnt', 'net', 'ipc', 'uts', 'cgroup'] as const

function canaryArguments(input: SelfCheckInput): string[] {
  const { limits } = input
  const disks = ['/', '/usr', SANDBOX_PATHS.home, '/tmp', '/var/tmp']
  return [
    'canary',
    '--hostname',
    input.hostname,
    '--image',
    input.image,
    '--network',
    input.network,
    '--kernel',
    input.kernel,
    '--host-version',
    readFileSync('/proc/version', 'utf8').trim(),
    '--caps',
    STEP_CAPABILITY_MASK.toString(16),
    '--open-files',
    String(limits.openFiles),
    ...disks.flatMap((path) => ['--disk', path]),
    '--disk-bytes',
    String(limits.diskBytes),
    '--inodes',
    String(limits.diskInodes + INODES_SLACK),
    '--ids',
    String(input.ids),
    ...(input.isRootless ? ['--processes', String(limits.pids), '--root', 'tmpfs'] : []),
    '--peer',
    '-',
    ...NAMESPACES.flatMap((name) => ['--host-ns', `${name}=${namespaceInode(name)}`]),
  ]
}

/** ext4 rounds the inode count up to whole blocks of each group's table. */
const INODES_SLACK = 65_536

function namespaceInode(name: string): string {
  return /\[(\d+)\]/.exec(readlinkSync(`/proc/self/ns/${name}`))?.[1] ?? ''
}

function limitChecks(input: SelfCheckInput): SelfCheckResult[] {
  const { limits, effective } = input
  const atMost = (guarantee: Guarantee, asked: number, found: number | null): SelfCheckResult => ({
    guarantee,
    holds: found !== null && found > 0 && found <= asked * 1.001,
    by: 'kernel',
    evidence: found === null ? 'the kernel has no such limit on the job' : `the kernel enforces ${found} of ${asked} asked for`,
  })
  return [
    atMost('memory-limit', limits.memoryBytes, effective.memoryBytes),
    atMost('memory-limit', limits.memorySwapBytes, effective.memorySwapBytes),
    ...(input.isRootless ? [] : [atMost('pids-limit', limits.pids, effective.pids)]),
    atMost('cpu-limit', limits.cpu, effective.cpu),
  ]
}

function parseCanary(text: string, by: SelfCheckResult['by']): SelfCheckResult[] {
  const lines = text.split('\n')
  const done = /^done (\d+)$/.exec(lines.at(-2) ?? '')
  const results = lines.slice(0, -2).map((line) => parseLine(line, by))
  if (done === null || Number(done[1]) !== results.length) {
    throw new SandboxError(
      'SANDBOX_FAILED',
      `Cannot check the sandbox: the canary did not finish (${text.trim().slice(-300) || 'no output'})`,
    )
  }
  return results
}

function parseLine(line: string, by: SelfCheckResult['by']): SelfCheckResult {
  const [, name, verdict, evidence] = /^(\S+) (holds|fails) (.*)$/.exec(line) ?? []
  const guarantee = GUARANTEES.find((known) => known === name)
  if (guarantee === undefined) throw new SandboxError('SANDBOX_FAILED', `Cannot check the sandbox: the canary said "${line.slice(0, 200)}"`)
  return { guarantee, holds: verdict === 'holds', evidence: evidence ?? '', by }
}

/** Every guarantee must be reported, by the canaries or by us: a canary that says nothing about a wall has not tried it. */
function missing(results: readonly SelfCheckResult[]): SelfCheckResult[] {
  const reported = new Set(results.map((result) => result.guarantee))
  return GUARANTEES.filter((guarantee) => !reported.has(guarantee)).map((guarantee) => ({
    guarantee,
    holds: false,
    evidence: 'nothing tried it',
    by: 'kernel',
  }))
}

const OUTPUT_MAX_BYTES = 1 << 20

async function readAll(entered: Entered, signal: AbortSignal): Promise<string> {
  let text = ''
  for await (const part of entered.output as AsyncIterable<Buffer>) {
    signal.throwIfAborted()
    if (text.length < OUTPUT_MAX_BYTES) text += part.toString('latin1')
  }
  signal.throwIfAborted()
  if (text !== '') return text
  const exit = await entered.exit
  throw new SandboxError(
    'SANDBOX_FAILED',
    `Cannot check the sandbox: ${exit.message ?? `the canary ended with ${exit.code}: ${await readErrors(entered)}`}`,
  )
}

async function readErrors(entered: Entered): Promise<string> {
  let text = ''
  for await (const part of entered.errors as AsyncIterable<Buffer>) if (text.length < 1000) text += part.toString('latin1')
  return text.trim()
}

async function readFirstLine(entered: Entered, signal: AbortSignal): Promise<string> {
  let text = ''
  const stream = entered.output
  for await (const part of stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    signal.throwIfAborted()
    text += part.toString('latin1')
    if (text.includes('\n') || text.length > 100) break
  }
  signal.throwIfAborted()
  const pid = /^(\d+)\n/.exec(text)?.[1]
  if (pid !== undefined) return pid
  throw new SandboxError('SANDBOX_FAILED', `Cannot check the sandbox: ${(await entered.exit).message ?? 'the canary target did not start'}`)
}
