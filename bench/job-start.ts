// SPDX-License-Identifier: Apache-2.0
// A running agent: from the job being accepted to its first step's first instruction, which prints what time it is.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createAgent, type RunObserver, type RunOptions } from '@sallyport/agent'
import { medianOf } from './_sandbox.ts'
import type { BenchRow } from './row.ts'

const REPEATS = 15
const TARGET_MS = 80
const AIM_MS = 40
const WORKFLOW =
  'on: push\njobs:\n  first:\n    runs-on: ubuntu-latest\n    steps:\n      - shell: /usr/bin/date +%s.%N -f {0}\n        run: now\n'

export async function run(): Promise<BenchRow[]> {
  if (process.getuid?.() !== 0) return [{ name: 'job start', value: Number.NaN, unit: 'ms', note: 'missing: sandboxes need root' }]
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-bench-'))
  try {
    mkdirSync(join(directory, '.github/workflows'), { recursive: true })
    writeFileSync(join(directory, '.github/workflows/ci.yml'), WORKFLOW)
    await sampleOnce(directory)
    const samples: Sample[] = []
    for (let index = 0; index < REPEATS; index += 1) samples.push(await sampleOnce(directory))
    return rowsOf(samples)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

interface Sample {
  readonly jobMs: number
  readonly runMs: number
  readonly prepareMs: number
  readonly selfCheckMs: number
}

async function sampleOnce(directory: string): Promise<Sample> {
  const calledMs = performance.timeOrigin + performance.now()
  let acceptedMs = Number.NaN
  let printed = ''
  let prepared: Readonly<Record<string, unknown>> = {}
  const observer: RunObserver = {
    event: (event) => {
      if (event.type === 'job.preparing') acceptedMs = performance.timeOrigin + performance.now()
      if (event.type === 'job.prepared') prepared = event.data
    },
    output: (_job, _step, bytes) => {
      printed += Buffer.from(bytes).toString('latin1')
    },
  }
  const document = await createAgent().run(optionsOf(directory), observer)
  const instructionMs = Number(/^\d+\.\d+$/m.exec(printed)?.[0]) * 1000
  if (document.exitCode !== 0 || Number.isNaN(instructionMs))
    throw new Error(`the job failed: ${JSON.stringify(document.error)} ${printed}`)
  return {
    jobMs: instructionMs - acceptedMs,
    runMs: instructionMs - calledMs,
    prepareMs: Number(prepared['prepareMs']),
    selfCheckMs: Number(prepared['selfCheckMs']),
  }
}

function optionsOf(directory: string): RunOptions {
  const never = new AbortController().signal
  return {
    stateDirectory: join(directory, 'state'),
    isolation: 'runc',
    limits: {},
    secrets: {},
    egress: { allow: [], mode: 'enforce', resolve: [], operatorFile: null, accessFile: null },
    interrupt: { soft: never, hard: never },
    repository: directory,
    files: [],
    event: 'push',
    payload: null,
    job: null,
    matrix: {},
    inputs: {},
    vars: {},
    env: {},
    jobsMax: 1,
  }
}

function rowsOf(samples: readonly Sample[]): BenchRow[] {
  const median = (of: (sample: Sample) => number): number => medianOf(samples.map(of))
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
