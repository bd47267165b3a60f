// SPDX-License-Identifier: Apache-2.0
import { AuditLogError, encodeEntry, equalHashes, leafHash, parseEntry, SOURCE_GAP } from '@sallyport/audit-log'
import type { RecordLink, Shipment } from '@sallyport/store'
import type { SourcePlace } from './source-places.ts'

/** Why a record that came does not stand in the log. */
export type RefusalReason = 'not-canonical' | 'other-source' | 'wrong-seq' | 'reserved-type'

/** What a shipment adds to a log. */
export interface Arrival {
  /** Records that were not there before, as they came, and a gap in the place of those that never come. */
  readonly entries: readonly Uint8Array[]
  readonly place: SourcePlace
  /** Those taken, those that never come, and those not taken. */
  readonly taken: number
  readonly lost: number
  readonly refused: number
  readonly reason: RefusalReason | null
  /** The sender and the log do not have the same past. */
  readonly forked: { readonly here: RecordLink | null; readonly there: RecordLink | null } | null
}

/** Null: nothing that is not there already. `at`: of gaps. */
export function arrivalOf(shipment: Shipment, place: SourcePlace, at: string): Arrival | null {
  const { source, first, records } = shipment
  const start = Math.max(first, place.next)
  const fresh = records.slice(start - first)
  if (first + records.length <= place.next) return null
  const entries: Uint8Array[] = []
  if (start > place.next) entries.push(gap({ source, at, first: place.next, last: start - 1, data: { reason: 'lost' } }))
  const runs = judge(source, start, fresh)
  for (const run of runs) {
    if (run.reason === null) entries.push(...run.records)
    else entries.push(refusal({ source, at, run, reason: run.reason }))
  }
  const refusals = runs.filter(({ reason }) => reason !== null)
  const last = fresh.at(-1)
  const refused = refusals.reduce((sum, run) => sum + run.records.length, 0)
  return {
    entries,
    taken: fresh.length - refused,
    lost: start - place.next,
    refused,
    place: {
      next: start + fresh.length,
      last: last === undefined ? place.last : { number: start + fresh.length - 1, hash: leafHash(last) },
    },
    reason: refusals[0]?.reason ?? null,
    forked: forkOf(shipment, place),
  }
}

/** Consecutive records with the same fate. */
interface Run {
  readonly first: number
  readonly records: Uint8Array[]
  readonly reason: RefusalReason | null
}

function judge(source: string, first: number, records: readonly Uint8Array[]): Run[] {
  const runs: Run[] = []
  for (const [index, record] of records.entries()) {
    const reason = refusalOf(record, source, first + index)
    const run = runs.at(-1)
    if (run !== undefined && run.reason === reason) run.records.push(record)
    else runs.push({ first: first + index, records: [record], reason })
  }
  return runs
}

/** Untrusted: whoever has the source's credential chose it. Null for what is to be taken. */
function refusalOf(record: Uint8Array, source: string, number: number): RefusalReason | null {
  try {
    const entry = parseEntry(record)
    if (entry.source !== source) return 'other-source'
    if (entry.seq !== number) return 'wrong-seq'
    return entry.type === SOURCE_GAP ? 'reserved-type' : null
  } catch (error) {
    if (error instanceof AuditLogError) return 'not-canonical'
    throw error
  }
}

function refusal({ source, at, run, reason }: { source: string; at: string; run: Run; reason: RefusalReason }): Uint8Array {
  const { first, records } = run
  // With the last one's hash the next shipment can be linked to it, and its sender can be held to it
  const hash = Buffer.from(leafHash(records.at(-1) ?? new Uint8Array())).toString('base64')
  return gap({ source, at, first, last: first + records.length - 1, data: { reason: 'refused', why: reason, hash } })
}

interface Gap {
  readonly source: string
  readonly at: string
  readonly first: number
  readonly last: number
  readonly data: Readonly<Record<string, unknown>>
}

/** Stands in the log in the place of the records that it is about. */
function gap({ source, at, first, last, data }: Gap): Uint8Array {
  return encodeEntry({ v: 1, at, source, seq: first, type: SOURCE_GAP, data: { ...data, last } })
}

/** A record that both have shows whether they have the same past. Null where they do, or nothing can be compared. */
function forkOf({ first, previous, records }: Shipment, { next, last: here }: SourcePlace): Arrival['forked'] {
  const repeated = first < next ? records[next - 1 - first] : undefined
  const there = repeated === undefined ? previous : { number: next - 1, hash: leafHash(repeated) }
  if (here === null && there === null) return null
  const isSame = here !== null && there !== null && here.number === there.number && equalHashes(here.hash, there.hash)
  return isSame ? null : { here, there }
}
