// SPDX-License-Identifier: Apache-2.0
// The transparency log with its signer's process, everything durable: entries appended, published, checked and proven, beside other places for them.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { encodeEntry, formatVerifierKey, parsePolicy, proveInclusion, SOURCE_OPENED, TileHashes, verifyLog } from '@sallyport/audit-log'
import { type SignerClient, startSigner } from '@sallyport/signer'
import { directoryTileSource, openTransparencyLog, type TransparencyLog } from '@sallyport/store'
import { PolicyCosigner } from '@sallyport/witness'
import { commandRows } from './_audit-commands.ts'
import { type Batches, logPeers, type Timed } from './_log-peers.ts'
import { shippingRows } from './_shipping.ts'
import type { BenchRow } from './row.ts'

const ORIGIN = 'bench.sallyport.test/log'
const BATCH = 1000
/** A writer waits for its batch; so many writers there are. */
const WRITERS = 8
const ENTRIES = 200_000
const ROUNDS = 3
const PUBLISH_EACH_MS = 100
const TARGET_PER_S = 50_000
const AIM_PER_S = 100_000
const CHECK_TARGET_PER_S = 300_000
const LATENCY_TARGET_MS = 250
const PROOF_TARGET_MS = 10

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

interface Bench {
  readonly directory: string
  readonly signer: SignerClient
  readonly log: TransparencyLog
  /** Of the source whose events are appended. */
  seq: number
}

