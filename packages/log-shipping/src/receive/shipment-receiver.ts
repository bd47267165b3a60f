// SPDX-License-Identifier: Apache-2.0
import { join, resolve } from 'node:path'
import { ENTRY_BYTES_MAX, encodeEntry, HASH_BYTES, leafHash, SOURCE_OPENED } from '@sallyport/audit-log'
import { quote } from '@sallyport/core'
import {
  makePrivateDirectory,
  RECORDS_MAX,
  type Receipt,
  type RecordLink,
  SHIPMENT_BYTES_MAX,
  type Shipment,
  type TransparencyLog,
} from '@sallyport/store'
import { ShippingError } from '../shipping-error.ts'
import { type Arrival, arrivalOf } from './arrival.ts'
import { writeSnapshot } from './place-snapshot.ts'
import { leafAt, readPlaces } from './read-places.ts'
import { FIRST_PLACE, nameOfSource, RECEIVER_SOURCE, type SourcePlace, type SourcePlaces } from './source-places.ts'

export interface ShipmentReceiverOptions {
  /** Of the receiver's own snapshot; private. */
  readonly directory: string
  readonly limits?: Partial<ReceiverLimits>
  /** Milliseconds since 1970. */
  readonly now?: () => number
}

/** What those who ship can hold of this process. */
export interface ReceiverLimits {
  readonly sourcesMax: number
  /** Spools that one name has had. A host that loses its disk begins another one, and so does one that tries to fill us. */
  readonly spoolsMax: number
  /** Entries after which the snapshot is written. */
  readonly snapshotEach: number
}

/** Types of the receiver's own entries: a name has another spool than before; a spool and the log do not have the same past. */
const SOURCE_RESET = 'source.reset'
const SOURCE_FORKED = 'source.forked'
/** Nobody comes to more records. */
const NUMBER_MAX = 2 ** 52

interface Moved {
  readonly source: string
  readonly place: SourcePlace
}

const LIMITS: ReceiverLimits = { sourcesMax: 20_000, spoolsMax: 200, snapshotEach: 50_000 }

/** Since it was opened. */
export interface ReceiverCounts {
  readonly records: number
  /** Numbers of records that never came. */
  readonly lost: number
  readonly refused: number
  readonly forked: number
  /** Names that began another spool. */
  readonly reset: number
}

/**
 * The receiving side: shipped records become entries of a transparency log, each once, in the order of its source, however often it is sent; what never came
 * is an entry, too. Where a source goes on stands in the log alone, so that no crash can have the two disagree.
 *
 * The log is the caller's, who publishes it, and closes it after this. A failure of its storage is final: open both again.
 */
export class ShipmentReceiver implements AsyncDisposable {
  readonly #log: TransparencyLog
  readonly #places: SourcePlaces
  readonly #snapshot: string
  readonly #limits: ReceiverLimits
  readonly #now: () => number
  /** The last call for each source that is at work. */
  readonly #turns = new Map<string, Promise<unknown>>()
  /** The last one that wrote an entry of the receiver's own. Never rejects. */
  #own: Promise<unknown> = Promise.resolve()
  #counts: ReceiverCounts = { records: 0, lost: 0, refused: 0, forked: 0, reset: 0 }
  #unsaved: number
  #saving: Promise<void> = Promise.resolve()
  #isSaving = false
  /** Appends that are under way, with the log's size at their beginning. */
  readonly #flying = new Map<symbol, number>()

  private constructor(log: TransparencyLog, places: SourcePlaces, read: number, options: ShipmentReceiverOptions) {
    this.#log = log
    this.#places = places
    this.#unsaved = read
    this.#snapshot = snapshotPath(options)
    this.#limits = { ...LIMITS, ...options.limits }
    this.#now = options.now ?? Date.now
  }

  /** @throws ShippingError SHIPPING_OTHER_LOG; StoreError, AuditLogError for a log that cannot be read */
  static async open(log: TransparencyLog, options: ShipmentReceiverOptions): Promise<ShipmentReceiver> {
    await makePrivateDirectory(resolve(options.directory))
    const { size } = await log.integrate()
    const { places, read } = await readPlaces(log.source, size, snapshotPath(options))
    return new ShipmentReceiver(log, places, read, options)
  }

  get counts(): ReceiverCounts {
    return this.#counts
  }

  /**
   * Resolves once all of it is durable. `name`: whose credential the sender has shown.
   * @throws ShippingError SHIPPING_REFUSED for what no spool of that name sends: nothing is stored then; StoreError LOG_OVERLOADED, after which it can be sent again
   */
  async receive(name: string, shipment: Shipment): Promise<Receipt> {
    assertShipment(name, shipment)
    const { source } = shipment
    return this.#afterOthers(source, () => this.#store(name, shipment))
  }

