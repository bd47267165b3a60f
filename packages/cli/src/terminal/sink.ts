// SPDX-License-Identifier: Apache-2.0

/** Where text goes. Writing never throws: a reader that went away is told by {@link Sink.isBroken}. */
export interface Sink {
  readonly isTerminal: boolean
  readonly columns: number
  readonly rows: number
  readonly isBroken: boolean
  write(chunk: string | Uint8Array): void
}
