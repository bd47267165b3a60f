// SPDX-License-Identifier: Apache-2.0
import type { Writable } from 'node:stream'
import type { Delivery, ExportRecord, ExportTarget } from '../contract.ts'
import { ExportError } from '../export-error.ts'
import type { LineFormat } from '../record/json-line.ts'

/** Writes lines to a stream such as stdout, as fast as whoever reads it takes them. */
export class StreamTarget implements ExportTarget {
  readonly #stream: Writable
  readonly #format: LineFormat

  constructor(stream: Writable, format: LineFormat) {
    this.#stream = stream
    this.#format = format
  }

  deliver(records: readonly ExportRecord[]): Promise<Delivery> {
    const text = records.map((record) => `${this.#format(record)}\n`).join('')
    return new Promise((resolve, reject) => {
      this.#stream.write(text, (error) => {
        if (error === null || error === undefined) resolve({ refused: [], shortened: 0 })
        else reject(new ExportError('EXPORT_FAILED', `Cannot write to the stream: ${error.message}`, { cause: error }))
      })
    })
  }
}
