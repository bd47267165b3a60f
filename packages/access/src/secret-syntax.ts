// SPDX-License-Identifier: Apache-2.0
import { quote } from '@sallyport/core'
import type { AwsScope, NamePattern } from './contract.ts'
import { isFlaw, parseNamePattern } from './host-pattern.ts'
import { type PathPattern, parsePathPattern } from './path-pattern.ts'
import { readConditions } from './rule-conditions.ts'
import {
  GIVEN,
  type GrantConditions,
  type PlaceholderPlace,
  type SecretDeclaration,
  type SecretDelivery,
  type SecretGrant,
} from './secret-contract.ts'
import type { TreeReader } from './tree-reader.ts'
import type { YamlEntry, YamlNode, YamlText } from './yaml-tree.ts'

const DECLARATION_KEYS = ['from', 'path', 'version', 'parameters', 'hosts'] as const
const CONDITION_KEYS = ['refs', 'events', 'environments', 'actors'] as const
const DELIVERIES = ['placeholder', 'file', 'fd', 'env'] as const

/** What GitHub takes as the name of a secret. */
const SECRET_NAME = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/
const VARIABLE_NAME = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/

/** A file that declares more is no list of what a repository needs. */
const SECRETS_MAX = 200

/** `secrets:` of the whole file. */
export function readDeclarations(node: YamlNode | undefined, reader: TreeReader): readonly SecretDeclaration[] {
  if (node === undefined) return []
  const entries = reader.map(node, 'secrets')?.entries ?? []
  if (entries.length > SECRETS_MAX)
    reader.invalid(node.at, `secrets has ${entries.length} entries, and at most ${SECRETS_MAX} are possible`)
  const seen = new Set<string>()
  return entries.flatMap((entry) => {
    const name = readName(entry, reader)
    if (name === null) return []
    if (seen.has(name)) reader.invalid(entry.keyAt, `the secret ${name} is declared twice`, 'names of secrets do not differ by case alone')
    seen.add(name)
    return [readDeclaration(name, entry, reader)]
  })
}

function readName({ key, keyAt }: YamlEntry, reader: TreeReader): string | null {
  if (SECRET_NAME.test(key) && !key.toUpperCase().startsWith('GITHUB_')) return key.toUpperCase()
  return reader.invalid(
    keyAt,
    `${quote(key)} cannot be the name of a secret`,
    'letters, digits and _, not beginning with a digit or GITHUB_',
  )
}

function readDeclaration(name: string, { keyAt, value }: YamlEntry, reader: TreeReader): SecretDeclaration {
  const fields = value.kind === 'nothing' ? {} : reader.fields(value, `the secret ${name}`, DECLARATION_KEYS)
  const from = fields.from === undefined ? GIVEN : (reader.text(fields.from, 'from')?.value ?? GIVEN)
  const address = fields.path === undefined ? null : readAddress(fields.path, reader)
  if (from === GIVEN && address !== null)
    reader.invalid(fields.path?.at ?? keyAt, `the secret ${name} has a path, and no provider to look there`, 'add from: PROVIDER')
  if (from !== GIVEN && address === null)
    reader.invalid(keyAt, `the secret ${name} does not say where it is in ${quote(from)}`, 'add path: PATH, or path: PATH#FIELD')
  const version = fields.version === undefined ? null : reader.text(fields.version, 'version')
  return {
    name,
    at: keyAt,
    from,
    path: address?.path ?? null,
    field: address?.field ?? null,
    version: version?.value ?? null,
    parameters: readParameters(fields.parameters, reader),
    hosts: fields.hosts === undefined ? [] : readHosts(fields.hosts, reader),
  }
}

const PATH_LENGTH_MAX = 512

