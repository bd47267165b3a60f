// SPDX-License-Identifier: Apache-2.0
// Start latency of one `true`, whole process: ours beside the peers, in one run.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { peers } from './peers.ts'
import type { BenchRow } from './row.ts'
import { type Sample, sampleAll } from './samples.ts'

const repeats = 11
const ours = 'sallyport exec -- true'

export async function run(): Promise<BenchRow[]> {
  const scratch = mkdtempSync(join(tmpdir(), 'sallyport-bench-'))
  try {
    const launcher = join(import.meta.dirname, '../sallyport')
    const state = join(scratch, 'state')
    const command = { argv: [launcher, 'exec', '--state', state, '--', 'true'] }
    const help = { argv: [launcher, '--version'] }
    const empty = join(scratch, 'empty')
    mkdirSync(empty)
    const contenders = [...peers(scratch), { name: 'sallyport --version', command: help }, { name: ours, command }]
    const samples = sampleAll(contenders, repeats, empty)
    return samples.map((sample) => toRow(sample, samples))
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

function toRow(sample: Sample, all: readonly Sample[]): BenchRow {
  const ratio = sample.name === ours ? ratiosOf(sample, all) : ''
  return {
    name: `start: ${sample.name}`,
    value: sample.medianMs,
    unit: 'ms',
    ...(ratio === '' ? {} : { ratio }),
    ...(sample.note === undefined ? {} : { note: sample.note }),
  }
}

/** The ratios that the project has set itself as targets; those without a peer on this machine are left out. */
function ratiosOf(sample: Sample, all: readonly Sample[]): string {
  const ms = (name: string): number => all.find((other) => other.name === name)?.medianMs ?? Number.NaN
  const targets: readonly [label: string, baseMs: number, target: string][] = [
    ['(runc + node)', ms('runc run') + ms('node -e 0'), 'aim ≤ 1.5'],
    ['srt', ms('srt'), '≤ 0.5'],
    ['podman with network', ms('podman run, with network'), '≤ 0.5'],
  ]
  return targets
    .filter(([, baseMs]) => !Number.isNaN(sample.medianMs / baseMs))
    .map(([label, baseMs, target]) => `${(sample.medianMs / baseMs).toFixed(2)} × ${label} (${target})`)
    .join(', ')
}
