// SPDX-License-Identifier: Apache-2.0
import { UsageError } from '../usage-error.ts'

const ASSIGNMENT = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=[ \t]*/
const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', '"': '"', '\\': '\\', $: '$' }

interface Entry {
  readonly name: string
  readonly value: string
  readonly line: number
}

/**
 * A dotenv file: `NAME=value`, `export NAME=value`, `# comment`; single quotes keep everything, double
 * quotes know `\n`, `\r`, `\t`, `\"`, `\\` and `\$`, both may span lines; an unquoted value ends at ` #`.
 * Nothing is substituted. Error messages never repeat a value.
 */
export function parseDotenv(file: string, text: string): readonly Entry[] {
  if (text.includes('\0')) fail(file, text.slice(0, text.indexOf('\0')).split('\n').length, 'a NUL byte', 'Values are text without NUL')
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/)
  const entries: Entry[] = []
  for (let index = 0; index < lines.length; index += 1) {
    const start = lines[index] ?? ''
    if (/^\s*(#|$)/.test(start)) continue
    const match = ASSIGNMENT.exec(start)
    if (match === null) fail(file, index + 1, 'this line is no assignment', 'Write NAME=value, or begin a comment with #')
    const name = match[1] ?? ''
    const earlier = entries.find((entry) => entry.name === name)
    if (earlier !== undefined) fail(file, index + 1, `"${name}" stands in line ${earlier.line} already`, 'Give each name once')
    const { value, linesUsed } = parseValue(file, lines, index, start.slice(match[0].length))
    entries.push({ name, value, line: index + 1 })
    index += linesUsed - 1
  }
  return entries
}

function parseValue(file: string, lines: readonly string[], index: number, first: string): { value: string; linesUsed: number } {
  const quote = first[0]
  if (quote !== '"' && quote !== "'") return { value: first.replace(/(^|\s)#.*$/, '').trimEnd(), linesUsed: 1 }
  let body = first.slice(1)
  for (let linesUsed = 1; ; linesUsed += 1) {
    const end = quote === "'" ? body.indexOf("'") : endOfDoubleQuotes(body)
    if (end !== -1) {
      if (!/^\s*(#.*)?$/.test(body.slice(end + 1)))
        fail(file, index + linesUsed, 'text after the closing quote', 'Put the whole value into the quotes')
      return { value: quote === "'" ? body.slice(0, end) : unescape(body.slice(0, end)), linesUsed }
    }
    const next = lines[index + linesUsed]
    if (next === undefined) fail(file, index + 1, 'the quote that begins here is never closed', `End the value with ${quote}`)
    body += `\n${next}`
  }
}

function endOfDoubleQuotes(body: string): number {
  for (let at = 0; at < body.length; at += 1) {
    if (body[at] === '\\') at += 1
    else if (body[at] === '"') return at
  }
  return -1
}

function unescape(body: string): string {
  return body.replace(/\\([nrt"\\$])/g, (whole, letter: string) => ESCAPES[letter] ?? whole)
}

function fail(file: string, line: number, what: string, hint: string): never {
  throw new UsageError('FILE_INVALID', `${file}:${line}: ${what}`, { hint })
}
