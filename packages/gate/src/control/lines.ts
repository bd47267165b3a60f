// SPDX-License-Identifier: Apache-2.0

/** Cuts a stream into lines. What a line may hold is bounded before it is kept. */
export class LineReader {
  readonly #bytesMax: number
  #pieces: Buffer[] = []
  #bytes = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /**
   * The lines that `chunk` completes, without their ends.
   * @throws RangeError when a line is longer than allowed; the reader is of no use afterwards.
   */
  *read(chunk: Buffer): Generator<string> {
    let at = 0
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, at)) {
      this.#keep(chunk.subarray(at, end))
      at = end + 1
      const line = Buffer.concat(this.#pieces, this.#bytes).toString()
      this.#pieces = []
      this.#bytes = 0
      yield line
    }
    if (at < chunk.length) this.#keep(Buffer.from(chunk.subarray(at)))
  }

  #keep(piece: Buffer): void {
    this.#bytes += piece.length
    if (this.#bytes > this.#bytesMax) throw new RangeError(`a line of more than ${this.#bytesMax} bytes`)
    this.#pieces.push(piece)
  }
}
