// SPDX-License-Identifier: Apache-2.0

const NEWLINE = 10

/** Cuts a stream of bytes into lines. What a line may hold is bounded before it is kept. */
export class LineReader {
  readonly #bytesMax: number
  #pieces: Uint8Array[] = []
  #bytes = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /**
   * The lines that `chunk` completes, without their ends.
   * @throws RangeError when a line is longer than allowed; the reader is of no use afterwards.
   */
  *read(chunk: Uint8Array): Generator<Uint8Array> {
    let at = 0
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, at)) {
      this.#keep(chunk.subarray(at, end))
      at = end + 1
      yield this.#take()
    }
    // A copy: the chunk may be used again
    if (at < chunk.length) this.#keep(new Uint8Array(chunk.subarray(at)))
  }

  #keep(piece: Uint8Array): void {
    this.#bytes += piece.length
    if (this.#bytes > this.#bytesMax) throw new RangeError(`a line of more than ${this.#bytesMax} bytes`)
    this.#pieces.push(piece)
  }

  #take(): Uint8Array {
    const line = new Uint8Array(this.#bytes)
    let at = 0
    for (const piece of this.#pieces) {
      line.set(piece, at)
      at += piece.length
    }
    this.#pieces = []
    this.#bytes = 0
    return line
  }
}
