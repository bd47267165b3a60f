// SPDX-License-Identifier: Apache-2.0
import { quote } from '@sallyport/core'
import { type IdentityGrant, isAudience, type OperatorIdentity } from './identity-contract.ts'
import { readWhen } from './secret-syntax.ts'
import type { TreeReader } from './tree-reader.ts'
import type { YamlNode } from './yaml-tree.ts'

/** A step that speaks with more services than this is several steps. */
const AUDIENCES_MAX = 20

/** `identity:` of a step. */
export function readIdentityGrant(node: YamlNode | undefined, reader: TreeReader): IdentityGrant | null {
  if (node === undefined) return null
  const { audiences, when } = reader.fields(node, 'identity', ['audiences', 'when'])
  if (audiences === undefined)
    return reader.invalid(node.at, 'identity names no audience', 'for example identity: { audiences: [https://vault.example.test] }')
  const names = readAudiences(audiences, reader)
  if (names.length === 0) return null
  return { at: node.at, audiences: names, when: readWhen(when, reader) }
}

function readAudiences(node: YamlNode, reader: TreeReader): readonly string[] {
  const names = reader.texts(node, 'audiences').flatMap(({ value, at }) => {
    if (isAudience(value)) return [value]
    reader.invalid(at, `${quote(value)} cannot be an audience`, '1 to 255 visible ASCII characters and no *: it is compared as a whole')
    return []
  })
  if (node.kind === 'list' && node.items.length === 0) reader.invalid(node.at, 'audiences is empty', 'name one, or leave identity out')
  if (names.length > AUDIENCES_MAX)
    reader.invalid(node.at, `audiences has ${names.length} entries, and at most ${AUDIENCES_MAX} are possible`)
  if (new Set(names).size !== names.length) reader.invalid(node.at, 'an audience is named twice', 'name each once')
  return names
}

/** `identity:` of the operator's file. Whether the issuer is one is for packages/identity to say, which signs as it. */
export function readOperatorIdentity(node: YamlNode | undefined, reader: TreeReader): OperatorIdentity | null {
  if (node === undefined) return null
  const { issuer } = reader.fields(node, 'identity', ['issuer'])
  if (issuer === undefined)
    return reader.invalid(node.at, 'identity names no issuer', 'for example identity: { issuer: https://ci.example.test }')
  const text = reader.text(issuer, 'issuer')
  return text === null ? null : { at: node.at, issuer: text.value }
}
