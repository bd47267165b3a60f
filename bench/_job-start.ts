// SPDX-License-Identifier: Apache-2.0
// Prints, as JSON, how long jobs of one agent in this process took from being accepted to their first instruction: one whose sandbox is made for it, and one for
// which a sandbox was made while the first one ran.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createAgent, type RunObserver, type RunOptions } from '@sallyport/agent'

const NOW = '- shell: /usr/bin/date +%s.%N -f {0}\n        run: now'
const WORKFLOW = `on: push
jobs:
  cold:
    runs-on: ubuntu-latest
    steps:
      ${NOW}
      - run: sleep 2
  warm:
    needs: cold
    runs-on: ubuntu-latest
    steps:
      ${NOW}
`

/** Milliseconds. */
export interface JobStart {
  readonly jobMs: number
  readonly prepareMs: number
  readonly selfCheckMs: number
}

export interface JobStartSample {
  readonly runMs: number
  readonly cold: JobStart
  readonly warm: JobStart
}

/** What was seen of one job. */
interface Seen {
  acceptedMs: number
  printed: string
  prepared: Readonly<Record<string, unknown>>
}

async function sampleOnce(directory: string): Promise<JobStartSample> {
  const calledMs = performance.timeOrigin + performance.now()
  const seen = new Map<string, Seen>()
  const of = (job: string): Seen => {
    const known = seen.get(job) ?? { acceptedMs: Number.NaN, printed: '', prepared: {} }
    seen.set(job, known)
    return known
  }
  const observer: RunObserver = {
    event: (event) => {
      const { job = '' } = event
      if (event.type === 'job.preparing') of(job).acceptedMs = performance.timeOrigin + performance.now()
      if (event.type === 'job.prepared') of(job).prepared = event.data
    },
    output: (job, _step, bytes) => {
      of(job).printed += Buffer.from(bytes).toString('latin1')
    },
  }
  const document = await createAgent().run(optionsOf(directory), observer)
  const [cold, warm] = ['cold', 'warm'].map(of) as [Seen, Seen]
  if (document.exitCode !== 0) throw new Error(`the run failed: ${JSON.stringify(document.error)} ${cold.printed} ${warm.printed}`)
  return { runMs: instructionMs(cold) - calledMs, cold: startOf(cold), warm: startOf(warm) }
}

function startOf(seen: Seen): JobStart {
  return {
    jobMs: instructionMs(seen) - seen.acceptedMs,
    prepareMs: Number(seen.prepared['prepareMs']),
    selfCheckMs: Number(seen.prepared['selfCheckMs']),
  }
}

function instructionMs({ printed }: Seen): number {
  const at = Number(/^\d+\.\d+$/m.exec(printed)?.[0]) * 1000
  if (Number.isNaN(at)) throw new Error(`the job printed no time: ${printed}`)
  return at
}

function optionsOf(directory: string): RunOptions {
  const never = new AbortController().signal
  return {
    stateDirectory: join(directory, 'state'),
    isolation: 'runc',
    source: null,
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
    images: {},
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
