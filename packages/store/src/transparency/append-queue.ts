// SPDX-License-Identifier: Apache-2.0
import { StoreError } from '../store-error.ts'
import type { Appended } from './contract.ts'
import { LENGTH_BYTES } from './frame.ts'

/** One write; a larger burst is split. */
const BATCH_BYTES_MAX = 4 * 2 ** 20

/** Whoever does not wait for what it appended fills the memory up to here. */
const WAITING_BYTES_MAX = 128 * 2 ** 20

interface Call {
  readonly entries: readonly Uint8Array[]
  readonly first: number
  /** Entries that are in a batch. */
  taken: number
  readonly resolve: (appended: Appended) => void
  readonly reject: (error: StoreError) => void
}

/** Entries of one or more calls, perhaps not all of the last one. */
export interface Batch {
  readonly first: number
  readonly entries: readonly Uint8Array[]
  /** Tells the calls whose last entry is in the batch. */
  resolve(): void
  reject(error: StoreError): void
}

/** Gives each entry its index, and cuts what waits into batches. */
export class AppendQueue {
  #calls: Call[] = []
  #next: number
  #bytes = 0

  constructor(size: number) {
    this.#next = size
  }

  /** @throws StoreError LOG_OVERLOADED */
  add(entries: readonly Uint8Array[]): Promise<Appended> {
    const bytes = entries.reduce((sum, { byteLength }) => sum + LENGTH_BYTES + byteLength, 0)
    if (this.#bytes > 0 && this.#bytes + bytes > WAITING_BYTES_MAX)
      throw new StoreError('LOG_OVERLOADED', `Cannot append to the log: ${this.#bytes} bytes wait for the disk already`, {
        hint: 'Wait for what was appended before; nothing of this call was recorded',
      })
    const { promise, resolve, reject } = Promise.withResolvers<Appended>()
    this.#calls.push({ entries, first: this.#next, taken: 0, resolve, reject })
    this.#next += entries.length
    this.#bytes += bytes
    return promise
  }

  /** Null when nothing waits. */
  take(): Batch | null {
    const [head] = this.#calls
    if (head === undefined) return null
    const first = head.first + head.taken
    const entries: Uint8Array[] = []
    const whole: Call[] = []
    let bytes = 0
    let taken = 0
    for (const call of this.#calls) {
      while (call.taken < call.entries.length && bytes < BATCH_BYTES_MAX) {
        const entry = call.entries[call.taken] ?? new Uint8Array()
        entries.push(entry)
        bytes += LENGTH_BYTES + entry.byteLength
        call.taken += 1
      }
      if (call.taken < call.entries.length) break
      whole.push(call)
      taken += 1
    }
    this.#calls = this.#calls.slice(taken)
    this.#bytes -= bytes
    return {
      first,
      entries,
      resolve: () => {
        for (const call of whole) call.resolve({ first: call.first, last: call.first + call.entries.length - 1 })
      },
      reject: (error) => {
        for (const call of whole) call.reject(error)
      },
    }
  }

  rejectAll(error: StoreError): void {
    const calls = this.#calls
    this.#calls = []
    this.#bytes = 0
    for (const { reject } of calls) reject(error)
  }
}
