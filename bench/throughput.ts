// SPDX-License-Identifier: Apache-2.0
// Sandboxes created, used and destroyed per minute by one supervisor, steps per second in one sandbox, and files copied in.
import { availableParallelism } from 'node:os'
import type { PutEntry, SandboxDriver } from '@sallyport/sandbox'
import { runBundled } from './_bundled.ts'
import { benchSpec, runIn, timeMany, withDriver } from './_sandbox.ts'
import type { BenchRow } from './row.ts'

const SANDBOXES = 240
const STEPS = 300
const FILES = 10_000
const FILE_BYTES = 4096
const TARGET_PER_MINUTE = 600
const AIM_PER_MINUTE = 1500

export function run(): Promise<BenchRow[]> {
  return withDriver('throughput: sandboxes', async (driver) => [
    await gatedRow(availableParallelism()),
    await gatedRow(availableParallelism() + 1),
    await bareRow(driver, availableParallelism()),
    await stepsRow(driver, 1),
    await stepsRow(driver, availableParallelism()),
    await putRow(driver),
  ])
}

/** As a job has it, with its gate. */
async function gatedRow(width: number): Promise<BenchRow> {
  const ms = Number(await runBundled('gated-sandboxes', [String(SANDBOXES), String(width)]))
  const perMinute = (SANDBOXES * 60_000) / ms
  return {
    name: `throughput: sandboxes with their gates, ${width} at a time`,
    value: perMinute,
    unit: '/min',
    ratio: `${(perMinute / TARGET_PER_MINUTE).toFixed(2)} × target of ${TARGET_PER_MINUTE}, ${(perMinute / AIM_PER_MINUTE).toFixed(2)} × aim of ${AIM_PER_MINUTE}`,
    note: `${SANDBOXES} prepared, one step each, disposed; one process`,
  }
}

async function bareRow(driver: SandboxDriver, width: number): Promise<BenchRow> {
  const signal = AbortSignal.timeout(120_000)
  const ms = await timeMany(SANDBOXES, width, async () => {
    await using sandbox = await driver.prepare(benchSpec(), signal)
    await runIn(sandbox, ['/bin/true'])
  })
  return { name: `throughput: sandboxes without a network, ${width} at a time`, value: (SANDBOXES * 60_000) / ms, unit: '/min' }
}

async function stepsRow(driver: SandboxDriver, width: number): Promise<BenchRow> {
  await using sandbox = await driver.prepare(benchSpec(), AbortSignal.timeout(30_000))
  const ms = await timeMany(STEPS, width, () => runIn(sandbox, ['/bin/true']))
  return { name: `throughput: steps, ${width} at a time`, value: (STEPS * 1000) / ms, unit: '/s', note: `${STEPS} × true in one sandbox` }
}

async function putRow(driver: SandboxDriver): Promise<BenchRow> {
  await using sandbox = await driver.prepare(benchSpec(), AbortSignal.timeout(30_000))
  const content = Buffer.alloc(FILE_BYTES, 'x')
  const entries = Array.from({ length: FILES }, (_, index): PutEntry => {
    return { type: 'file', path: `d${index % 100}/f${index}`, mode: 0o644, size: FILE_BYTES, content }
  })
  const directories = Array.from({ length: 100 }, (_, index): PutEntry => ({ type: 'directory', path: `d${index}`, mode: 0o755 }))
  const startedMs = performance.now()
  await sandbox.putFiles('/home/runner', [...directories, ...entries])
  const ms = performance.now() - startedMs
  return {
    name: `copying ${FILES} files of ${FILE_BYTES} bytes in`,
    value: ms,
    unit: 'ms',
    note: `${Math.round((FILES * 1000) / ms)} files/s`,
  }
}
