// SPDX-License-Identifier: Apache-2.0
import { RECORDS_MAX, type Shipment, type ShipmentSink } from './contract.ts'

const SOURCE_LENGTH_MAX = 1024

/**
 * The receiving side: each record is stored once, in the order of its source, however often it is sent; what never came is stored as a gap. Whoever
 * sends is authenticated by the transport: it may write into its own source only.
 */
export class ShipmentReceiver {
  readonly #sink: ShipmentSink
  /** The last call for each source that is at work. */
  readonly #last = new Map<string, Promise<unknown>>()

  constructor(sink: ShipmentSink) {
    this.#sink = sink
  }

  /** Resolves with the number that the source has to go on with. @throws RangeError for what no spool sends; nothing is stored then. */
  async receive(shipment: Shipment): Promise<number> {
    assertShipment(shipment)
    const { source } = shipment
    const turn = (this.#last.get(source) ?? Promise.resolve()).then(() => this.#store(shipment))
    const settled = turn.catch(() => undefined) // The caller is told.
    this.#last.set(source, settled)
    try {
      return await turn
    } finally {
      if (this.#last.get(source) === settled) this.#last.delete(source)
    }
  }

  async #store({ source, first, records }: Shipment): Promise<number> {
    const expected = await this.#sink.next(source)
    const fresh = records.slice(Math.max(0, expected - first))
    if (fresh.length === 0) return expected
    const start = Math.max(first, expected)
    const lost = start > expected ? { first: expected, last: start - 1 } : null
    await this.#sink.store({ source, first: start, records: fresh, lost })
    return start + fresh.length
  }
}

function assertShipment({ source, first, records }: Shipment): void {
  const isSound = source !== '' && source.length <= SOURCE_LENGTH_MAX && records.length > 0 && records.length <= RECORDS_MAX
  if (!isSound || !Number.isSafeInteger(first) || first < 1 || !Number.isSafeInteger(first + records.length))
    throw new RangeError('that is no shipment of a spool')
}
