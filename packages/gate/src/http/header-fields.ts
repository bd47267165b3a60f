// SPDX-License-Identifier: Apache-2.0
// Header sections as lists of fields, in their order and with their spelling: a map would hide duplicates, which is what request smuggling is made of.

export interface HeaderField {
  readonly name: string
  readonly value: string
}

export type HeaderFields = readonly HeaderField[]

/** From names and values in turn, as Node gives them. */
export function fieldsOf(raw: readonly string[]): HeaderField[] {
  const fields: HeaderField[] = []
  for (let index = 0; index + 1 < raw.length; index += 2) fields.push({ name: raw[index] as string, value: raw[index + 1] as string })
  return fields
}

export const rawOf = (fields: HeaderFields): string[] => fields.flatMap(({ name, value }) => [name, value])

/** HTTP/2 has lower case names only (RFC 9113 section 8.2.1). */
export const lowerRawOf = (fields: HeaderFields): string[] => fields.flatMap(({ name, value }) => [name.toLowerCase(), value])

/** `name` in lower case, here and below. */
export const valuesOf = (fields: HeaderFields, name: string): string[] =>
  fields.filter((field) => field.name.toLowerCase() === name).map((field) => field.value)

export const hasField = (fields: HeaderFields, name: string): boolean => fields.some((field) => field.name.toLowerCase() === name)

export const withoutFields = (fields: HeaderFields, names: ReadonlySet<string>): HeaderField[] =>
  fields.filter((field) => !names.has(field.name.toLowerCase()))

/** Members of a comma-separated list, over all fields of the name, in lower case. */
export function listOf(fields: HeaderFields, name: string): string[] {
  const members = valuesOf(fields, name).flatMap((value) => value.split(','))
  return members.map((member) => member.trim().toLowerCase()).filter((member) => member !== '')
}

/** What the section takes on the wire in HTTP/1.1, and about that in HTTP/2 before compression. */
export const bytesOf = (fields: HeaderFields): number => fields.reduce((sum, { name, value }) => sum + name.length + value.length + 4, 2)

/** Mean something to the next hop only (RFC 9110 section 7.6.1); the gate writes its own where it needs one. */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
])

/** Without what is meant for this connection, and what its `Connection` names. */
export function endToEnd(fields: HeaderFields): HeaderField[] {
  const named = new Set(listOf(fields, 'connection'))
  return fields.filter(({ name }) => {
    const lower = name.toLowerCase()
    return !HOP_BY_HOP.has(lower) && !lower.startsWith('proxy-') && !named.has(lower)
  })
}

/** Never passed on to a job: `alt-svc` tells clients to come over QUIC, which has no door; the other says that the gate spoke. */
const NOT_FOR_JOBS: ReadonlySet<string> = new Set(['alt-svc', 'x-sallyport-refused'])

export const responseFields = (fields: HeaderFields): HeaderField[] => withoutFields(endToEnd(fields), NOT_FOR_JOBS)
