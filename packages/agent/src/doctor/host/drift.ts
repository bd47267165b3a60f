// SPDX-License-Identifier: Apache-2.0
import { randomUUID } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { HostDrift, HostFinding } from '../../contract.ts'

/** What the check before found, in `STATE/doctor/host.json`, which root alone can write. */
interface Baseline {
  readonly at: string
  readonly findings: Readonly<Record<string, { readonly state: string; readonly found: string }>>
}

/** Null where there was no check before, or what it left cannot be read: then everything is new. */
export function readBaseline(stateDirectory: string): Baseline | null {
  try {
    const value: unknown = JSON.parse(readFileSync(baselineFile(stateDirectory), 'utf8'))
    return isBaseline(value) ? value : null
  } catch (error) {
    if (error instanceof SyntaxError || (error instanceof Error && 'code' in error)) return null
    throw error
  }
}

export function driftSince(before: Baseline, findings: readonly HostFinding[]): HostDrift {
  const now = new Map(findings.map((finding) => [finding.id, finding]))
  const ids = [...new Set([...Object.keys(before.findings), ...now.keys()])]
  const changes = ids.flatMap((id) => {
    const [was, is] = [before.findings[id], now.get(id)]
    if (was?.state === is?.state && was?.found === is?.found) return []
    return [{ id, was: was === undefined ? null : `${was.state}: ${was.found}`, is: is === undefined ? null : `${is.state}: ${is.found}` }]
  })
  return { since: before.at, changes }
}

export function writeBaseline(stateDirectory: string, findings: readonly HostFinding[], now: Date): void {
  const baseline: Baseline = {
    at: now.toISOString(),
    findings: Object.fromEntries(findings.map(({ id, state, found }) => [id, { state, found }])),
  }
  const file = baselineFile(stateDirectory)
  const partial = `${file}.${randomUUID()}`
  mkdirSync(join(stateDirectory, 'doctor'), { recursive: true, mode: 0o700 })
  writeFileSync(partial, `${JSON.stringify(baseline)}\n`, { mode: 0o600 })
  renameSync(partial, file)
}

function baselineFile(stateDirectory: string): string {
  return join(stateDirectory, 'doctor', 'host.json')
}

function isBaseline(value: unknown): value is Baseline {
  if (typeof value !== 'object' || value === null || !('at' in value) || !('findings' in value)) return false
  const { at, findings } = value
  if (typeof at !== 'string' || typeof findings !== 'object' || findings === null) return false
  return Object.values(findings).every((each: unknown) => typeof each === 'object' && each !== null && 'state' in each && 'found' in each)
}
