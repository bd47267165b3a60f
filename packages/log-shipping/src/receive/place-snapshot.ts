// SPDX-License-Identifier: Apache-2.0
import { HASH_BYTES, isCount } from '@sallyport/audit-log'
import { readWhole, writeFileDurably } from '@sallyport/store'
import type { SourcePlace } from './source-places.ts'

/** So many sources with the longest names. */
const SNAPSHOT_BYTES_MAX = 32 * 2 ** 20

/** Where the sources went on when the log had `size` entries, so that opening it need not read them again. The log alone decides: this can be removed. */
export interface PlaceSnapshot {
  readonly size: number
  /** Of entry `size - 1` (base64): that it is still there shows that the log is still this one. */
  readonly lastLeaf: string
  readonly places: readonly (readonly [string, SourcePlace])[]
}

export async function writeSnapshot(path: string, { size, lastLeaf, places }: PlaceSnapshot): Promise<void> {
  const rows = places.map(([source, { next, last }]) => [source, next, ...(last === null ? [] : [last.number, base64(last.hash)])])
  await writeFileDurably(path, JSON.stringify({ v: 1, size, lastLeaf, places: rows }), `${path}.new`)
}

/** Null where there is none that we wrote: then the log is read from its beginning. */
export async function readSnapshot(path: string): Promise<PlaceSnapshot | null> {
  const bytes = await readWhole(path, SNAPSHOT_BYTES_MAX)
  return bytes === null ? null : parseSnapshot(bytes.toString())
}

function parseSnapshot(text: string): PlaceSnapshot | null {
  try {
    const { v, size, lastLeaf, places } = JSON.parse(text) as Readonly<Record<string, unknown>>
    if (v !== 1 || !isCount(size) || typeof lastLeaf !== 'string' || !Array.isArray(places)) return null
    const parsed = places.map(parsePlace)
    return parsed.every((place) => place !== null) ? { size, lastLeaf, places: parsed } : null
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return null
    throw error
  }
}

function parsePlace(row: unknown): readonly [string, SourcePlace] | null {
  const [source, next, number, hash] = Array.isArray(row) ? (row as unknown[]) : []
  if (typeof source !== 'string' || !isCount(next)) return null
  if (number === undefined) return [source, { next, last: null }]
  const bytes = Buffer.from(String(hash), 'base64')
  return isCount(number) && bytes.byteLength === HASH_BYTES ? [source, { next, last: { number, hash: bytes } }] : null
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}