export async function run(): Promise<BenchRow[]> {
  // A disk, not memory: numbers without fsync do not count
  const scratch = mkdtempSync(join(tmpdir(), 'sallyport-bench-log-'))
  chmodSync(scratch, 0o755)
  try {
    using signer = await startSigner(join(scratch, 'signer'), ORIGIN)
    await using log = await openTransparencyLog(join(scratch, 'audit'), { signer, cosigner: null, lockWaitMs: 0 })
    const bench: Bench = { directory: join(scratch, 'audit'), signer, log, seq: 0 }
    await appendAll(bench, makeBatches(bench, 50_000))
    const smallBytes = memoryBytes()
    const rows = await throughputRows(bench, scratch)
    const largeBytes = memoryBytes()
    return [
      ...rows,
      memoryRow(smallBytes, largeBytes, log.size),
      ...(await latencyRows(bench)),
      ...(await witnessedRows(scratch)),
      ...(await checkRows(bench)),
      await proofRow(bench),
      ...(await commandRows(scratch)),
      await shortRow(scratch),
      ...(await shippingRows(scratch, memoryBytes)),
    ]
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

/** About 300 bytes each, encoded before the clock runs, for all alike. */
function makeBatches(bench: Bench, count: number): Batches {
  return Array.from({ length: count / BATCH }, () => Array.from({ length: BATCH }, () => nextEntry(bench)))
}

function nextEntry(bench: Pick<Bench, 'seq'>): Uint8Array {
  bench.seq += 1
  return encodeEntry({
    v: 1,
    at: '2026-11-29T15:00:00.000Z',
    source: 'run/20261129-150000-bench',
    seq: bench.seq,
    type: bench.seq === 1 ? SOURCE_OPENED : 'process.executed',
    job: 'build',
    step: '3',
    data: {
      path: '/usr/lib/gcc/x86_64-linux-gnu/12/cc1',
      arguments: ['-quiet', '-O2', `-o/tmp/object-${bench.seq}.s`],
      parent: 4711,
      uid: 1001,
    },
  })
}

/** By several writers at a time, with a checkpoint each so many milliseconds, and one at the end. */
async function appendAll({ log }: Bench, batches: Batches): Promise<number> {
  const waiting = [...batches]
  const done = new AbortController()
  const startedMs = performance.now()
  const write = async (): Promise<void> => {
    for (let batch = waiting.shift(); batch !== undefined; batch = waiting.shift()) await log.append(batch)
  }
  const publish = async (): Promise<void> => {
    while (!done.signal.aborted) {
      await log.publish()
      await sleep(PUBLISH_EACH_MS)
    }
  }
  const publishing = publish()
  await Promise.all(Array.from({ length: WRITERS }, write))
  const ms = performance.now() - startedMs
  done.abort()
  await publishing
  await log.publish()
  return ms
}

async function throughputRows(bench: Bench, scratch: string): Promise<BenchRow[]> {
  const ours: number[] = []
  const theirs = logPeers.map(() => [] as Timed[])
  for (let round = 0; round < ROUNDS; round++) {
    const batches = makeBatches(bench, ENTRIES)
    ours.push(await appendAll(bench, batches))
    for (const [index, peer] of logPeers.entries()) {
      const directory = join(scratch, `peer-${round}-${index}`)
      mkdirSync(directory)
      theirs[index]?.push(peer.write(directory, batches))
      rmSync(directory, { recursive: true })
    }
  }
  const own = rateOf(ours)
  const rows = logPeers.map((peer, index) => peerRow(peer, theirs[index] ?? [], own))
  return [
    {
      name: 'log: durable entries',
      value: own,
      unit: '/s',
      ratio: `${(own / TARGET_PER_S).toFixed(2)} × target of ${TARGET_PER_S}, ${(own / AIM_PER_S).toFixed(2)} × aim of ${AIM_PER_S}`,
      note: `median of ${ROUNDS} × ${ENTRIES}, ${WRITERS} writers with ${BATCH} at a time, a signed checkpoint each ${PUBLISH_EACH_MS} ms`,
    },
    ...rows,
  ]
}

function peerRow({ name, note }: { readonly name: string; readonly note: string }, times: readonly Timed[], own: number): BenchRow {
  const missing = times.find((time) => 'missing' in time)
  if (missing !== undefined && 'missing' in missing)
    return { name: `log: ${name}`, value: Number.NaN, unit: '/s', note: `missing: ${missing.missing}` }
  const rate = rateOf(times.flatMap((time) => ('ms' in time ? [time.ms] : [])))
  return { name: `log: ${name}`, value: rate, unit: '/s', ratio: `ours is ${(own / rate).toFixed(2)} × of it`, note }
}

function rateOf(times: readonly number[]): number {
  return (ENTRIES * 1000) / quantile(times, 0.5)
}

function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN
}

function memoryBytes(): number {
  collectGarbage()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

function memoryRow(small: number, large: number, size: number): BenchRow {
  const mib = (bytes: number): string => (bytes / 2 ** 20).toFixed(1)
  return {
    name: 'log: memory of the writer',
    value: large / 2 ** 20,
    unit: 'MiB',
    note: `heap and buffers at ${size} entries; ${mib(small)} MiB at 50000`,
  }
}

/** What a job's log is like: a few events at a time, some each few milliseconds. */
async function latencyRows(bench: Bench): Promise<BenchRow[]> {
  const rows: BenchRow[] = []
  for (const perS of [1000, 20_000]) {
    const { durable, published } = await latencies(bench, perS)
    rows.push(
      {
        name: `log: append → durable, p99, at ${perS}/s`,
        value: quantile(durable, 0.99),
        unit: 'ms',
        note: `p50 ${quantile(durable, 0.5).toFixed(2)} ms`,
      },
      {
        name: `log: durable → published, p99, at ${perS}/s`,
        value: quantile(published, 0.99),
        unit: 'ms',
        note: `p50 ${quantile(published, 0.5).toFixed(1)} ms; signed by the signer's process, without witnesses, one checkpoint after the other`,
      },
    )
  }
  return rows
}

const TICK_MS = 10
const LATENCY_MS = 4000

/** The same with a quorum that is had before readers see the checkpoint, on a log of its own. */
async function witnessedRows(scratch: string): Promise<BenchRow[]> {
  using signer = await startSigner(join(scratch, 'witnessed-signer'), ORIGIN)
  const [epoch] = await signer.epochs()
  if (epoch === undefined) throw new Error('the signer has no key')
  mkdirSync(join(scratch, 'witnesses'))
  const child = spawn(
    process.execPath,
    [join(import.meta.dirname, '_witnesses.ts'), join(scratch, 'witnesses'), formatVerifierKey(epoch.key)],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  )
  try {
    const [policy] = (await once(child.stdout, 'data')) as [Buffer]
    using cosigner = new PolicyCosigner({ policy: parsePolicy(policy) })
    const directory = join(scratch, 'witnessed')
    await using log = await openTransparencyLog(directory, { signer, cosigner, lockWaitMs: 0 })
    const { published } = await latencies({ directory, signer, log, seq: 0 }, 1000)
    const p99 = quantile(published, 0.99)
    return [
      {
        name: 'log: durable → witnessed, p99, at 1000/s',
        value: p99,
        unit: 'ms',
        ratio: `${(p99 / LATENCY_TARGET_MS).toFixed(2)} × the limit of ${LATENCY_TARGET_MS}`,
        note: `p50 ${quantile(published, 0.5).toFixed(1)} ms; two of three witnesses, in another process of this machine, each of which syncs before it answers`,
      },
    ]
  } finally {
    child.stdin.end()
  }
}

async function latencies(bench: Bench, perS: number): Promise<{ durable: number[]; published: number[] }> {
  const durable: number[] = []
  const published: number[] = []
  const { log } = bench
  const appendOnce = async (): Promise<void> => {
    const entries = Array.from({ length: (perS * TICK_MS) / 1000 }, () => nextEntry(bench))
    const startedMs = performance.now()
    await log.append(entries)
    const durableMs = performance.now()
    durable.push(durableMs - startedMs)
    await log.publish()
    published.push(performance.now() - durableMs)
  }
  const all: Promise<void>[] = []
  const endMs = performance.now() + LATENCY_MS
  while (performance.now() < endMs) {
    all.push(appendOnce())
    await sleep(TICK_MS)
  }
  await Promise.all(all)
  return { durable, published }
}

async function checkRows({ directory, signer, log }: Bench): Promise<BenchRow[]> {
  const trust = { origin: ORIGIN, epochs: await signer.epochs(), policy: { logs: [], witnesses: [], groups: [], quorum: null } }
  const check = async (hasOurEntries: boolean): Promise<number> => {
    const startedMs = performance.now()
    const report = await verifyLog({
      source: directoryTileSource(join(directory, 'log')),
      trust,
      clock: { nowS: Date.now() / 1000, freshnessS: null },
      remembered: [],
      minimumIndex: 0,
      hasOurEntries,
    })
    if (!report.isSound || report.entriesChecked !== log.size)
      throw new Error(`the log is not sound: ${JSON.stringify(report.findings.slice(0, 3))}`)
    return (log.size * 1000) / (performance.now() - startedMs)
  }
  const [tree, entries] = [await check(false), await check(true)]
  return [
    {
      name: 'log: full check',
      value: tree,
      unit: 'entries/s',
      ratio: `${(tree / CHECK_TARGET_PER_S).toFixed(2)} × target of ${CHECK_TARGET_PER_S}`,
      note: `every entry hashed, every tile rebuilt; ${log.size} entries`,
    },
    {
      name: 'log: full check, with what the entries say',
      value: entries,
      unit: 'entries/s',
      note: 'their form, sequence numbers and counts, too',
    },
  ]
}

const PROOFS = 500

async function proofRow({ directory, log }: Bench): Promise<BenchRow> {
  const times: number[] = []
  for (let count = 0; count < PROOFS; count++) {
    const index = Math.floor((count / PROOFS) * log.size)
    const startedMs = performance.now()
    await proveInclusion(new TileHashes(directoryTileSource(join(directory, 'log')), log.size), index, log.size)
    times.push(performance.now() - startedMs)
  }
  const p99 = quantile(times, 0.99)
  return {
    name: 'log: proof of one entry, p99',
    value: p99,
    unit: 'ms',
    ratio: `${(p99 / PROOF_TARGET_MS).toFixed(2)} × the limit of ${PROOF_TARGET_MS}`,
    note: `p50 ${quantile(times, 0.5).toFixed(2)} ms, of ${log.size} entries; no tile kept from the proof before`,
  }
}

const SHORT_RUNS = 11
const SHORT_ENTRIES = 20

/** What a run pays that shares the log with others: its signer's process, the lock, the repair that finds nothing, and a checkpoint. */
async function shortRow(scratch: string): Promise<BenchRow> {
  const [signerMs, logMs]: [number[], number[]] = [[], []]
  const bench = { seq: 0 }
  for (let count = 0; count < SHORT_RUNS; count++) {
    const startedMs = performance.now()
    using signer = await startSigner(join(scratch, 'short-signer'), ORIGIN)
    const readyMs = performance.now()
    {
      await using log = await openTransparencyLog(join(scratch, 'short'), { signer, cosigner: null, lockWaitMs: 0 })
      await log.append(Array.from({ length: SHORT_ENTRIES }, () => nextEntry(bench)))
      await log.publish()
    }
    signerMs.push(readyMs - startedMs)
    logMs.push(performance.now() - readyMs)
  }
  return {
    name: `log: open, append ${SHORT_ENTRIES}, publish, close`,
    value: quantile(logMs, 0.5),
    unit: 'ms',
    note: `and ${quantile(signerMs, 0.5).toFixed(0)} ms before it for the signer's process, from the sources; medians of ${SHORT_RUNS}`,
  }
}
