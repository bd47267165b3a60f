// SPDX-License-Identifier: Apache-2.0

const NEWLINE = 0x0a
/** Longer lines are cut where they are shown; the record has them whole. */
const LINE_BYTES_MAX = 8 * 1024

/** Splits a stream of hostile bytes into lines of text; memory stays bounded when no newline ever comes. */
export class LineBuffer {
  #parts: Uint8Array[] = []
  #bytes = 0
  #cutBytes = 0

  /** Calls `each` for every line that `bytes` completes, without its newline. */
  write(bytes: Uint8Array, each: (line: string) => void): void {
    let from = 0
    for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, from)) {
      this.#keep(bytes.subarray(from, end))
      each(this.#take())
      from = end + 1
    }
    this.#keep(bytes.subarray(from))
  }

  /** A last line without newline, if there is one. */
  end(each: (line: string) => void): void {
    if (this.#bytes > 0) each(this.#take())
  }

  #keep(part: Uint8Array): void {
    const room = Math.max(0, LINE_BYTES_MAX - this.#bytes)
    // Copied: the buffer belongs to the caller, and a small view would keep a large one alive.
    if (room > 0 && part.byteLength > 0) this.#parts.push(Uint8Array.from(part.subarray(0, room)))
    this.#bytes += Math.min(room, part.byteLength)
    this.#cutBytes += Math.max(0, part.byteLength - room)
  }

  #take(): string {
    const text = Buffer.concat(this.#parts).toString('utf8')
    const note = this.#cutBytes > 0 ? ` … (${this.#cutBytes} bytes more in the record)` : ''
    this.#parts = []
    this.#bytes = 0
    this.#cutBytes = 0
    return text + note
  }
}
