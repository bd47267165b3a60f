// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { createDriver, DRIVER_NAMES } from '@sallyport/sandbox'
import { OPERATOR_FILE } from '../../access/access-source.ts'
import { openOperatorLog } from '../../audit/operator-log.ts'
import type { HostFinding, HostReport } from '../../contract.ts'
import { driftSince, readBaseline, writeBaseline } from './drift.ts'
import { HostView } from './host-view.ts'
import { kernelEscapes } from './kernel-escapes.ts'
import { kernelSettings } from './kernel-settings.ts'
import { keyFiles } from './key-files.ts'
import { networkExposure } from './network-exposure.ts'
import { processor } from './processor.ts'
import { runtimeSockets } from './runtime-sockets.ts'
import { type RuntimeVersion, runtimeVersions } from './runtime-versions.ts'
import { stateDirectory as stateModes } from './state-directory.ts'
import { swap } from './swap.ts'

/** What the checks look at; each reads, and none changes or sends anything. */
export interface HardeningInput {
  readonly view: HostView
  readonly runtimes: readonly RuntimeVersion[]
  readonly stateDirectory: string
  readonly operatorFile: string
}

export function hardeningFindings({ view, runtimes, stateDirectory, operatorFile }: HardeningInput): readonly HostFinding[] {
  return [
    ...kernelSettings(view),
    kernelEscapes(view),
    ...processor(view),
    swap(view),
    ...runtimeVersions(view, runtimes),
    keyFiles(view),
    stateModes(view, stateDirectory, operatorFile),
    runtimeSockets(view),
    ...networkExposure(view),
  ]
}

/**
 * `doctor --host`. Keeps what it found for the next time, and puts its hash into the log of the state directory where there is one, so that a baseline that was
 * changed later can be told.
 */
export async function examineHardening(stateDirectory: string, operatorFile: string | null): Promise<HostReport> {
  const runtimes: RuntimeVersion[] = []
  for (const name of DRIVER_NAMES) {
    const { version } = await createDriver(name, join(stateDirectory, 'sandbox')).probe(AbortSignal.timeout(60_000))
    runtimes.push({ name, version })
  }
  const findings = hardeningFindings({ view: new HostView('/'), runtimes, stateDirectory, operatorFile: operatorFile ?? OPERATOR_FILE })
  const before = readBaseline(stateDirectory)
  const drift = before === null ? null : driftSince(before, findings)
  writeBaseline(stateDirectory, findings, new Date())
  if (existsSync(join(stateDirectory, 'audit'))) await putOnRecord(stateDirectory, findings, drift?.changes.length ?? null)
  return { findings, drift, hardened: findings.every(({ state }) => state !== 'missing') }
}

async function putOnRecord(stateDirectory: string, findings: readonly HostFinding[], changes: number | null): Promise<void> {
  const log = openOperatorLog(stateDirectory)
  const count = (state: HostFinding['state']): number => findings.filter((finding) => finding.state === state).length
  const sha256 = createHash('sha256').update(JSON.stringify(findings)).digest('hex')
  await log.record('host.checked', { sha256, missing: count('missing'), warnings: count('warning'), unknown: count('unknown'), changes })
  await log.close()
}
