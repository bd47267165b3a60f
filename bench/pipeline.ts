// SPDX-License-Identifier: Apache-2.0
// The whole way of a step's output, pipe → commands → redactor → record on disk, and the scanner for commands alone.
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createOutputScanner } from '@sallyport/engine'
import { createSecretSet, type SecretSet } from '@sallyport/redaction'
import { createRunStore, newRunId } from '@sallyport/store'
import { StepOutput } from '../packages/agent/src/run/step-output.ts'
import { makeLog, makeSecrets } from './redaction.ts'
import type { BenchRow } from './row.ts'

const LOG_BYTES = 2 ** 30
const PART_BYTES = 16 * 2 ** 20
const SECRETS = 100
const CHUNK_BYTES = 64 * 1024

export async function run(): Promise<BenchRow[]> {
  const part = makeLog(PART_BYTES)
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-bench-'))
  try {
    const whole = await measureWholeWay(part, directory, true)
    const plain = await measureWholeWay(part, directory, false)
    const pipe = await measurePipe(part)
    const note = `${LOG_BYTES / 2 ** 30} GiB of log lines through a pipe, ${SECRETS} secrets, record on disk`
    return [
      {
        name: 'output, whole way: pipe → commands → redactor → record',
        value: whole,
        unit: 'MB/s',
        note,
        ratio: `${(whole / 200).toFixed(2)} × target of 200, ${(whole / 500).toFixed(2)} × aim of 500`,
      },
      { name: 'output, whole way without commands (exec)', value: plain, unit: 'MB/s', note },
      { name: 'output, the pipe alone', value: pipe, unit: 'MB/s', note: 'read by Node and dropped' },
      { name: 'output, scanner for commands alone', value: measureScanner(part), unit: 'MB/s', note: 'in memory' },
    ]
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

function secretSet(): SecretSet {
  const set = createSecretSet()
  for (const secret of makeSecrets(SECRETS)) set.add(secret)
  return set
}

/** A program that writes the part to its standard output until the whole size is reached. */
const WRITER = `const part = Buffer.concat(await process.stdin.toArray())
const { writeSync } = await import('node:fs')
for (let left = ${LOG_BYTES}; left > 0; left -= part.length) for (let at = 0; at < part.length;) at += writeSync(1, part, at)`

function startWriter(part: Buffer): ReturnType<typeof spawn> {
  // A pipe as a step has it: made by a shell, not the socket that Node would give.
  const argv = ['-c', '"$0" --input-type=module -e "$1" | cat', process.execPath, WRITER]
  const child = spawn('/bin/sh', argv, { stdio: ['pipe', 'pipe', 'inherit'] })
  child.stdin?.end(part)
  return child
}

async function measureWholeWay(part: Buffer, directory: string, commands: boolean): Promise<number> {
  await using record = await createRunStore(directory).create(newRunId())
  await using log = await record.openLog('bench')
  const piece = log.beginPiece()
  const output = new StepOutput({
    secrets: secretSet(),
    log,
    budget: { left: Number.MAX_SAFE_INTEGER },
    print: () => undefined,
    annotate: () => undefined,
    command: () => undefined,
    refuse: () => undefined,
    overflow: () => undefined,
    commands,
  })
  const child = startWriter(part)
  if (child.stdout === null) throw new TypeError('the writer has no output')
  const startedMs = await firstByte(child.stdout)
  const { bytes } = await output.consume(child.stdout as never)
  await piece.end()
  if (bytes !== LOG_BYTES) throw new Error(`${bytes} bytes arrived instead of ${LOG_BYTES}`)
  return bytes / 1e3 / (performance.now() - startedMs)
}

async function measurePipe(part: Buffer): Promise<number> {
  const { stdout } = startWriter(part)
  if (stdout === null) throw new TypeError('the writer has no output')
  const startedMs = await firstByte(stdout)
  for await (const _ of stdout);
  return LOG_BYTES / 1e3 / (performance.now() - startedMs)
}

/** The start of the writer is none of what is measured. */
function firstByte(stream: NodeJS.ReadableStream): Promise<number> {
  return new Promise((resolve) => stream.once('readable', () => resolve(performance.now())))
}

function measureScanner(part: Buffer): number {
  let best = 0
  for (let repeat = 0; repeat < 3; repeat += 1) {
    const scanner = createOutputScanner()
    const startedMs = performance.now()
    for (let at = 0; at < part.length; at += CHUNK_BYTES) scanner.push(part.subarray(at, at + CHUNK_BYTES))
    scanner.end()
    best = Math.max(best, part.length / 1e3 / (performance.now() - startedMs))
  }
  return best
}
