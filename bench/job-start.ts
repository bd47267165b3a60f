// SPDX-License-Identifier: Apache-2.0
// A running agent: from the job being accepted to its first step's first instruction, which prints what time it is.
import { runBundled } from './_bundled.ts'
import type { JobStartSample } from './_job-start.ts'
import { medianOf } from './_sandbox.ts'
import type { BenchRow } from './row.ts'

const REPEATS = 15
const TARGET_MS = 80
const AIM_MS = 40

export async function run(): Promise<BenchRow[]> {
  if (process.getuid?.() !== 0) return [{ name: 'job start', value: Number.NaN, unit: 'ms', note: 'missing: sandboxes need root' }]
  return rowsOf(JSON.parse(await runBundled('job-start', [String(REPEATS)])) as readonly JobStartSample[])
}

function rowsOf(samples: readonly JobStartSample[]): BenchRow[] {
  const median = (of: (sample: JobStartSample) => number): number => medianOf(samples.map(of))
  const jobMs = median((sample) => sample.jobMs)
  return [
    {
      name: 'job accepted → first instruction, cold',
      value: jobMs,
      unit: 'ms',
      ratio: `${(jobMs / TARGET_MS).toFixed(2)} × target of ${TARGET_MS}, ${(jobMs / AIM_MS).toFixed(2)} × aim of ${AIM_MS}`,
      note: `median of ${REPEATS}; prepare ${median((sample) => sample.prepareMs)} ms, self-check ${median((sample) => sample.selfCheckMs)} ms`,
    },
    {
      name: 'run called → first instruction, cold',
      value: median((sample) => sample.runMs),
      unit: 'ms',
      note: 'with the workflow files read',
    },
  ]
}
