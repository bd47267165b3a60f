// SPDX-License-Identifier: Apache-2.0
import { AuditLogError, leafHash, parseEntry, readEntries, type TileSource } from '@sallyport/audit-log'
import { ShippingError } from '../shipping-error.ts'
import { type PlaceSnapshot, readSnapshot } from './place-snapshot.ts'
import { SourcePlaces } from './source-places.ts'

/**
 * Where the sources go on in a log of `size` entries, all of which are in its tree: what the snapshot says, and the entries after it. Whatever a crash left
 * undone between both is in the entries.
 *
 * @throws ShippingError SHIPPING_OTHER_LOG; AuditLogError for what cannot be read
 */
export async function readPlaces(source: TileSource, size: number, snapshotPath: string): Promise<{ places: SourcePlaces; read: number }> {
  const snapshot = await readSnapshot(snapshotPath)
  if (snapshot !== null) await assertOfLog(source, size, snapshot, snapshotPath)
  const places = new SourcePlaces()
  for (const [name, place] of snapshot?.places ?? []) places.set(name, place)
  const from = snapshot?.size ?? 0
  for await (const { bytes } of readEntries(source, { size, from, to: size })) {
    const entry = parseOurs(bytes)
    if (entry !== null) places.add(entry, bytes)
  }
  return { places, read: size - from }
}

async function assertOfLog(source: TileSource, size: number, snapshot: PlaceSnapshot, path: string): Promise<void> {
  if (snapshot.size > size) throw otherLog(`it has ${size} entries, and had ${snapshot.size}`, path)
  if (snapshot.size > 0 && (await leafAt(source, size, snapshot.size - 1)) !== snapshot.lastLeaf)
    throw otherLog(`entry ${snapshot.size - 1} is another one now`, path)
}

/** The leaf hash (base64) of one entry; of none in an empty log. */
export async function leafAt(source: TileSource, size: number, index: number): Promise<string> {
  if (index < 0) return ''
  for await (const { bytes } of readEntries(source, { size, from: index, to: index + 1 }))
    return Buffer.from(leafHash(bytes)).toString('base64')
  throw new TypeError(`There is no entry ${index} among ${size}`)
}

function otherLog(why: string, path: string): ShippingError {
  return new ShippingError('SHIPPING_OTHER_LOG', `Cannot receive into this log: it is not the one that "${path}" is of: ${why}`, {
    hint: 'Somebody has put back an older copy of the log, or another one: sallyport audit verify says what is wrong. Without the file the log is read anew',
  })
}

/** What others write into the log is none of our business. */
function parseOurs(bytes: Uint8Array): ReturnType<typeof parseEntry> | null {
  try {
    return parseEntry(bytes)
  } catch (error) {
    if (error instanceof AuditLogError) return null
    throw error
  }
}
