// SPDX-License-Identifier: Apache-2.0
import { TOKEN_TEXT_MAX } from '../contract.ts'

const PRINTABLE = /^[\x20-\x7e]*$/

/** Whether it may be a text of a `TokenQuestion`. The gate asks it before it sends one, and the supervisor before it believes one. */
export function isTokenText(value: unknown): value is string {
  return typeof value === 'string' && value.length <= TOKEN_TEXT_MAX && PRINTABLE.test(value)
}
