// SPDX-License-Identifier: Apache-2.0
import { join } from 'node:path'
import { createDriver, type DriverName, ociDriver, SandboxError } from '@sallyport/sandbox'
import type { EffectiveAccess } from '../access/contract.ts'
import type { IsolationKind } from '../contract.ts'

/** Which driver builds the sandboxes of a run. */
export interface ChosenIsolation {
  readonly driver: DriverName
  /** As it was asked for, or `oci` or `gvisor`: what stands in records and identity tokens. */
  readonly name: string
  /** Of gVisor's runtime, where the operator named one. */
  readonly runsc: string | undefined
  /** Why this one, where nobody asked for it by name; else null. */
  readonly notice: string | null
}

/** From the weakest to the strongest. */
const STRENGTH = ['oci', 'gvisor'] as const
type Strength = (typeof STRENGTH)[number]

export interface IsolationAsk {
  /** `--isolation`; null where nothing was said. */
  readonly option: IsolationKind | null
  readonly access: Pick<EffectiveAccess, 'files' | 'programRule'>
  readonly stateDirectory: string
}

/** Why a driver cannot be used here; null when it can. For tests in another form. */
export type Obstacles = (driver: DriverName, runsc: string | undefined) => Promise<SandboxError | null>

/**
 * Never weaker than the operator's minimum, nor than what the repository or the command line names. Without a name the strongest that this host can run is
 * taken for `auto`, and the operator's minimum else.
 *
 * @throws SandboxError SANDBOX_UNSUPPORTED with what each that would do met
 */
export async function chooseIsolation(ask: IsolationAsk, obstacles: Obstacles = askDriver(ask.stateDirectory)): Promise<ChosenIsolation> {
  const { request, operator } = ask.access.files
  const minimum = operator?.isolation.minimum ?? 'oci'
  const requested = ask.option ?? request?.isolation ?? null
  if (ask.option !== null && ask.option !== 'auto') assertNotWeaker(ask.option, minimum, operator?.source ?? '')
  const runsc = operator?.isolation.runsc ?? undefined
  const refused: Refused[] = []
  const candidates = candidatesOf(requested, minimum, request?.isolation ?? null)
  for (const candidate of candidates) {
    const driver = candidate === 'oci' ? ociDriver() : candidate
    // Where there is no other, the driver itself says best what is in the way, and how to get it.
    const isAlone = candidates.length === 1 && driver !== 'gvisor'
    const obstacle = programObstacle(driver, ask) ?? (isAlone ? null : await obstacles(driver, runsc))
    if (obstacle === null) {
      const isNamed = candidate === requested || (requested === null && minimum === 'oci')
      return { driver, name: candidate, runsc, notice: isNamed ? null : noticeOf(candidate, { requested, minimum, refused }) }
    }
    refused.push({ candidate, obstacle })
  }
  throw cannotIsolate(refused)
}

interface Refused {
  readonly candidate: string
  readonly obstacle: SandboxError
}

/** Of one driver, with its own hint; of several, doctor says more than a line could. */
function cannotIsolate(refused: readonly Refused[]): SandboxError {
  const [only] = refused.length === 1 ? refused : []
  const doctor = 'Run "sallyport doctor": it says which drivers this host can run, and how to get the others'
  return new SandboxError('SANDBOX_UNSUPPORTED', `Cannot isolate the job as asked for: ${refused.map(describe).join('; ')}`, {
    hint: only?.obstacle.hint ?? doctor,
    ...(only !== undefined && { cause: only.obstacle, details: only.obstacle.details }),
  })
}

function describe({ candidate, obstacle }: Refused): string {
  return `${candidate}: ${obstacle.message.replace(/^Cannot build a sandbox: /, '')}`
}

function candidatesOf(
  requested: IsolationKind | null,
  minimum: Strength,
  file: 'oci' | 'gvisor' | 'auto' | null,
): readonly Exclude<IsolationKind, 'auto'>[] {
  if (requested === null) return [minimum]
  if (requested !== 'auto') return [strengthOf(requested) < STRENGTH.indexOf(minimum) ? minimum : requested]
  // A repository that asks for more than the operator is not given less because the command line says `auto`.
  const least = Math.max(STRENGTH.indexOf(minimum), file === 'gvisor' ? STRENGTH.indexOf('gvisor') : 0)
  return STRENGTH.slice(least).toReversed()
}

function strengthOf(kind: Exclude<IsolationKind, 'auto'>): number {
  return STRENGTH.indexOf(kind === 'gvisor' ? 'gvisor' : 'oci')
}

function assertNotWeaker(kind: Exclude<IsolationKind, 'auto'>, minimum: Strength, source: string): void {
  if (strengthOf(kind) >= STRENGTH.indexOf(minimum)) return
  throw new SandboxError('SANDBOX_UNSUPPORTED', `Cannot use --isolation ${kind}: "${source}" asks for ${minimum} at least`, {
    hint: `Leave --isolation out, or write --isolation ${minimum}`,
  })
}

/** A rule that names programs would never match where connections have none: the job would be refused what it was granted, one connection at a time. */
function programObstacle(driver: DriverName, { access }: IsolationAsk): SandboxError | null {
  if (driver !== 'gvisor' || access.programRule === null) return null
  return new SandboxError(
    'SANDBOX_UNSUPPORTED',
    `it cannot tell which program a connection is from, which the rule "${access.programRule}" depends on (executables)`,
    { hint: 'Use --isolation oci, or write the rule without executables' },
  )
}

function noticeOf(
  chosen: string,
  why: { readonly requested: string | null; readonly minimum: string; readonly refused: readonly Refused[] },
): string {
  const reason = why.requested === 'auto' ? 'the strongest that this host can run' : `the operator asks for ${why.minimum} at least`
  const others = why.refused.length === 0 ? '' : `; not ${why.refused.map(describe).join('; not ')}`
  return `Isolation: ${chosen}, ${reason}${others}`
}

function askDriver(stateDirectory: string): Obstacles {
  return (driver, runsc) => createDriver(driver, join(stateDirectory, 'sandbox'), { runsc }).obstacle()
}
