// SPDX-License-Identifier: Apache-2.0
// Identity tokens: from the supervisor to the minter's process and back, and as a step asks for one, without the gate between.
import { generateKeyPairSync, sign } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Algorithm, type JobIdentity, type MinterClient, startMinter, TokenEndpoint } from '@sallyport/identity'
import type { BenchRow } from './row.ts'

const ISSUER = 'https://bench.sallyport.test'
const AUDIENCE = 'sts.example.test'
const MINTS = 1000
/** Until the code of both processes is compiled. */
const WARM_UP = 200
const STARTS = 11
const TARGET_MS = 2

const IDENTITY: JobIdentity = {
  repository: 'acme/app',
  ref: 'refs/heads/main',
  sha: 'a'.repeat(40),
  workflow: 'Release',
  workflowRef: 'acme/app/.github/workflows/release.yml@refs/heads/main',
  jobWorkflowRef: 'acme/app/.github/workflows/release.yml@refs/heads/main',
  workflowDigest: `sha256:${'0'.repeat(64)}`,
  runId: '20261129-120000-abcd',
  job: 'publish',
  step: '2',
  environment: 'production',
  actor: 'somebody',
  eventName: 'push',
  runner: 'bench.sallyport.test',
  isolation: 'oci',
  policyDigest: `sha256:${'1'.repeat(64)}`,
  selfCheck: { passed: 20, failed: [] },
}

export async function run(): Promise<BenchRow[]> {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-bench-identity-'))
  try {
    const rows: BenchRow[] = await floorRows()
    {
      using minter = await startMinter(directory, ISSUER)
      for (const algorithm of ['RS256', 'EdDSA'] as const)
        rows.push(...(await mintRows(minter, algorithm)), ...(await askRows(minter, algorithm)))
    }
    return [...rows, await startRow(directory)]
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** What no RS256 token can be made faster than: the signature alone, in this process. */
async function floorRows(): Promise<BenchRow[]> {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const signed = Buffer.alloc(1024)
  const times = await timed(MINTS, async () => sign('sha256', signed, privateKey))
  return latencyRows('a signature with RSA-2048 by node:crypto', times, 'for comparison, without a token or a process')
}

async function mintRows(minter: MinterClient, algorithm: Algorithm): Promise<BenchRow[]> {
  const times = await timed(WARM_UP + MINTS, () => minter.mint({ identity: IDENTITY, audience: AUDIENCE, algorithm }))
  return latencyRows(`mint, ${algorithm}`, times.slice(WARM_UP), 'one after the other, by the minter’s process')
}

/** A step in turn asks no more often than its budget allows: each has a grant of its own. */
async function askRows(minter: MinterClient, algorithm: Algorithm): Promise<BenchRow[]> {
  const observe = async (): Promise<void> => undefined
  const endpoint = new TokenEndpoint({
    url: 'http://token.sallyport.internal/token',
    minter,
    observe,
    deliver: observe,
    nowMs: () => performance.now(),
  })
  const times = await timed(MINTS, async () => {
    using tokens = endpoint.open('198.18.1.1', { identity: IDENTITY, audiences: [{ audience: AUDIENCE, as: 'placeholder', algorithm }] })
    const header = (name: string): string | null => (name === 'authorization' ? `bearer ${tokens.requestToken}` : null)
    const { status } = await endpoint.handle({ method: 'GET', target: `/token?api-version=2.0&audience=${AUDIENCE}`, header }, '198.18.1.1')
    if (status !== 200) throw new Error(`the endpoint answered ${status}`)
  })
  return latencyRows(`ask for a placeholder, ${algorithm}`, times, 'grant, request and mint; without the gate and the journal')
}

function latencyRows(what: string, times: readonly number[], note: string): BenchRow[] {
  return [0.5, 0.99].map((part) => {
    const value = quantile(times, part)
    return {
      name: `identity: ${what}, p${part * 100}`,
      value,
      unit: 'ms',
      ratio: `${(value / TARGET_MS).toFixed(2)} × the limit of ${TARGET_MS}`,
      note: `of ${MINTS}: ${note}`,
    }
  })
}

async function startRow(directory: string): Promise<BenchRow> {
  const times = await timed(STARTS, async () => {
    using _minter = await startMinter(directory, null)
  })
  return {
    name: 'identity: start of a minter',
    value: quantile(times, 0.5),
    unit: 'ms',
    note: `median of ${STARTS}, with keys, from the sources`,
  }
}

async function timed(count: number, work: () => Promise<unknown>): Promise<number[]> {
  const times: number[] = []
  for (let done = 0; done < count; done += 1) {
    const startedMs = performance.now()
    await work()
    times.push(performance.now() - startedMs)
  }
  return times
}

function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN
}
