// SPDX-License-Identifier: Apache-2.0
// Prints, as JSON, how long jobs of one agent in this process took from being accepted to their first instruction.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createAgent, type RunObserver, type RunOptions } from '@sallyport/agent'

const WORKFLOW =
  'on: push\njobs:\n  first:\n    runs-on: ubuntu-latest\n    steps:\n      - shell: /usr/bin/date +%s.%N -f {0}\n        run: now\n'

/** Milliseconds. */
export interface JobStartSample {
  readonly jobMs: number
  readonly runMs: number
  readonly prepareMs: number
  readonly selfCheckMs: number
}

async function sampleOnce(directory: string): Promise<JobStartSample> {
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

async function sampleMany(count: number): Promise<readonly JobStartSample[]> {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-bench-'))
  try {
    mkdirSync(join(directory, '.github/workflows'), { recursive: true })
    writeFileSync(join(directory, '.github/workflows/ci.yml'), WORKFLOW)
    await sampleOnce(directory)
    const samples: JobStartSample[] = []
    for (let index = 0; index < count; index += 1) samples.push(await sampleOnce(directory))
    return samples
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

void sampleMany(Number(process.argv[2])).then((samples) => process.stdout.write(JSON.stringify(samples)))
