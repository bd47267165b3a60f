// SPDX-License-Identifier: Apache-2.0
// Which store was written last, remembered beside it. It finds a store that was put back, edited or replaced by somebody who did not also change this
// file; for whoever can write here it is no obstacle, and the transparency log, which has every generation with its digest, is what finds that.
import { createHash } from 'node:crypto'
import { readWhole, writeFileDurably } from '@sallyport/store'

const BYTES_MAX = 4096

export interface WrittenStore {
  readonly generation: number
  /** SHA-256 of the file, hexadecimal. */
  readonly digest: string
}

export interface SeenStore {
  readonly current: WrittenStore | null
  /** What is being put in its place; after a crash either may lie there. */
  readonly next: WrittenStore | null
}

export function digestOf(file: Uint8Array): string {
  return createHash('sha256').update(file).digest('hex')
}

/** Null where there is none. @throws TypeError, SyntaxError for what we never write */
export async function readSeen(path: string): Promise<SeenStore | null> {
  const bytes = await readWhole(path, BYTES_MAX)
  if (bytes === null) return null
  const { current, next } = JSON.parse(bytes.toString()) as Record<string, unknown>
  return { current: parseWritten(current), next: parseWritten(next) }
}

export async function writeSeen(path: string, seen: SeenStore): Promise<void> {
  await writeFileDurably(path, `${JSON.stringify(seen)}\n`)
}

function parseWritten(value: unknown): WrittenStore | null {
  if (value === null) return null
  const { generation, digest } = value as Record<string, unknown>
  if (Number.isSafeInteger(generation) && typeof digest === 'string' && /^[0-9a-f]{64}$/.test(digest))
    return { generation: generation as number, digest }
  throw new TypeError('it does not say what was written')
}
