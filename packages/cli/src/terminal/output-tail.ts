// SPDX-License-Identifier: Apache-2.0
import { showLine } from './command-line.ts'
import { LineBuffer } from './line-buffer.ts'

const LINES_MAX = 20
/** More than any terminal shows in one row. */
const LINE_CHARACTERS_MAX = 1000

/** The end of a step's output, for when it fails. */
export class OutputTail {
  readonly #buffer = new LineBuffer()
  #lines: string[] = []
  #count = 0

  /** Lines that came before those that are kept. */
  get earlier(): number {
    return this.#count - this.#lines.length
  }

  write(bytes: Uint8Array): void {
    this.#buffer.write(bytes, (line) => this.#keep(line))
  }

  end(): readonly string[] {
    this.#buffer.end((line) => this.#keep(line))
    return this.#lines
  }

  #keep(line: string): void {
    const shown = showLine(line)
    if (shown === null) return
    this.#count += 1
    this.#lines.push(shown.slice(0, LINE_CHARACTERS_MAX))
    if (this.#lines.length > LINES_MAX) this.#lines.shift()
  }
}
