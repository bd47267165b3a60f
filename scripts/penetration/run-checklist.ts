// SPDX-License-Identifier: Apache-2.0
// Somebody else's checklist (cepheus, from PyPI), run whole: its enumerator as the command of a default job, its engine on what that said.
import { execFileSync, spawnSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** What the enumerator says of the place that it runs in; the job's, hence hostile, were the job not ours. */
export interface Posture {
  readonly capabilities: Readonly<Record<string, readonly string[]>>
  readonly mounts: readonly { readonly destination: string; readonly fstype: string; readonly options: readonly string[] }[]
  readonly namespaces: Readonly<Record<string, boolean>>
  readonly security: Readonly<Record<string, string | null>>
  readonly network: Readonly<Record<string, unknown>>
  readonly credentials: Readonly<Record<string, unknown>>
  readonly runtime: Readonly<Record<string, unknown>>
  readonly writable_paths: readonly string[]
  readonly available_tools: readonly string[]
  readonly [key: string]: unknown
}

export interface Technique {
  readonly id: string
  readonly name: string
  readonly severity: string
}

export interface Verdict {
  /** Ways out that the engine knows and looked for. */
  readonly checked: number
  /** Those that it thinks possible. */
  readonly matched: readonly Technique[]
}

const PROGRAM = join(import.meta.dirname, '..', '..', 'sallyport')
const TIME_MS = 300_000

/** Runs `use` with an empty directory that is gone afterwards. */
function inScratch<T>(use: (directory: string) => T): T {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-checklist-'))
  try {
    return use(directory)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** The enumerator in a default job. @throws when the job or the enumerator fails. */
export function enumerateInJob(packages: string): Posture {
  return inScratch((directory) => {
    copyFileSync(join(packages, 'cepheus/enumerator/cepheus-enum.sh'), join(directory, 'enumerate.sh'))
    const state = join(directory, '.state')
    const argv = ['exec', '--state', state, '--write', 'posture.json', '--', 'sh', '-c', 'sh ./enumerate.sh > posture.json']
    const { status, stderr } = spawnSync(PROGRAM, argv, { cwd: directory, encoding: 'utf8', timeout: TIME_MS })
    if (status !== 0) throw new Error(`Cannot run the checklist in a job: exit code ${status}: ${stderr.slice(-2000)}`)
    return JSON.parse(readFileSync(join(directory, 'posture.json'), 'utf8')) as Posture
  })
}

/** The engine's verdict on a posture. */
export function judge(packages: string, posture: Posture): Verdict {
  return inScratch((directory) => {
    const [input, output] = [join(directory, 'posture.json'), join(directory, 'report.json')]
    writeFileSync(input, JSON.stringify(posture))
    const argv = ['-m', 'cepheus', 'analyze', input, '--format', 'json', '--min-severity', 'low', '-o', output]
    execFileSync('/usr/bin/python3', argv, { env: { PYTHONPATH: packages, HOME: directory }, stdio: 'pipe', timeout: TIME_MS })
    const report = JSON.parse(readFileSync(output, 'utf8')) as Report
    const steps = report.chains.flatMap(({ steps }) => steps).map(({ technique }) => technique)
    return { checked: report.total_techniques_checked, matched: [...new Map(steps.map((technique) => [technique.id, technique])).values()] }
  })
}

interface Report {
  readonly total_techniques_checked: number
  readonly chains: readonly { readonly steps: readonly { readonly technique: Technique }[] }[]
}
