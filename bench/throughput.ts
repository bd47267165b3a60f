// SPDX-License-Identifier: Apache-2.0
// Sandboxes created, used and destroyed per minute, driven by whole `sallyport exec` processes, as many at a time as there are processors.
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BenchRow } from './row.ts'
import { sampleAll } from './samples.ts'

const sandboxes = 120

export async function run(): Promise<BenchRow[]> {
  const state = mkdtempSync(join(tmpdir(), 'sallyport-bench-'))
  const argv = [join(import.meta.dirname, '../sallyport'), 'exec', '--state', state, '--', 'true']
  const row = { name: 'throughput: sallyport exec -- true', unit: 'sandboxes/min' }
  try {
    const [first] = sampleAll([{ name: row.name, command: { argv } }], 1)
    if (first?.note !== undefined) return [{ ...row, value: Number.NaN, note: first.note }]
    const perMinute = await measure(argv)
    return [
      {
        ...row,
        value: perMinute,
        note: `${sandboxes} runs, ${availableParallelism()} at a time`,
        ratio: `${(perMinute / 600).toFixed(2)} × target of 600`,
      },
    ]
  } finally {
    rmSync(state, { recursive: true, force: true })
  }
}

async function measure(argv: readonly string[]): Promise<number> {
  let left = sandboxes
  const startedMs = performance.now()
  const work = async (): Promise<void> => {
    while (left > 0) {
      left -= 1
      await runOnce(argv)
    }
  }
  await Promise.all(Array.from({ length: availableParallelism() }, work))
  return (sandboxes * 60_000) / (performance.now() - startedMs)
}

function runOnce([program = '', ...rest]: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, rest, { stdio: 'ignore' })
    child.once('error', reject)
    child.once('exit', (code) =>
      code === 0 ? resolve() : reject(new Error(`sallyport exec ended with code ${code} in the middle of the measurement`)),
    )
  })
}
