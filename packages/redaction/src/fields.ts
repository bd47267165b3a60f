// SPDX-License-Identifier: Apache-2.0
import { Buffer } from 'node:buffer'
import { bitsOf, weaknessOf } from './strength.ts'

/** Untrusted in number, like values are. */
const FIELDS_MAX = 64
/** A field without a telling name must be as long as this, and worth as much: else `service_account` and host names were masked. */
const UNNAMED_BYTES_MIN = 16
const UNNAMED_BITS_MIN = 64
const DEPTH_MAX = 16

const SECRET_NAME = /pass|pwd|secret|token|key|cred|auth|private|signature|salt|seed|pin$|\bsas\b|sig$/i
const ID_NAME = /(?<!key)(^|[_-])(id|email|uri|url|user|username|name|type|project|region|host|endpoint)$/i
const ID_SUFFIX = /(?<!Key)Id$/

interface Field {
  readonly name: string
  readonly value: string
}

/** The parts of a structured value that are secrets by themselves: of JSON, of `name: value` and `name=value` lines or lists, of a URL. */
export function secretFields(value: string): string[] {
  const text = value.trim()
  const chosen = new Set<string>()
  for (const field of fieldsOf(text)) {
    if (chosen.size === FIELDS_MAX) break
    const part = field.value.trim()
    if (part !== text && isSecret({ name: field.name, value: part })) chosen.add(part)
  }
  return [...chosen]
}

function isSecret({ name, value }: Field): boolean {
  if (weaknessOf(value) !== null) return false
  if (SECRET_NAME.test(name) && !/id$|url$|uri$|name$/i.test(name) && !/^https?:/.test(value)) return true
  const isPlain = /^[a-z]+:\/\/|^[\w.+-]+@[\w.-]+$|^[a-z]+([ _.-][a-z]+)*$|\s/i.test(value)
  return (
    !isPlain &&
    Buffer.byteLength(value) >= UNNAMED_BYTES_MIN &&
    bitsOf(value) >= UNNAMED_BITS_MIN &&
    /\d/.test(value) &&
    /[A-Za-z]/.test(value) &&
    !ID_NAME.test(name) &&
    !ID_SUFFIX.test(name)
  )
}

function* fieldsOf(text: string): Generator<Field> {
  const document = /^[[{]/.test(text) ? parsed(text) : undefined
  if (document !== undefined) {
    yield* jsonFields('', document, 0)
    return
  }
  yield* urlFields(text)
  yield* lineFields(text)
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // No JSON: it may be another structure, or none.
    return undefined
  }
}

function* jsonFields(name: string, value: unknown, depth: number): Generator<Field> {
  if (typeof value === 'string') {
    yield { name, value }
    yield* urlFields(value)
  } else if (typeof value === 'number') yield { name, value: String(value) }
  else if (typeof value === 'object' && value !== null && depth < DEPTH_MAX) {
    for (const [key, item] of Object.entries(value)) yield* jsonFields(Array.isArray(value) ? name : key, item, depth + 1)
  }
}

/** User information and query parameters. */
function* urlFields(text: string): Generator<Field> {
  const match = /^[a-z][a-z0-9+.-]*:\/\/(?:([^\s/?#@:]*)(?::([^\s/?#]*))?@)?[^\s?#]*(?:\?([^\s#]*))?/i.exec(text)
  if (match === null) return
  const [, user = '', password = '', query = ''] = match
  for (const spelled of [password, decoded(password)]) if (spelled !== '') yield { name: 'password', value: spelled }
  // a token in the user's place, as hosts of repositories have it
  if (password === '' || password === 'x-oauth-basic') yield { name: 'token', value: decoded(user) }
  for (const pair of query.split('&')) {
    const [name = '', ...rest] = pair.split('=')
    yield { name, value: decoded(rest.join('=')) }
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    // No percent-encoding: it is what it says.
    return text
  }
}

/** Lines of YAML, INI and dotenv, and the lists of connection strings. */
function* lineFields(text: string): Generator<Field> {
  for (const line of text.split(/\r\n|\r|\n|;/)) {
    const match = /^\s*(?:-\s+|export\s+)?["']?([\w.-]{1,64})["']?\s*(?:=|:\s)\s*(\S.*)$/.exec(line)
    if (match === null) continue
    const [, name = '', rest = ''] = match
    const quoted = /^(["'])(.*)\1\s*,?$/.exec(rest)?.[2]
    const value = quoted ?? withoutComment(rest)
    yield { name, value }
    yield* urlFields(value)
  }
}

/** In linear time: a pattern that takes the white space with the comment would try each run of it from each of its bytes. */
function withoutComment(rest: string): string {
  const at = rest.search(/\s#/)
  return at < 0 ? rest : rest.slice(0, at)
}
