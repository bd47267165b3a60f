// SPDX-License-Identifier: Apache-2.0
import { Buffer } from 'node:buffer'
import { octal } from './encodings.ts'

/** A text inside quotes, as shells, C, Python, SQL and tables write it. Where nothing has to be quoted the text itself is yielded. */
export function* quotedForms(text: string): Generator<string> {
  // a quoted string that is left for each quote: bash, and dash and Python
  yield text.replaceAll("'", "'\\''")
  yield text.replaceAll("'", "'\"'\"'")
  // bash's printf %q, and ${value@Q} of what needs $''
  yield text.replaceAll(/[^\w@%+=:,./\u0080-\uffff-]/g, '\\$&')
  yield dollarQuoted(text, (byte) => `\\${octal(byte)}`)
  yield dollarQuoted(text, (byte) => `\\x${byte.toString(16).padStart(2, '0')}`)
  // double quotes
  yield text.replaceAll(/[$`"\\]/g, '\\$&')
  yield text.replaceAll(/[$`"\\!]/g, '\\$&')
  yield text.replaceAll(/["\\]/g, '\\$&')
  // Python's repr, and JavaScript's
  yield text.replaceAll(/['\\]/g, '\\$&')
  // SQL, tables
  yield text.replaceAll("'", "''")
  yield text.replaceAll('"', '""')
}

const ESCAPES: ReadonlyMap<number, string> = new Map([
  [0x07, '\\a'],
  [0x08, '\\b'],
  [0x09, '\\t'],
  [0x0a, '\\n'],
  [0x0b, '\\v'],
  [0x0c, '\\f'],
  [0x0d, '\\r'],
  [0x1b, '\\E'],
  [0x27, "\\'"],
  [0x5c, '\\\\'],
])

/** As in `$'…'` and in C: what does not print is written as a number. */
function dollarQuoted(text: string, number: (byte: number) => string): string {
  return Array.from(
    Buffer.from(text),
    (byte) => ESCAPES.get(byte) ?? (byte < 0x20 || byte > 0x7e ? number(byte) : String.fromCharCode(byte)),
  ).join('')
}
