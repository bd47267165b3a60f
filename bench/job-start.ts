// SPDX-License-Identifier: Apache-2.0
// A running agent: from the job being accepted to its first step's first instruction, which prints what time it is.
import { runBundled } from './_bundled.ts'
import type { JobStart, JobStartSample } from './_job-start.ts'
import { medianOf } from './_sandbox.ts'
import type { BenchRow } from './row.ts'

const REPEATS = 15
const COLD = { targetMs: 80, aimMs: 40 }
const WARM = { targetMs: 10, aimMs: 5 }

export async function run(): Promise<BenchRow[]> {
  if (process.getuid?.() !== 0) return [{ name: 'job start', value: Number.NaN, unit: 'ms', note: 'missing: sandboxes need root' }]
  return rowsOf(JSON.parse(await runBundled('job-start', [String(REPEATS)])) as readonly JobStartSample[])
}

function rowsOf(samples: readonly JobStartSample[]): BenchRow[] {
  const runMs = medianOf(samples.map((sample) => sample.runMs))
  return [
    rowOf(
      'job accepted → first instruction, cold',
      samples.map(({ cold }) => cold),
      COLD,
    ),
    rowOf(
      'job accepted → first instruction, warm',
      samples.map(({ warm }) => warm),
      WARM,
    ),
    { name: 'run called → first instruction, cold', value: runMs, unit: 'ms', note: 'with the workflow files read' },
  ]
}

function rowOf(name: string, starts: readonly JobStart[], { targetMs, aimMs }: typeof COLD): BenchRow {
  const median = (of: (start: JobStart) => number): number => medianOf(starts.map(of))
  const jobMs = median(({ jobMs }) => jobMs)
  return {
    name,
    value: jobMs,
    unit: 'ms',
    ratio: `${(jobMs / targetMs).toFixed(2)} × target of ${targetMs}, ${(jobMs / aimMs).toFixed(2)} × aim of ${aimMs}`,
    note: `median of ${REPEATS}; prepare ${median(({ prepareMs }) => prepareMs)} ms, self-check ${median(({ selfCheckMs }) => selfCheckMs)} ms`,
  }
}
