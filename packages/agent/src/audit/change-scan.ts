// SPDX-License-Identifier: Apache-2.0
import { type LogEntry, parseCheckpoint, parseEntry, parseNote, readEntries, type TileSource } from '@sallyport/audit-log'

/** The log itself as a source of entries: who changed what about it. It never ends. */
export const LOG_SOURCE = 'log'
/** An entry of that source has this, and few others do: the rest is not parsed. */
const MARK = Buffer.from(`"source":"${LOG_SOURCE}"`)

/** What the entries of the source `log` come to, read once, and then on from where it was. */
export class ChangeScan {
  /** Of the last of them. */
  seq = 0
  /** The holds that are in force, by that. */
  holdsDigest: string | null = null
  /** Where the change stands that is looked for. */
  foundAt: number | null = null
  readonly #wanted: string | null
  #at: number

  /** `minimumIndex`: what is before was pruned; the entry that says so is not. */
  constructor(minimumIndex: number, wanted: string | null) {
    this.#at = minimumIndex
    this.#wanted = wanted
  }

  /** As far as a checkpoint goes: nobody has to wait for that. */
  async readPublished(source: TileSource): Promise<void> {
    const checkpoint = await source.read('checkpoint')
    if (checkpoint !== null) await this.read(source, parseCheckpoint(parseNote(checkpoint).text).size)
  }

  async read(source: TileSource, size: number): Promise<void> {
    if (size <= this.#at) return
    for await (const { index, bytes } of readEntries(source, { size, from: this.#at, to: size })) {
      if (Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).includes(MARK)) this.#take(index, parseEntry(bytes))
    }
    this.#at = size
  }

  #take(index: number, { source, seq, data }: LogEntry): void {
    if (source !== LOG_SOURCE) return
    this.seq = seq
    if (typeof data?.['holds'] === 'string') this.holdsDigest = data['holds']
    if (this.#wanted !== null && data?.['change'] === this.#wanted) this.foundAt = index
  }
}
