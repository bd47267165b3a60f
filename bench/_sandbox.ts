// SPDX-License-Identifier: Apache-2.0
// A small sandbox and one step in it, for the figures that are taken inside this process.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createDriver, type Sandbox, type SandboxDriver, type SandboxSpec } from '@sallyport/sandbox'
import type { BenchRow } from './row.ts'

let serial = 0

export function benchSpec(): SandboxSpec {
  serial += 1
  return {
    id: `bench-${process.pid}-${serial}`,
    image: { kind: 'host' },
    rootfs: 'disposable',
    limits: { cpu: 2, memoryBytes: 1 << 30, memorySwapBytes: 1 << 30, pids: 512, diskBytes: 2 ** 31, diskInodes: 200_000, openFiles: 1024 },
    nodeBinary: process.execPath,
    readOnlyBinds: [],
    directories: [],
    hostname: 'bench',
    gate: null,
  }
}

/** Runs a program to its end in the sandbox and drops its output. */
export async function runIn(sandbox: Sandbox, argv: readonly string[]): Promise<void> {
  const step = await sandbox.startStep({
    id: 'bench',
    argv,
    env: { PATH: '/usr/bin:/bin' },
    workingDirectory: '/tmp',
    files: [],
    collect: [],
    collectBytesMax: 0,
    network: null,
  })
  step.output.resume()
  const { kind, code } = await step.exit
  if (kind !== 'exited' || code !== 0) throw new Error(`${argv.join(' ')} ended as ${kind} ${code} in the middle of the measurement`)
}

/** Rows of a driver that works here; where none does, one row that says why. */
export async function withDriver(name: string, measure: (driver: SandboxDriver) => Promise<BenchRow[]>): Promise<BenchRow[]> {
  if (process.getuid?.() !== 0) return [{ name, value: Number.NaN, unit: '', note: 'missing: sandboxes need root' }]
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-bench-'))
  try {
    const driver = createDriver('runc', directory)
    const { usable, reason } = await driver.probe(AbortSignal.timeout(30_000))
    return usable ? await measure(driver) : [{ name, value: Number.NaN, unit: '', note: `missing: ${reason}` }]
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** Calls `work` so many times, `width` at a time. Resolves with the milliseconds that it took. */
export async function timeMany(count: number, width: number, work: () => Promise<void>): Promise<number> {
  let left = count
  const startedMs = performance.now()
  const loop = async (): Promise<void> => {
    while (left > 0) {
      left -= 1
      await work()
    }
  }
  await Promise.all(Array.from({ length: width }, loop))
  return performance.now() - startedMs
}

export function medianOf(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}
