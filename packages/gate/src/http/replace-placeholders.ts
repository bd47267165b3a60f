// SPDX-License-Identifier: Apache-2.0
// Pure: puts values for placeholders into the places of a request. Each function also says what is left without them, the residue, in which no placeholder may be.
import { isUtf8 } from 'node:buffer'
import type { Substitution } from '../contract.ts'

export interface Replaced {
  readonly text: string
  readonly residue: string
  readonly used: readonly Substitution[]
}

/** Bodies in which a field can be named. */
export type BodyType = 'json' | 'form'

type Substitutions = readonly Substitution[]

const unchanged = (text: string): Replaced => ({ text, residue: text, used: [] })

function replace(text: string, substitutions: Substitutions): Replaced {
  const used = substitutions.filter(({ placeholder }) => text.includes(placeholder))
  return {
    text: used.reduce((sum, { placeholder, value }) => sum.replaceAll(placeholder, () => value), text),
    residue: used.reduce((sum, { placeholder }) => sum.replaceAll(placeholder, ''), text),
    used,
  }
}

/** As the whole, as a part (`Bearer …`), or within the credentials of the Basic scheme (RFC 7617). */
export function replaceInFieldValue(value: string, substitutions: Substitutions): Replaced {
  if (substitutions.length === 0) return unchanged(value)
  const [, scheme, credentials] = /^(basic +)([A-Za-z0-9+/]+={0,2})$/i.exec(value) ?? []
  if (scheme === undefined || credentials === undefined) return replace(value, substitutions)
  const { text, residue, used } = replace(Buffer.from(credentials, 'base64').toString('utf8'), substitutions)
  return used.length === 0 ? unchanged(value) : { text: scheme + Buffer.from(text).toString('base64'), residue, used }
}

/** With its `?`. */
export function replaceInQuery(query: string, substitutions: Substitutions): Replaced {
  if (substitutions.length === 0 || query === '') return unchanged(query)
  return withPrefix(
    '?',
    replaceInPairs(query.slice(1), substitutions, (rule) => ('query' in rule ? rule.query : null)),
  )
}

export function replaceInBody(body: Buffer, type: BodyType | null, substitutions: Substitutions): Replaced {
  if (!isUtf8(body)) return unchanged(body.toString('latin1'))
  const text = body.toString('utf8')
  if (type === 'form') return replaceInPairs(text, substitutions, (rule) => ('body' in rule ? rule.body : null))
  return type === 'json' ? replaceInJson(text, substitutions) : unchanged(text)
}

/** `name=value&name=value`, in which only the pairs that change are written anew. */
function replaceInPairs(
  text: string,
  substitutions: Substitutions,
  placeOf: (place: Substitution['rule']['in']) => string | null,
): Replaced {
  const pairs = text.split('&').map((pair) => {
    const at = pair.indexOf('=')
    const name = formDecoded(at === -1 ? pair : pair.slice(0, at))
    const value = at === -1 ? null : formDecoded(pair.slice(at + 1))
    const here = substitutions.filter(({ rule }) => placeOf(rule.in) === name)
    if (value === null) return unchanged(pair)
    const replaced = replace(value, here)
    if (replaced.used.length === 0) return unchanged(pair)
    const prefix = pair.slice(0, at + 1)
    return { text: prefix + encodeURIComponent(replaced.text), residue: prefix + replaced.residue, used: replaced.used }
  })
  return {
    text: pairs.map((pair) => pair.text).join('&'),
    residue: pairs.map((pair) => pair.residue).join('&'),
    used: pairs.flatMap((pair) => pair.used),
  }
}

/** Null for what no form can hold. */
function formDecoded(text: string): string | null {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch (error) {
    if (error instanceof URIError) return null
    throw error
  }
}

/**
 * The document stays as it was written, byte for byte, but for the placeholder: parsing it and writing it again would change numbers, and which of two equal keys counts. So the
 * placeholder must stand as often in the text as it does in the fields that may have it; otherwise it is left, and found in the residue.
 */
function replaceInJson(text: string, substitutions: Substitutions): Replaced {
  let document: unknown
  try {
    document = JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) return unchanged(text)
    throw error
  }
  const used = substitutions.filter((substitution) => {
    const allowed = substitutions.filter(({ placeholder }) => placeholder === substitution.placeholder)
    const places = new Set(allowed.map(({ rule }) => ('body' in rule.in ? rule.in.body : '')))
    const inFields = Array.from(places, (place) => occurrences(fieldAt(document, place), substitution.placeholder))
    const expected = inFields.reduce((sum, count) => sum + count, 0)
    return expected > 0 && occurrences(text, substitution.placeholder) === expected
  })
  return {
    text: used.reduce((sum, { placeholder, value }) => sum.replaceAll(placeholder, () => JSON.stringify(value).slice(1, -1)), text),
    residue: used.reduce((sum, { placeholder }) => sum.replaceAll(placeholder, ''), text),
    used,
  }
}

function fieldAt(document: unknown, place: string): string {
  let field = document
  for (const key of place.split('.')) {
    if (typeof field !== 'object' || field === null || !Object.hasOwn(field, key)) return ''
    field = (field as Readonly<Record<string, unknown>>)[key]
  }
  return typeof field === 'string' ? field : ''
}

const occurrences = (text: string, part: string): number => text.split(part).length - 1

const withPrefix = (prefix: string, { text, residue, used }: Replaced): Replaced => ({
  text: prefix + text,
  residue: prefix + residue,
  used,
})
