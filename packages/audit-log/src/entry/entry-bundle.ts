// SPDX-License-Identifier: Apache-2.0
// Entry bundles of C2SP tlog-tiles: the length as two bytes, big endian, and the entry, again and again.
import { Buffer } from 'node:buffer'
import { malformed } from '../audit-log-error.ts'
import { TILE_WIDTH } from '../tree/tile.ts'

export const ENTRY_BYTES_MAX = 65_535

const LENGTH_BYTES = 2

/** A full bundle of the longest entries. */
export const BUNDLE_BYTES_MAX: number = TILE_WIDTH * (LENGTH_BYTES + ENTRY_BYTES_MAX)

const WHAT = 'bundle of entries'

export function encodeEntries(entries: readonly Uint8Array[]): Uint8Array {
  if (entries.length > TILE_WIDTH) throw new RangeError(`A bundle cannot hold ${entries.length} entries`)
  const bundle = Buffer.allocUnsafe(entries.reduce((bytes, entry) => bytes + LENGTH_BYTES + entry.length, 0))
  let at = 0
  for (const entry of entries) {
    if (entry.length > ENTRY_BYTES_MAX) throw new RangeError(`An entry cannot have ${entry.length} bytes`)
    at = bundle.writeUInt16BE(entry.length, at)
    bundle.set(entry, at)
    at += entry.length
  }
  return bundle
}

/** The entries, as views of `bundle`. @throws AuditLogError `AUDIT_LOG_MALFORMED` */
export function decodeEntries(bundle: Uint8Array): Uint8Array[] {
  return [...entryRanges(bundle)].map(({ start, end }) => bundle.subarray(start, end))
}

/** Where the entries stand in `bundle`. @throws AuditLogError `AUDIT_LOG_MALFORMED`, after those before the fault. */
export function* entryRanges(bundle: Uint8Array): Generator<{ readonly start: number; readonly end: number }> {
  let count = 0
  for (let at = 0; at < bundle.length; count++) {
    if (count === TILE_WIDTH) throw malformed(WHAT, `it has more than ${TILE_WIDTH} entries`)
    const [high, low] = [bundle[at], bundle[at + 1]]
    if (high === undefined || low === undefined) throw malformed(WHAT, `it ends within the length of entry ${count}`)
    const start = at + LENGTH_BYTES
    const end = start + high * 256 + low
    if (end > bundle.length) throw malformed(WHAT, `it ends within entry ${count}`)
    yield { start, end }
    at = end
  }
}
