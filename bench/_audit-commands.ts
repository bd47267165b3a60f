// SPDX-License-Identifier: Apache-2.0
// What `sallyport audit prove RUN` and `audit show --run RUN` take in a state directory of many runs, without the start of the process.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createAgent } from '@sallyport/agent'
import { encodeEntry, SOURCE_CLOSED, SOURCE_OPENED } from '@sallyport/audit-log'
import { startSigner } from '@sallyport/signer'
import { openTransparencyLog } from '@sallyport/store'
import type { BenchRow } from './row.ts'

const ORIGIN = 'bench.sallyport.test/commands'
const RUNS = 500
const ENTRIES = 200
const SAMPLES = 100
const LIMIT_MS = 10
const ANY = { job: null, type: null, since: null, until: null, secret: null, host: null, actor: null }

export async function commandRows(scratch: string): Promise<BenchRow[]> {
  const state = join(scratch, 'state')
  await writeRuns(state)
  const { audit } = createAgent()
  const place = { stateDirectory: state, directory: null, key: null }
  const proofs = await timesOf((run) => audit.prove(place, run, null))
  const shown = await timesOf(async (run) => {
    const entries = await Array.fromAsync(audit.show(place, { ...ANY, run }))
    if (entries.length !== ENTRIES) throw new Error(`run ${run} has ${entries.length} entries`)
  })
  return [row('log: audit prove RUN, p99', proofs), row(`log: audit show --run, ${ENTRIES} entries, p99`, shown)]
}

function row(name: string, times: readonly number[]): BenchRow {
  const [p50 = Number.NaN, p99 = Number.NaN] = [times[Math.floor(times.length / 2)], times[Math.floor(times.length * 0.99)]]
  const note = `p50 ${p50.toFixed(2)} ms, of ${RUNS * ENTRIES} entries of ${RUNS} runs, published; without the start of the process`
  return { name, value: p99, unit: 'ms', ratio: `${(p99 / LIMIT_MS).toFixed(2)} × the limit of ${LIMIT_MS} for a proof`, note }
}

/** In order. The first call loads the code, and is not counted. */
async function timesOf(work: (run: string) => Promise<unknown>): Promise<number[]> {
  await work(runId(0))
  const times: number[] = []
  for (let count = 0; count < SAMPLES; count++) {
    const startedMs = performance.now()
    await work(runId(Math.floor((count / SAMPLES) * RUNS)))
    times.push(performance.now() - startedMs)
  }
  return times.toSorted((a, b) => a - b)
}

function runId(number: number): string {
  return `20261129-150000-${String(number).padStart(6, '0')}`
}

async function writeRuns(state: string): Promise<void> {
  mkdirSync(state, { mode: 0o700 })
  using signer = await startSigner(join(state, 'signer'), ORIGIN)
  await using log = await openTransparencyLog(join(state, 'audit'), { signer, cosigner: null, lockWaitMs: 0 })
  for (let number = 0; number < RUNS; number++) {
    const run = runId(number)
    const { first, last } = await log.append(entriesOf(run))
    mkdirSync(join(state, 'runs', run), { recursive: true, mode: 0o700 })
    writeFileSync(join(state, 'runs', run, 'run.json'), JSON.stringify({ id: run, log: { origin: ORIGIN, first, last, size: last + 1 } }))
  }
  await log.publish()
}

function entriesOf(run: string): Uint8Array[] {
  return Array.from({ length: ENTRIES }, (_, index) => {
    const seq = index + 1
    const facts = { v: 1, at: '2026-11-29T15:00:00.000Z', source: `run/${run}`, seq } as const
    if (seq === 1) return encodeEntry({ ...facts, type: SOURCE_OPENED })
    if (seq === ENTRIES) return encodeEntry({ ...facts, type: SOURCE_CLOSED, data: { events: seq, dropped: {} } })
    return encodeEntry({ ...facts, type: 'process.executed', job: 'build', step: '3', data: { path: '/usr/bin/cc', uid: 1001 } })
  })
}
