// SPDX-License-Identifier: Apache-2.0

const MEBIBYTE = 2 ** 20
const TEXT_MADE_MAX = 10 * MEBIBYTE
const TEXT_READ_MAX = 256 * MEBIBYTE
const ITEMS_MAX = 5_000_000
/** Deepest nesting of a value that `fromJSON` reads or `toJSON` writes. */
export const VALUE_DEPTH_MAX = 100

/** The evaluation was stopped, or its input is wrong; the message is for the user. */
export class EvaluationFault extends Error {
  override readonly name = 'EvaluationFault'
}

/**
 * What one evaluation may cost. Outputs of jobs go into expressions, and `format` can repeat its
 * arguments at every level: 21,000 characters of expression could ask for terabytes.
 */
export class EvaluationBudget {
  #made = 0
  #read = 0
  #items = 0

  /** Text that a function builds. Called before it is built. */
  makeText(length: number): void {
    this.#made += length
    if (this.#made > TEXT_MADE_MAX) throw new EvaluationFault(`the expression makes more than ${TEXT_MADE_MAX / MEBIBYTE} MiB of text`)
  }

  /** Text that an operator or function looks at. */
  readText(length: number): void {
    this.#read += length
    if (this.#read > TEXT_READ_MAX) throw new EvaluationFault(`the expression reads more than ${TEXT_READ_MAX / MEBIBYTE} MiB of text`)
  }

  takeItems(count: number): void {
    this.#items += count
    if (this.#items > ITEMS_MAX) throw new EvaluationFault(`the expression looks at more than ${ITEMS_MAX} values`)
  }
}