/** `PATH` or `PATH#FIELD`. */
export function readAddress(node: YamlNode, reader: TreeReader): { readonly path: string; readonly field: string | null } | null {
  const text = reader.text(node, 'path')
  if (text === null) return null
  const [, path = '', field] = /^([^#]*)(?:#(.*))?$/s.exec(text.value) ?? []
  const isPlain =
    /^[\x21-\x7e]+$/.test(path) && path.length <= PATH_LENGTH_MAX && !path.startsWith('/') && !/(^|\/)\.{1,2}(\/|$)|\/\//.test(path)
  if (!isPlain) return reader.invalid(node.at, `${quote(text.value)} is no path of a secret`, 'for example kv/ci/packages#token')
  return field === '' ? reader.invalid(node.at, 'a field is missing after #') : { path, field: field ?? null }
}

function readParameters(node: YamlNode | undefined, reader: TreeReader): Readonly<Record<string, string>> {
  if (node === undefined) return {}
  const entries = reader.map(node, 'parameters')?.entries ?? []
  return Object.fromEntries(entries.map(({ key, value }) => [key, reader.text(value, `the parameter ${quote(key)}`)?.value ?? '']))
}

export function readHosts(node: YamlNode, reader: TreeReader): readonly NamePattern[] {
  return reader.texts(node, 'hosts').flatMap(({ value, at }) => {
    const pattern = parseNamePattern(value)
    if (!isFlaw(pattern)) return [pattern]
    reader.invalid(at, pattern.message, pattern.suggestion)
    return []
  })
}

/** `secrets:` of a step. `declared`: those of the file. */
export function readGrants(node: YamlNode | undefined, declared: readonly SecretDeclaration[], reader: TreeReader): readonly SecretGrant[] {
  if (node === undefined) return []
  return (reader.map(node, 'secrets')?.entries ?? []).flatMap((entry) => readGrant(entry, declared, reader) ?? [])
}

function readGrant({ key, keyAt, value }: YamlEntry, declared: readonly SecretDeclaration[], reader: TreeReader): SecretGrant | null {
  const declaration = declared.find(({ name }) => name === key.toUpperCase())
  if (declaration === undefined)
    return reader.invalid(
      keyAt,
      `the secret ${quote(key)} is not declared`,
      `add it to secrets at the end of the file: secrets: { ${key}: {} }`,
    )
  const fields =
    value.kind === 'nothing'
      ? {}
      : reader.fields(value, `the grant of ${declaration.name}`, ['deliver', 'in', 'as', 'methods', 'path', 'paths', 'when'])
  const delivery = readDelivery(declaration, fields, keyAt, reader)
  const as = fields.as === undefined ? null : reader.text(fields.as, 'as')
  if (fields.as !== undefined && delivery.kind === 'placeholder' && 'aws' in delivery.in)
    reader.invalid(
      fields.as.at,
      'a key of AWS is three variables, which its tools know',
      'leave as out: AWS_ACCESS_KEY_ID and so on are set',
    )
  if (as !== null && !VARIABLE_NAME.test(as.value))
    reader.invalid(as.at, `${quote(as.value)} cannot be the name of a variable`, 'letters, digits and _, not beginning with a digit')
  return { secret: declaration.name, at: keyAt, delivery, as: as?.value ?? null, when: readWhen(fields.when, reader) }
}

interface GrantFields {
  readonly deliver?: YamlNode
  readonly in?: YamlNode
  readonly methods?: YamlNode
  readonly path?: YamlNode
  readonly paths?: YamlNode
}

function readDelivery({ name, hosts }: SecretDeclaration, fields: GrantFields, at: YamlText['at'], reader: TreeReader): SecretDelivery {
  const { deliver, methods, path, paths } = fields
  const kind = deliver === undefined ? (hosts.length > 0 ? 'placeholder' : null) : reader.choice(deliver, 'deliver', DELIVERIES)
  if (kind === null) {
    if (deliver === undefined)
      reader.invalid(
        at,
        `the secret ${name} names no hosts, so it cannot be a placeholder`,
        'add hosts to its declaration, or say deliver: file, fd or env',
      )
    return { kind: 'env' }
  }
  const inGate = [fields.in, methods, path, paths].find((node) => node !== undefined)
  if (kind !== 'placeholder') {
    if (inGate !== undefined)
      reader.invalid(
        inGate.at,
        `where a value goes at the gate is said of a placeholder, and this is ${kind}`,
        'leave it out, or say deliver: placeholder',
      )
    return { kind }
  }
  if (hosts.length === 0)
    reader.invalid(at, `the secret ${name} names no hosts, so nobody would get its value`, `add hosts: [HOST] to its declaration`)
  const { http } = readConditions({ ...(methods && { methods }), ...(path && { path }), ...(paths && { paths }) }, reader)
  return { kind, in: readPlace(fields.in, reader), methods: http?.methods ?? null, paths: http?.paths ?? null }
}

/** A field name (RFC 9110 section 5.1), or that of a parameter. */
const PLACE = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$/

/** Of a placeholder; without a word the header Authorization. */
export function readPlace(node: YamlNode | undefined, reader: TreeReader): PlaceholderPlace {
  if (node === undefined) return { header: 'authorization' }
  const { header, query, body, aws } = reader.fields(node, 'in', ['header', 'query', 'body', 'aws'])
  if (aws !== undefined && header === undefined && query === undefined && body === undefined) return { aws: readAwsScope(aws, reader) }
  const given = [header, query, body].filter((place) => place !== undefined)
  const text = aws === undefined && given.length === 1 && given[0] !== undefined ? reader.text(given[0], 'in') : null
  if (text === null || !PLACE.test(text.value)) {
    reader.invalid(
      node.at,
      'in names one place of a request',
      'for example in: { header: authorization }, { query: token }, { body: auth.token } or { aws: { service: s3 } }',
    )
    return { header: 'authorization' }
  }
  if (header !== undefined) return { header: text.value.toLowerCase() }
  return query === undefined ? { body: text.value } : { query: text.value }
}

/** As in the credential scope of a signature. */
const AWS_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/
const AWS_NAMES_MAX = 20

function readAwsScope(node: YamlNode, reader: TreeReader): AwsScope {
  const { service, regions } = reader.fields(node, 'aws', ['service', 'regions'])
  if (service === undefined)
    reader.invalid(node.at, 'aws names no service', 'for example in: { aws: { service: s3, regions: [eu-central-1] } }')
  return {
    services: service === undefined ? [] : readAwsNames(service, 'service', 's3', reader),
    regions: regions === undefined ? null : readAwsNames(regions, 'regions', 'eu-central-1', reader),
  }
}

/** Each compared as a whole: there is no wildcard. */
function readAwsNames(node: YamlNode, what: string, example: string, reader: TreeReader): readonly string[] {
  const names = reader.texts(node, what)
  if (names.length === 0 || names.length > AWS_NAMES_MAX) reader.invalid(node.at, `${what} has to name 1 to ${AWS_NAMES_MAX}`)
  for (const { value, at } of names)
    if (!AWS_NAME.test(value))
      reader.invalid(at, `${quote(value)} cannot be one of ${what}`, `for example ${example}; there is no wildcard`)
  return names.map(({ value }) => value)
}

export function readWhen(node: YamlNode | undefined, reader: TreeReader): GrantConditions {
  const fields = node === undefined ? {} : reader.fields(node, 'when', CONDITION_KEYS)
  const texts = (key: 'events' | 'environments' | 'actors'): readonly string[] | null => {
    const value = fields[key]
    return value === undefined ? null : reader.texts(value, key).map((text) => text.value)
  }
  return {
    refs: fields.refs === undefined ? null : readPatterns(fields.refs, 'refs', 'refs/heads/main', reader),
    events: texts('events'),
    environments: texts('environments'),
    actors: texts('actors'),
  }
}

/** Patterns of paths without their first `/`. */
export function readPatterns(node: YamlNode, what: string, example: string, reader: TreeReader): readonly PathPattern[] {
  return reader.texts(node, what).flatMap(({ value, at }) => {
    const pattern = parsePathPattern(`/${value}`)
    if (!isFlaw(pattern) && !value.startsWith('/')) return [pattern]
    reader.invalid(
      at,
      `${quote(value)} cannot be one of ${what}`,
      `for example ${example}; a wildcard is a whole segment: *, or ** as the last`,
    )
    return []
  })
}
