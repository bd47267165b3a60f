// SPDX-License-Identifier: Apache-2.0
// One big transfer, and what a connection costs, through the gate's real process and through what others use, in a network namespace that has only a loopback.
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { GateFigures, PathFigures } from './_gate-paths.ts'
import type { BenchRow } from './row.ts'

const MIB = 2 ** 20
const TARGETS = 'target 0.3 of direct and squid, aim 0.6'
const LATENCY_TARGETS = 'target 1 ms, aim 0.3 ms'

/** Whoever measures a millisecond must not stop for one: small collections, and no compiling beside them. */
const QUIET = ['--max-semi-space-size=1', '--no-opt']

export async function run(): Promise<BenchRow[]> {
  if (process.getuid?.() !== 0) return [{ name: 'gate', value: Number.NaN, unit: '', note: 'missing: a network namespace needs root' }]
  const scratch = mkdtempSync(join(tmpdir(), 'sallyport-bench-'))
  try {
    const script = join(import.meta.dirname, '_gate-paths.ts')
    const { stdout } = await promisify(execFile)('unshare', ['-n', process.execPath, ...QUIET, script, scratch], { timeout: 300_000 })
    return toRows(JSON.parse(stdout) as GateFigures)
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

function toRows({ paths, idle, full, readyMs }: GateFigures): BenchRow[] {
  const direct = paths[0]
  if (direct === undefined) throw new TypeError('nothing was measured')
  return [
    ...paths.map((path) => throughputRow(path, direct)),
    ...paths.flatMap((path) => latencyRows(path, direct)),
    memoryRow('idle', idle, 'a process of Node that does nothing has 44 MiB, most of it the program itself'),
    memoryRow(`${full.connections} idle connections`, full),
    {
      name: 'gate: start of its process until it is ready',
      value: readyMs,
      unit: 'ms',
      note: 'in parallel with the making of the sandbox',
    },
  ]
}

function throughputRow({ name, missing, bytesPerSecond }: PathFigures, direct: PathFigures): BenchRow {
  const row = { name: `gate: throughput, ${name}`, value: bytesPerSecond / MIB, unit: 'MiB/s' }
  if (missing !== undefined) return { ...row, value: Number.NaN, note: `missing: ${missing}` }
  const ratio = `${(bytesPerSecond / direct.bytesPerSecond).toFixed(2)} × direct`
  return { ...row, ratio, ...(name === 'gate' ? { note: `TLS passed through; ${TARGETS}` } : {}) }
}

/** What a way adds to the median direct connection, until the end of the shortest answer. */
function latencyRows({ name, missing, connectMs }: PathFigures, direct: PathFigures): BenchRow[] {
  return (['p50', 'p99'] as const).map((quantile) => {
    const isDirect = name === direct.name
    const row = {
      name: `gate: ${isDirect ? 'connection' : 'added to a connection'}, ${quantile}, ${name}`,
      value: connectMs[quantile] - (isDirect ? 0 : direct.connectMs.p50),
      unit: 'ms',
    }
    if (missing !== undefined) return { ...row, value: Number.NaN, note: `missing: ${missing}` }
    const cold = `p50 of its first hundred: ${(connectMs.cold - (isDirect ? 0 : direct.connectMs.cold)).toFixed(2)} ms`
    return name === 'gate'
      ? {
          ...row,
          note:
            quantile === 'p99' ? `${LATENCY_TARGETS}; over a direct p99: ${(connectMs.p99 - direct.connectMs.p99).toFixed(2)} ms` : cold,
        }
      : row
  })
}

function memoryRow(state: string, { resident, own }: { readonly resident: number; readonly own: number }, note?: string): BenchRow {
  const what = `${(own / MIB).toFixed(1)} MiB of it its own`
  return {
    name: `gate: memory of its process, ${state}`,
    value: resident / MIB,
    unit: 'MiB',
    note: note === undefined ? what : `${what}; ${note}`,
  }
}