  async #afterOthers<T>(source: string, work: () => Promise<T>): Promise<T> {
    const turn = (this.#turns.get(source) ?? Promise.resolve()).then(work)
    const settled = turn.catch(() => undefined) // The caller is told.
    this.#turns.set(source, settled)
    try {
      return await turn
    } finally {
      if (this.#turns.get(source) === settled) this.#turns.delete(source)
    }
  }

  async #store(name: string, shipment: Shipment): Promise<Receipt> {
    const { source } = shipment
    const known = this.#places.get(source)
    const place = known ?? FIRST_PLACE
    const arrival = arrivalOf(shipment, place, this.#at())
    if (arrival === null) return { next: place.next, refused: 0, reason: null }
    if (known === null) this.#assertRoom(name)
    const earlier = known === null ? this.#places.ofName(name).at(-1) : undefined
    const events = eventsOf(source, arrival, earlier === undefined ? null : { source: earlier, next: this.#places.get(earlier)?.next ?? 1 })
    const own = { source, place: arrival.place }
    await (events.length === 0 ? this.#append(arrival.entries, [own]) : this.#appendWith(events, arrival.entries, own))
    this.#count(arrival, earlier !== undefined)
    this.#saveNowAndThen()
    return { next: arrival.place.next, refused: arrival.refused, reason: arrival.reason }
  }

  /** With entries of the receiver's own before them, whose numbers follow each other. */
  async #appendWith(events: readonly OwnEvent[], entries: readonly Uint8Array[], moved: Moved): Promise<void> {
    const turn = this.#own.then(() => {
      const { next } = this.#places.get(RECEIVER_SOURCE) ?? FIRST_PLACE
      const all = next === 1 ? [{ type: SOURCE_OPENED, data: {} }, ...events] : events
      const at = this.#at()
      const own = all.map((event, index) => encodeEntry({ v: 1, at, source: RECEIVER_SOURCE, seq: next + index, ...event }))
      const last = { number: next + own.length - 1, hash: leafHash(own.at(-1) ?? new Uint8Array()) }
      return this.#append([...own, ...entries], [{ source: RECEIVER_SOURCE, place: { next: last.number + 1, last } }, moved])
    })
    this.#own = turn.catch(() => undefined) // The caller is told.
    await turn
  }

  async #append(entries: readonly Uint8Array[], moved: readonly Moved[]): Promise<void> {
    const flight = Symbol('appending')
    this.#flying.set(flight, this.#log.size)
    try {
      await this.#log.append(entries)
      for (const { source, place } of moved) this.#places.set(source, place)
      this.#unsaved += entries.length
    } finally {
      this.#flying.delete(flight)
    }
  }

  #assertRoom(name: string): void {
    const { sourcesMax, spoolsMax } = this.#limits
    if (this.#places.ofName(name).length >= spoolsMax) throw refused(`"${name}" has had ${spoolsMax} spools`)
    if (this.#places.size >= sourcesMax) throw refused(`there are ${sourcesMax} sources already`)
  }

  #count({ taken, lost, refused, forked }: Arrival, isReset: boolean): void {
    const before = this.#counts
    this.#counts = {
      records: before.records + taken,
      lost: before.lost + lost,
      refused: before.refused + refused,
      forked: before.forked + (forked === null ? 0 : 1),
      reset: before.reset + (isReset ? 1 : 0),
    }
  }

  #at(): string {
    return new Date(this.#now()).toISOString()
  }

  /** In the background: it saves time at the next opening, and nothing else. */
  #saveNowAndThen(): void {
    if (this.#isSaving || this.#unsaved < this.#limits.snapshotEach) return
    this.#unsaved = 0
    this.#isSaving = true
    this.#saving = this.#save().finally(() => {
      this.#isSaving = false
    })
  }

  /** Never rejects: without it, or with an older one, more of the log is read. */
  async #save(): Promise<void> {
    // All that was appended before these began is in the places. What is in them beyond that is read again.
    const size = Math.min(this.#log.size, ...this.#flying.values())
    const places = this.#places.snapshot()
    try {
      const tree = await this.#log.integrate()
      if (size === 0) return
      await writeSnapshot(this.#snapshot, { size, lastLeaf: await leafAt(this.#log.source, tree.size, size - 1), places })
    } catch {
      // Then more is read at the next opening; whoever appends is told what is wrong with the log
    }
  }

  /** Nothing may be received any more. The log stays open. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#turns.values(), this.#own])
    await this.#saving
    await this.#save()
  }
}

interface OwnEvent {
  readonly type: string
  readonly data: Readonly<Record<string, unknown>>
}

/** What the receiver itself has to tell about a source. `earlier`: another spool of its name, of which no more may come. */
function eventsOf(source: string, { forked }: Arrival, earlier: { readonly source: string; readonly next: number } | null): OwnEvent[] {
  const events: OwnEvent[] = []
  if (earlier !== null) events.push({ type: SOURCE_RESET, data: { source, earlier: earlier.source, next: earlier.next } })
  if (forked !== null) events.push({ type: SOURCE_FORKED, data: { source, here: linkData(forked.here), there: linkData(forked.there) } })
  return events
}

function linkData(link: RecordLink | null): object | null {
  return link === null ? null : { seq: link.number, hash: Buffer.from(link.hash).toString('base64') }
}

/** Untrusted: whoever has the credential chose it. */
function assertShipment(name: string, { source, first, previous, records }: Shipment): void {
  if (nameOfSource(source) !== name) throw refused(`${quote(source)} is no spool of "${name}"`)
  const bytes = records.reduce((sum, { byteLength }) => sum + byteLength, 0)
  const isSmall =
    records.length <= RECORDS_MAX && bytes <= SHIPMENT_BYTES_MAX && records.every(({ byteLength }) => byteLength <= ENTRY_BYTES_MAX)
  if (!isSmall || !isNumber(first) || !isNumber(first + records.length)) throw refused('it is larger than any, or its numbers are')
  if (previous !== null && (!isNumber(previous.number) || previous.number >= first || previous.hash.byteLength !== HASH_BYTES))
    throw refused('it goes on from no record')
}

function isNumber(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 1 && value <= NUMBER_MAX
}

function refused(why: string): ShippingError {
  return new ShippingError('SHIPPING_REFUSED', `Cannot take a shipment: ${why}`)
}

function snapshotPath({ directory }: ShipmentReceiverOptions): string {
  return join(resolve(directory), 'places.json')
}
