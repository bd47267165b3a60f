// SPDX-License-Identifier: Apache-2.0
import { HASH_BYTES, isCount, type LogEntry, leafHash, SOURCE_GAP } from '@sallyport/audit-log'
import type { RecordLink } from '@sallyport/store'

/** What the receiver itself has to say is a source of its own. */
export const RECEIVER_SOURCE = 'receiver'

/** `NAME/ID`, as a spool names it. */
const SPOOL_SOURCE = /^([a-z0-9][a-z0-9._/-]{0,199})\/[0-9a-f]{16}$/

/** Where a source goes on. */
export interface SourcePlace {
  readonly next: number
  /** The last record that came, taken or refused; null while there was none. */
  readonly last: RecordLink | null
}

export const FIRST_PLACE: SourcePlace = { next: 1, last: null }

/** The name that a spool's source is of; null for what no spool is called. */
export function nameOfSource(source: string): string | null {
  return SPOOL_SOURCE.exec(source)?.[1] ?? null
}

/** Where all sources go on, as the entries of the log say. */
export class SourcePlaces {
  readonly #places = new Map<string, SourcePlace>()
  /** Sources of each name, the newest last. */
  readonly #byName = new Map<string, string[]>()

  get size(): number {
    return this.#places.size
  }

  get(source: string): SourcePlace | null {
    return this.#places.get(source) ?? null
  }

  /** The spools that a name has had, the newest last. */
  ofName(name: string): readonly string[] {
    return this.#byName.get(name) ?? []
  }

  set(source: string, place: SourcePlace): void {
    if (!this.#places.has(source)) {
      const name = nameOfSource(source)
      if (name !== null) this.#byName.set(name, [...this.ofName(name), source])
    }
    this.#places.set(source, place)
  }

  /** After an entry of the log; those of sources that nobody ships are not followed. */
  add(entry: LogEntry, bytes: Uint8Array): void {
    const { source } = entry
    if (source !== RECEIVER_SOURCE && nameOfSource(source) === null) return
    this.set(source, placeAfter(this.get(source) ?? FIRST_PLACE, entry, bytes))
  }

  snapshot(): readonly (readonly [string, SourcePlace])[] {
    return [...this.#places]
  }
}

function placeAfter({ last }: SourcePlace, { seq, type, data }: LogEntry, bytes: Uint8Array): SourcePlace {
  if (type !== SOURCE_GAP) return { next: seq + 1, last: { number: seq, hash: leafHash(bytes) } }
  const end = isCount(data?.['last']) ? Math.max(seq, data['last']) : seq
  const hash = Buffer.from(String(data?.['hash'] ?? ''), 'base64')
  return { next: end + 1, last: hash.byteLength === HASH_BYTES ? { number: end, hash } : last }
}
