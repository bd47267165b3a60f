// SPDX-License-Identifier: Apache-2.0
import { execFileSync, type SpawnSyncReturns, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Architecture } from './model.ts'
import { SYSCALLS } from './resolve.ts'

/** A directory of its own with the probe program in it. */
export interface Probe extends Disposable {
  readonly directory: string
  readonly program: string
}

export function buildProbe(): Probe {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-seccomp-'))
  const program = join(directory, 'probe')
  execFileSync('gcc', ['-O1', '-Wall', '-static', '-o', program, join(import.meta.dirname, '_probe.c')], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  return { directory, program, [Symbol.dispose]: () => rmSync(directory, { recursive: true, force: true }) }
}

/** One system call as the probe takes it: a name, or a number without one, and arguments. */
export type ProbeCall = readonly [name: string | number, ...args: (number | bigint)[]]

export function probeArguments(architecture: Architecture, calls: readonly ProbeCall[]): readonly string[] {
  return calls.map(([name, ...args]) => {
    const number = typeof name === 'number' ? name : SYSCALLS[architecture][name]
    if (number === undefined) throw new TypeError(`No system call "${name}"`)
    return [number, ...args].join(',')
  })
}

/** Runs the probe on this machine, under `filter` or under none. */
export function runProbe(probe: Probe, filter: Uint8Array | null, args: readonly string[]): SpawnSyncReturns<string> {
  const path = join(probe.directory, 'filter')
  if (filter !== null) writeFileSync(path, filter)
  return spawnSync(probe.program, [filter === null ? '-' : path, ...args], { encoding: 'utf8', timeout: 240_000 })
}

export function answers(result: SpawnSyncReturns<string>): readonly number[] {
  if (result.status !== 0) throw new Error(`The probe ended with ${result.signal ?? result.status}: ${result.stderr}${result.stdout}`)
  return result.stdout.trim().split('\n').map(Number)
}
