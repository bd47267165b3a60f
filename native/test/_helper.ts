// SPDX-License-Identifier: Apache-2.0
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'

const native = join(import.meta.dirname, '..')
const output = join(native, '../build/native-test')

export interface Finished {
  readonly status: number | null
  readonly stdout: Buffer
  readonly stderr: string
}

function run(
  command: string,
  args: readonly string[],
  options: { input?: Uint8Array; env?: NodeJS.ProcessEnv; cwd?: string } = {},
): Finished {
  const done = spawnSync(command, args, { timeout: 240_000, maxBuffer: 64 << 20, ...options })
  // EPIPE: the helper refused before it read all of its input.
  if (done.error !== undefined && (done.error as NodeJS.ErrnoException).code !== 'EPIPE') throw done.error
  return { status: done.status, stdout: done.stdout, stderr: done.stderr.toString() }
}

function mustRun(command: string, args: readonly string[]): void {
  const { status, stderr } = run(command, args)
  if (status !== 0) throw new Error(`${command} failed with ${status}:\n${stderr}`)
}

/** Builds the helper by its own Makefile (nothing to do when it is there already) and returns its path. */
export function buildHelper(): string {
  mkdirSync(output, { recursive: true })
  // Test files run at the same time: one of them builds, the others wait.
  mustRun('flock', [join(output, 'lock'), 'make', '--silent', '-C', native, `OUT=${output}`])
  return join(output, 'sallyport-helper')
}

/** A test program of native/test, together with sources of the helper. */
export function buildProbe(name: string, sources: readonly string[]): string {
  mkdirSync(output, { recursive: true })
  const program = join(output, name)
  const files = [join(native, 'test', `${name}.c`), ...sources.map((file) => join(native, 'src', file))]
  mustRun('gcc', ['-std=gnu11', '-D_GNU_SOURCE', '-Wall', '-Wextra', '-Werror', `-I${join(native, 'src')}`, '-o', program, ...files])
  return program
}

export { run }

/** A directory of its own, gone after the tests of the file. The pump refuses symlinks in ROOT, hence the real path. */
export function scratchDirectory(): string {
  const path = realpathSync(mkdtempSync(join(tmpdir(), 'sallyport-native-')))
  after(() => rmSync(path, { recursive: true, force: true }))
  return path
}

// ---- frames: see native/src/put.c, list.c and read.c

export interface PutFrame {
  readonly type: string
  readonly path: string | Buffer
  readonly mode?: number
  readonly content?: string | Buffer
  /** The size that the header claims, when it is not the content's. */
  readonly size?: bigint
}

export function putFrame({ type, path, mode = 0o644, content = '', size }: PutFrame): Buffer {
  const name = Buffer.from(path as Buffer)
  const bytes = Buffer.from(content as Buffer)
  const header = Buffer.alloc(17)
  header.write(type, 0, 'latin1')
  header.writeUInt32LE(mode, 1)
  header.writeUInt32LE(name.length, 5)
  header.writeBigUInt64LE(size ?? BigInt(bytes.length), 9)
  return Buffer.concat([header, name, bytes])
}

export const END: Buffer = putFrame({ type: 'E', path: '', mode: 0 })

export function putStream(...frames: PutFrame[]): Buffer {
  return Buffer.concat([...frames.map(putFrame), END])
}

export interface Listed {
  readonly type: string
  readonly path: string
  readonly mode: number
  readonly size: bigint
  readonly changedNs: bigint
}

export function parseListing(bytes: Buffer): Listed[] {
  const entries: Listed[] = []
  for (let at = 0; at < bytes.length; ) {
    const pathEnd = at + 25 + bytes.readUInt32LE(at + 21)
    const type = bytes.toString('latin1', at, at + 1)
    entries.push({
      type,
      path: bytes.toString('latin1', at + 25, pathEnd),
      mode: bytes.readUInt32LE(at + 1),
      size: bytes.readBigUInt64LE(at + 5),
      changedNs: bytes.readBigUInt64LE(at + 13),
    })
    at = pathEnd
  }
  return entries
}

export function readRequests(...paths: (string | Buffer)[]): Buffer {
  return Buffer.concat(
    paths.map((path) => {
      const name = Buffer.from(path as Buffer)
      const size = Buffer.alloc(4)
      size.writeUInt32LE(name.length)
      return Buffer.concat([size, name])
    }),
  )
}

export interface Answer {
  readonly status: string
  readonly size: bigint
  readonly content: Buffer | null
  readonly end: number | null
}

export function parseAnswers(bytes: Buffer): Answer[] {
  const answers: Answer[] = []
  for (let at = 0; at < bytes.length; ) {
    const status = bytes.toString('latin1', at, at + 1)
    const size = bytes.readBigUInt64LE(at + 1)
    at += 9
    if (status !== 'F') {
      answers.push({ status, size, content: null, end: null })
      continue
    }
    const chunks: Buffer[] = []
    let mark = bytes.readUInt32LE(at)
    for (at += 4; mark > 0 && mark < 0xffff_fffe; at += 4) {
      chunks.push(bytes.subarray(at, at + mark))
      at += mark
      mark = bytes.readUInt32LE(at)
    }
    answers.push({ status, size, content: Buffer.concat(chunks), end: mark })
  }
  return answers
}
