// SPDX-License-Identifier: Apache-2.0
// Checks events against the schema of vectors/ocsf-1.8.0.json, which is not ours.
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

interface Shape {
  readonly attributes: Readonly<Record<string, Attribute>>
  readonly constraints?: { readonly at_least_one?: readonly string[] }
}

interface Attribute {
  readonly type: string
  readonly requirement: 'required' | 'recommended' | 'optional'
  readonly isArray?: boolean
  readonly enum?: readonly (number | string)[]
  readonly profile?: string
}

interface Schema {
  readonly version: string
  readonly classes: Readonly<Record<string, Shape & { readonly uid: number }>>
  readonly objects: Readonly<Record<string, Shape>>
  readonly types: Readonly<
    Record<
      string,
      { readonly type?: string; readonly regex?: string; readonly max_len?: number; readonly range?: readonly [number, number] }
    >
  >
}

const schema = JSON.parse(readFileSync(fileURLToPath(import.meta.resolve('../../vectors/ocsf-1.8.0.json')), 'utf8')) as Schema

type Values = Readonly<Record<string, unknown>>

/** Everything that is wrong with an event; empty when it is one of OCSF. */
export function ocsfProblems(event: Values): string[] {
  const shape = Object.values(schema.classes).find(({ uid }) => uid === event['class_uid'])
  if (shape === undefined) return [`no class ${event['class_uid']}`]
  const metadata = event['metadata'] as { version?: unknown; profiles?: readonly string[] } | undefined
  const problems = objectProblems('', event, shape, new Set(metadata?.profiles))
  const typeUid = Number(event['class_uid']) * 100 + Number(event['activity_id'])
  if (event['type_uid'] !== typeUid) problems.push(`type_uid is not ${typeUid}`)
  if (metadata?.version !== schema.version) problems.push(`metadata.version is not ${schema.version}`)
  return problems
}

function objectProblems(at: string, values: Values, { attributes, constraints }: Shape, profiles: ReadonlySet<string>): string[] {
  const missing = Object.entries(attributes).flatMap(([name, { requirement }]) =>
    requirement === 'required' && !(name in values) ? [`${at}${name} is missing`] : [],
  )
  const one = constraints?.at_least_one ?? []
  if (one.length > 0 && !one.some((name) => name in values)) missing.push(`${at}: none of ${one.join(', ')}`)
  const wrong = Object.entries(values).flatMap(([name, value]) => {
    const attribute = attributes[name]
    if (attribute === undefined) return [`${at}${name} is not in the schema`]
    if (attribute.profile !== undefined && !profiles.has(attribute.profile)) return [`${at}${name} needs the profile ${attribute.profile}`]
    if (attribute.isArray !== true) return valueProblems(`${at}${name}`, value, attribute, profiles)
    return Array.isArray(value)
      ? value.flatMap((item) => valueProblems(`${at}${name}`, item, attribute, profiles))
      : [`${at}${name} is no array`]
  })
  return [...missing, ...wrong]
}

function valueProblems(at: string, value: unknown, attribute: Attribute, profiles: ReadonlySet<string>): string[] {
  if (attribute.enum !== undefined && !attribute.enum.includes(value as number))
    return [`${at} is ${String(value)}, not one of its enumeration`]
  // Whatever the source has, in its own shape
  if (attribute.type === 'object') return typeof value === 'object' ? [] : [`${at} is no object`]
  const shape = schema.objects[attribute.type]
  if (shape !== undefined) return objectProblems(`${at}.`, value as Values, shape, profiles)
  return isScalar(value, attribute.type) ? [] : [`${at} is no ${attribute.type}`]
}

function isScalar(value: unknown, typeName: string): boolean {
  const { type = typeName, regex, max_len: lengthMax, range } = schema.types[typeName] ?? {}
  if (range !== undefined && !(Number(value) >= range[0] && Number(value) <= range[1])) return false
  if (typeName === 'boolean_t') return typeof value === 'boolean'
  if (['integer_t', 'long_t'].includes(type)) return Number.isSafeInteger(value)
  if (type !== 'string_t' || typeof value !== 'string') return false
  return value.length <= (lengthMax ?? Number.POSITIVE_INFINITY) && (regex === undefined || new RegExp(regex).test(value))
}
