// SPDX-License-Identifier: Apache-2.0
import { parseDurationMs, quote } from '@sallyport/core'
import {
  type AudienceGrant,
  type IdentityCeiling,
  type IdentityGrant,
  isAudience,
  type OperatorIdentity,
  TOKEN_ALGORITHMS,
  TOKEN_LIFETIME_S,
} from './identity-contract.ts'
import { readConditions } from './rule-conditions.ts'
import { readHosts, readPatterns, readPlace, readWhen } from './secret-syntax.ts'
import type { Fields, TreeReader } from './tree-reader.ts'
import type { YamlNode } from './yaml-tree.ts'

/** A step that speaks with more services than this is several steps. */
const AUDIENCES_MAX = 20

/** `identity:` of a step. */
export function readIdentityGrant(node: YamlNode | undefined, reader: TreeReader): IdentityGrant | null {
  if (node === undefined) return null
  const { audiences, when } = reader.fields(node, 'identity', ['audiences', 'when'])
  if (audiences === undefined)
    return reader.invalid(node.at, 'identity names no audience', 'for example identity: { audiences: [https://vault.example.test] }')
  const granted = readAudiences(audiences, reader)
  if (granted.length === 0) return null
  return { at: node.at, audiences: granted, when: readWhen(when, reader) }
}

function readAudiences(node: YamlNode, reader: TreeReader): readonly AudienceGrant[] {
  const granted = reader.listOrOne(node, 'audiences').flatMap((item) => readAudience(item, reader) ?? [])
  if (node.kind === 'list' && node.items.length === 0) reader.invalid(node.at, 'audiences is empty', 'name one, or leave identity out')
  if (granted.length > AUDIENCES_MAX)
    reader.invalid(node.at, `audiences has ${granted.length} entries, and at most ${AUDIENCES_MAX} are possible`)
  if (new Set(granted.map(({ audience }) => audience)).size !== granted.length)
    reader.invalid(node.at, 'an audience is named twice', 'name each once')
  return granted
}

/** A text, or a map that says more. */
function readAudience(node: YamlNode, reader: TreeReader): AudienceGrant | null {
  if (node.kind !== 'map') {
    const audience = readName(node, 'each of audiences', reader)
    return audience === null ? null : { audience, placeholder: null, algorithm: null, lifetimeS: null }
  }
  const fields = reader.fields(node, 'an audience', ['audience', 'hosts', 'in', 'methods', 'path', 'paths', 'algorithm', 'lifetime'])
  if (fields.audience === undefined)
    return reader.invalid(
      node.at,
      'an audience has no name',
      'for example { audience: https://vault.example.test, hosts: [vault.example.test] }',
    )
  const audience = readName(fields.audience, 'audience', reader)
  const placeholder = readTokenPlace(fields, reader)
  const algorithm = fields.algorithm === undefined ? null : reader.choice(fields.algorithm, 'algorithm', TOKEN_ALGORITHMS)
  const lifetimeS = readLifetime(fields.lifetime, reader)
  return audience === null ? null : { audience, placeholder, algorithm, lifetimeS }
}

function readName(node: YamlNode, what: string, reader: TreeReader): string | null {
  const text = reader.text(node, what)
  if (text === null || isAudience(text.value)) return text?.value ?? null
  return reader.invalid(
    text.at,
    `${quote(text.value)} cannot be an audience`,
    '1 to 255 visible ASCII characters and no *: it is compared as a whole',
  )
}

type PlaceFields = Fields<'hosts' | 'in' | 'methods' | 'path' | 'paths'>

/** Where hosts are named, the gate puts the token in there, and the step never has it. */
function readTokenPlace(fields: PlaceFields, reader: TreeReader): AudienceGrant['placeholder'] {
  const { hosts, methods, path, paths } = fields
  const inGate = [fields.in, methods, path, paths].find((node) => node !== undefined)
  if (hosts === undefined) {
    if (inGate !== undefined) reader.invalid(inGate.at, 'an audience without hosts is given to the step itself', 'add hosts: [HOST]')
    return null
  }
  const place = readPlace(fields.in, reader)
  if ('aws' in place)
    return reader.invalid(hosts.at, 'a token signs no requests', 'for example in: { header: authorization } or { body: jwt }')
  const names = readHosts(hosts, reader)
  if (names.length === 0) reader.invalid(hosts.at, 'hosts is empty', 'name one, or leave hosts out')
  const { http } = readConditions({ ...(methods && { methods }), ...(path && { path }), ...(paths && { paths }) }, reader)
  return { hosts: names, in: place, methods: http?.methods ?? null, paths: http?.paths ?? null }
}

function readLifetime(node: YamlNode | undefined, reader: TreeReader): number | null {
  const text = node === undefined ? null : reader.text(node, 'lifetime')
  if (text === null) return null
  const seconds = (parseDurationMs(text.value) ?? Number.NaN) / 1000
  const { min, max } = TOKEN_LIFETIME_S
  if (Number.isSafeInteger(seconds) && seconds >= min && seconds <= max) return seconds
  return reader.invalid(text.at, `${quote(text.value)} is no lifetime of a token`, `${min}s to ${max / 60}m, for example 5m`)
}

/** `identity:` of the operator's file. Whether the issuer is one is for packages/identity to say, which signs as it. */
export function readOperatorIdentity(node: YamlNode | undefined, reader: TreeReader): OperatorIdentity | null {
  if (node === undefined) return null
  const { issuer, allow, lifetime } = reader.fields(node, 'identity', ['issuer', 'allow', 'lifetime'])
  if (issuer === undefined)
    return reader.invalid(node.at, 'identity names no issuer', 'for example identity: { issuer: https://ci.example.test }')
  const text = reader.text(issuer, 'issuer')
  const ceiling = allow === undefined ? null : reader.list(allow, 'identity.allow').map((item) => readCeiling(item, reader))
  return text === null ? null : { at: node.at, issuer: text.value, allow: ceiling, lifetimeMaxS: readLifetime(lifetime, reader) }
}

function readCeiling(node: YamlNode, reader: TreeReader): IdentityCeiling {
  const fields = reader.fields(node, 'an entry of identity.allow', ['audiences', 'repositories', 'deliver', 'when'])
  if (fields.audiences === undefined)
    reader.invalid(
      node.at,
      'an entry of identity.allow says for which audiences',
      'for example { audiences: [https://vault.example.test] }',
    )
  const audiences = fields.audiences === undefined ? [] : reader.listOrOne(fields.audiences, 'audiences')
  return {
    at: node.at,
    audiences: audiences.flatMap((item) => readName(item, 'each of audiences', reader) ?? []),
    repositories: fields.repositories === undefined ? null : readPatterns(fields.repositories, 'repositories', 'acme/app', reader),
    placeholderOnly: fields.deliver !== undefined && reader.choice(fields.deliver, 'deliver', ['placeholder', 'token']) === 'placeholder',
    when: readWhen(fields.when, reader),
  }
}
