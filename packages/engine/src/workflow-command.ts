// SPDX-License-Identifier: Apache-2.0

/** Workflow commands that Sallyport knows; every other line that looks like one is plain output. */
export const COMMAND_NAMES = [
  'add-mask',
  'debug',
  'notice',
  'warning',
  'error',
  'group',
  'endgroup',
  'set-output',
  'save-state',
  'echo',
  'stop-commands',
  'set-env',
  'add-path',
] as const

export type CommandName = (typeof COMMAND_NAMES)[number]

export interface WorkflowCommand {
  readonly name: CommandName
  /** By lower-case name. */
  readonly properties: Readonly<Record<string, string>>
  readonly value: string
}

const NAMES: ReadonlySet<string> = new Set(COMMAND_NAMES)

export function isCommandName(name: string): name is CommandName {
  return NAMES.has(name)
}

/**
 * Parses a line without its leading blanks and line end: `::name k=v,k2=v2::value`, or the older
 * `##[name k=v;k2=v2]value`; null when it is neither. Untrusted: the line is the job's.
 */
export function parseCommand(line: string): WorkflowCommand | null {
  if (line.startsWith('::')) return parse(line, 2, '::', ',', unescapeProperty, unescapeValue)
  if (line.startsWith('##[')) return parse(line, 3, ']', ';', unescapeOld, unescapeOld)
  return null
}

type Unescape = (text: string) => string

function parse(line: string, start: number, close: string, separator: string, property: Unescape, value: Unescape): WorkflowCommand | null {
  const end = line.indexOf(close, start)
  if (end < 0) return null
  const head = line.slice(start, end)
  const blank = head.indexOf(' ')
  const name = (blank < 0 ? head : head.slice(0, blank)).toLowerCase()
  if (!isCommandName(name)) return null
  const properties = blank < 0 ? {} : parseProperties(head.slice(blank + 1).trim(), separator, property)
  return { name, properties, value: value(line.slice(end + close.length)) }
}

function parseProperties(text: string, separator: string, unescape: Unescape): Readonly<Record<string, string>> {
  const properties: Record<string, string> = Object.create(null)
  for (const pair of text.split(separator)) {
    const equals = pair.indexOf('=')
    if (equals <= 0 || equals === pair.length - 1) continue
    properties[pair.slice(0, equals).trim().toLowerCase()] = unescape(pair.slice(equals + 1))
  }
  return properties
}

const ESCAPES: Readonly<Record<string, string>> = { '25': '%', '0D': '\r', '0A': '\n', '3A': ':', '2C': ',', '3B': ';', '5D': ']' }

function unescaper(pattern: RegExp): Unescape {
  return (text) => text.replaceAll(pattern, (whole, code: string) => ESCAPES[code] ?? whole)
}

const unescapeValue = unescaper(/%(25|0D|0A)/g)
const unescapeProperty = unescaper(/%(25|0D|0A|3A|2C)/g)
const unescapeOld = unescaper(/%(25|0D|0A|3B|5D)/g)
