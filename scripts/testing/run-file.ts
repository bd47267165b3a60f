// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import type { RawEvent } from './event-reporter.ts'
import { type Outcome, outcomeOf } from './outcomes.ts'

export interface FileResult {
  readonly file: string
  readonly outcome: Outcome
  readonly durationMs: number
  /** The end of what the file printed, shown when it failed. */
  readonly output: string
}

export interface RunFileOptions {
  readonly root: string
  readonly scratch: string
  readonly timeLimitMs: number
}

const outputBytesMax = 64 * 1024
const running = new Set<ChildProcess>()

/**
 * Runs one test file as a process group of its own, so that what it leaves behind dies with it. Its modules, and those of programs that it starts with its own
 * environment, are compiled once for all files: Node keeps them by their content.
 */
export async function runFile(file: string, { root, scratch, timeLimitMs }: RunFileOptions): Promise<FileResult> {
  const startedMs = performance.now()
  const eventsFile = join(scratch, `${file.replaceAll('/', '+')}.jsonl`)
  const reporter = join(import.meta.dirname, 'event-reporter.ts')
  const chance = join(import.meta.dirname, 'chance.ts')
  const flags = [
    '--disable-warning=ExperimentalWarning',
    `--import=${chance}`,
    `--test-reporter=${reporter}`,
    `--test-reporter-destination=${eventsFile}`,
  ]
  const env = { ...process.env, NODE_COMPILE_CACHE: join(root, 'build/test-cache') }
  const child = spawn(process.execPath, [...flags, file], { cwd: root, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  running.add(child)
  const tail = keepTail([child.stdout, child.stderr])
  let stopped: string | undefined
  const timer = setTimeout(() => {
    stopped = `it did not end within ${Math.round(timeLimitMs / 1000)} s and was killed`
    killGroup(child)
  }, timeLimitMs)
  const { code, signal } = await ended(child)
  clearTimeout(timer)
  killGroup(child)
  running.delete(child)
  const outcome = outcomeOf(readEvents(eventsFile), { code, signal, stopped })
  return { file, outcome, durationMs: performance.now() - startedMs, output: tail() }
}

/** For an interrupted run. */
export function killAllFiles(): void {
  for (const child of running) killGroup(child)
}

function ended(child: ChildProcess): Promise<{ code: number | null; signal: string | null }> {
  // 'exit', not 'close': a process that the file left behind may hold its pipes for ever
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signal) => setImmediate(() => resolve({ code, signal })))
  })
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, 'SIGKILL')
  } catch (error) {
    // ESRCH: nobody of the group is left, which is what we want
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

function keepTail(streams: readonly Readable[]): () => string {
  let kept = Buffer.alloc(0)
  for (const stream of streams) {
    stream.on('data', (chunk: Buffer) => {
      kept = Buffer.concat([kept, chunk]).subarray(-outputBytesMax)
    })
  }
  return () => kept.toString('utf8')
}

function readEvents(file: string): RawEvent[] {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    // A file without tests, or that fails while loading, makes the runner write nothing
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
  const whole = text.slice(0, text.lastIndexOf('\n') + 1)
  return whole.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as RawEvent]))
}
