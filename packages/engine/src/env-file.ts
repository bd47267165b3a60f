// SPDX-License-Identifier: Apache-2.0
import { EngineError } from './errors.ts'

/** One `name=value` of GITHUB_ENV, GITHUB_OUTPUT or GITHUB_STATE. */
export interface FileEntry {
  readonly name: string
  readonly value: string
  /** From 1, for messages. */
  readonly line: number
}

/** Longer names have no honest use and only fill messages and logs. */
const NAME_CHARACTERS_MAX = 1024

/**
 * Reads an environment file: lines `name=value`, or `name<<DELIMITER` and lines up to one that is the delimiter.
 * Untrusted: the text is the job's. Strict: anything else is an error, so that no half of a file takes effect.
 *
 * @throws EngineError ENGINE_FILE_COMMAND_INVALID naming `variable` and the line, never quoting it: it can hold a secret.
 */
export function parseEnvFile(variable: string, text: string): readonly FileEntry[] {
  const lines = linesOf(variable, text)
  const entries: FileEntry[] = []
  let index = 0
  while (index < lines.length) {
    const line = lines[index] ?? ''
    const number = index + 1
    index += 1
    if (line === '') continue
    const equals = line.indexOf('=')
    const heredoc = line.indexOf('<<')
    if (equals >= 0 && (heredoc < 0 || equals < heredoc)) {
      entries.push({ name: nameOf(variable, line.slice(0, equals), number), value: line.slice(equals + 1), line: number })
    } else if (heredoc >= 0) {
      const name = nameOf(variable, line.slice(0, heredoc), number)
      const end = endOfHeredoc(variable, lines, number, line.slice(heredoc + 2))
      entries.push({ name, value: lines.slice(index, end).join('\n'), line: number })
      index = end + 1
    } else {
      throw invalid(variable, number, 'it is neither "name=value" nor "name<<DELIMITER"')
    }
  }
  return entries
}

/** Reads GITHUB_PATH: one directory a line. Untrusted. */
export function parsePathFile(text: string): readonly string[] {
  return linesOf('GITHUB_PATH', text).filter((line) => line !== '')
}

/** Lines end with LF only, as on GitHub's Linux runners: a CR is part of the value. */
function linesOf(variable: string, text: string): readonly string[] {
  const body = text.startsWith('\u{feff}') ? text.slice(1) : text
  const nul = body.indexOf('\0')
  if (nul >= 0) throw invalid(variable, countLines(body, nul), 'it contains a NUL character')
  const lines = body.split('\n')
  if (lines.at(-1) === '') lines.pop()
  return lines
}

function countLines(text: string, end: number): number {
  let line = 1
  for (let at = text.indexOf('\n'); at >= 0 && at < end; at = text.indexOf('\n', at + 1)) line += 1
  return line
}

function nameOf(variable: string, name: string, line: number): string {
  if (name === '') throw invalid(variable, line, 'the name is empty')
  if (name.length > NAME_CHARACTERS_MAX)
    throw invalid(variable, line, `the name has ${name.length} characters, at most ${NAME_CHARACTERS_MAX} are allowed`)
  return name
}

/** Index of the delimiter's line; `number` is that of the opening line. */
function endOfHeredoc(variable: string, lines: readonly string[], number: number, delimiter: string): number {
  if (delimiter === '') throw invalid(variable, number, 'the delimiter after "<<" is empty')
  const end = lines.indexOf(delimiter, number)
  if (end < 0) throw invalid(variable, number, 'no later line is its closing delimiter')
  return end
}

function invalid(variable: string, line: number, what: string): EngineError {
  return new EngineError('ENGINE_FILE_COMMAND_INVALID', `Cannot read $${variable}, line ${line}: ${what}`)
}
