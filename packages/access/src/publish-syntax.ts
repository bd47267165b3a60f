// SPDX-License-Identifier: Apache-2.0
import { quote } from '@sallyport/core'
import { isFlaw, matchesName, parseNamePattern } from './host-pattern.ts'
import { normalisePath } from './normal-path.ts'
import { PUBLISH_METHODS, type PublishEntry, type PublishProtocol, type PublishTarget } from './publish-contract.ts'
import type { SecretDeclaration } from './secret-contract.ts'
import { readWhen } from './secret-syntax.ts'
import type { TreeReader } from './tree-reader.ts'
import type { YamlNode, YamlText } from './yaml-tree.ts'

const ENTRY_KEYS = ['name', 'path', 'to', 'method', 'secret', 'in', 'when'] as const
const NAME = /^[a-z0-9][a-z0-9._-]{0,62}$/

/** All artifacts of a job are kept on disk at a time. */
const ENTRIES_MAX = 20
const PATH_LENGTH_MAX = 1024

/** `publish:` of a job. `declared`: the secrets of the file. */
export function readPublish(
  node: YamlNode | undefined,
  declared: readonly SecretDeclaration[],
  reader: TreeReader,
): readonly PublishEntry[] {
  if (node === undefined) return []
  const items = reader.list(node, 'publish')
  if (items.length > ENTRIES_MAX)
    reader.invalid(node.at, `publish has ${items.length} entries, and at most ${ENTRIES_MAX} are possible in one job`)
  const entries = items.flatMap((item) => readEntry(item, declared, reader) ?? [])
  for (const [index, { name, at }] of entries.entries())
    if (entries.findIndex((other) => other.name === name) < index) reader.invalid(at, `the artifact ${quote(name)} is there twice`)
  return entries
}

function readEntry(node: YamlNode, declared: readonly SecretDeclaration[], reader: TreeReader): PublishEntry | null {
  const fields = reader.fields(node, 'an entry of publish', ENTRY_KEYS)
  if (fields.name === undefined || fields.path === undefined || fields.to === undefined)
    return reader.invalid(
      node.at,
      'an entry of publish has a name, a path and where to',
      "for example { name: package, path: dist/app.tgz, to: 'https://packages.example.test/acme/app.tgz', secret: TOKEN }",
    )
  const name = reader.text(fields.name, 'name')
  const path = readFilePath(fields.path, reader)
  const to = readTarget(fields.to, reader)
  const method = fields.method === undefined ? 'PUT' : reader.choice(fields.method, 'method', PUBLISH_METHODS)
  if (name !== null && !NAME.test(name.value))
    return reader.invalid(name.at, `${quote(name.value)} cannot be the name of an artifact`, 'lower case letters, digits, ., _ and -')
  if (name === null || path === null || to === null || method === null) return null
  if (fields.method !== undefined && to.protocol === 'oci')
    return reader.invalid(fields.method.at, 'an image is pushed, and has no method', 'leave it out')
  const credential = readCredential(fields, to, declared, reader)
  return { name: name.value, at: node.at, path, to, method, credential, when: readWhen(fields.when, reader) }
}

/** Below the workspace; the pump follows no link there. */
function readFilePath(node: YamlNode, reader: TreeReader): string | null {
  const text = reader.text(node, 'path')
  if (text === null) return null
  const parts = text.value.split('/')
  const isPlain = parts.every((part) => part !== '' && part !== '.' && part !== '..') && !/[\x00-\x1f\x7f]/.test(text.value)
  if (isPlain && text.value.length <= PATH_LENGTH_MAX) return text.value
  return reader.invalid(text.at, `${quote(text.value)} is no path of a file in the workspace`, 'for example dist/app.tgz')
}

function readTarget(node: YamlNode, reader: TreeReader): PublishTarget | null {
  const text = reader.text(node, 'to')
  if (text === null) return null
  const [, scheme, name, port, rest] = /^(https|oci):\/\/([^/:?#@]+)(?::([0-9]{1,5}))?(\/.*)$/s.exec(text.value) ?? []
  if (name === undefined || rest === undefined)
    return reader.invalid(
      text.at,
      `${quote(text.value)} is no address to publish to`,
      'for example https://packages.example.test/acme/app.tgz or oci://registry.example.test/acme/app:1.0; what is published goes by TLS only',
    )
  return readParts({ text, protocol: scheme === 'oci' ? 'oci' : 'https', name, port, rest }, reader)
}

interface TargetParts {
  readonly text: YamlText
  readonly protocol: PublishProtocol
  readonly name: string
  readonly port: string | undefined
  readonly rest: string
}

function readParts({ text, protocol, name, port, rest }: TargetParts, reader: TreeReader): PublishTarget | null {
  const pattern = parseNamePattern(name)
  if (isFlaw(pattern)) return reader.invalid(text.at, pattern.message, pattern.suggestion)
  if (pattern.kind === 'suffix') return reader.invalid(text.at, `${quote(name)} is many names`, 'name the one to publish to')
  const number = port === undefined ? 443 : Number(port)
  if (number < 1 || number > 65_535) return reader.invalid(text.at, `${quote(port ?? '')} is no port`, 'from 1 to 65535')
  const [, repository, tag = null] = protocol === 'oci' ? (IMAGE.exec(rest) ?? []) : ['', rest]
  if (repository === undefined)
    return reader.invalid(
      text.at,
      `${quote(rest)} is no image`,
      'for example oci://registry.example.test/acme/app:1.0, in lower case, with a tag',
    )
  const path = normalisePath(repository)
  if (!path.ok) return reader.invalid(text.at, path.refusal.reason, null)
  return { protocol, host: pattern.name, port: number, path: path.path, tag }
}

/** Repository and tag as OCI distribution 1.1 has them ("Pulling manifests"). */
const IMAGE = /^((?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)+):([A-Za-z0-9_][A-Za-z0-9._-]{0,127})$/

/** A field name (RFC 9110 section 5.1). */
const HEADER = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$/
const PREFIX = /^[\x20-\x7e]{0,64}$/

/** Those that say how the request itself is read; a credential there would make another request of it. */
const OWN_HEADERS: readonly string[] = [
  'connection',
  'content-length',
  'content-type',
  'expect',
  'host',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]

function readCredential(
  fields: { readonly secret?: YamlNode; readonly in?: YamlNode },
  to: PublishTarget,
  declared: readonly SecretDeclaration[],
  reader: TreeReader,
): PublishEntry['credential'] {
  if (fields.in !== undefined && to.protocol === 'oci')
    return reader.invalid(fields.in.at, 'a registry says itself where it wants a credential', 'leave out in; the secret is USER:PASSWORD')
  if (fields.secret === undefined)
    return fields.in === undefined
      ? null
      : reader.invalid(fields.in.at, 'in says where a secret goes, and none is named', 'add secret: NAME')
  const secret = reader.text(fields.secret, 'secret')
  if (secret === null) return null
  const declaration = declared.find(({ name }) => name === secret.value.toUpperCase())
  if (declaration === undefined)
    return reader.invalid(
      secret.at,
      `the secret ${quote(secret.value)} is not declared`,
      `add it to secrets at the end of the file: secrets: { ${secret.value}: { hosts: [${to.host}] } }`,
    )
  if (!declaration.hosts.some((pattern) => matchesName(pattern, to.host)))
    return reader.invalid(secret.at, `the secret ${declaration.name} is not for ${to.host}`, `add ${to.host} to hosts of its declaration`)
  return { secret: declaration.name, place: to.protocol === 'oci' ? null : readPlace(fields.in, reader) }
}

function readPlace(node: YamlNode | undefined, reader: TreeReader): { readonly header: string; readonly prefix: string } {
  if (node === undefined) return { header: 'authorization', prefix: 'Bearer ' }
  const fields = reader.fields(node, 'in', ['header', 'prefix'])
  const header = fields.header === undefined ? null : reader.text(fields.header, 'header')
  const prefix = fields.prefix === undefined ? '' : (reader.text(fields.prefix, 'prefix')?.value ?? '')
  if (!PREFIX.test(prefix)) reader.invalid(node.at, `${quote(prefix)} cannot stand in a header`, 'printable ASCII')
  if (header !== null && HEADER.test(header.value) && !OWN_HEADERS.includes(header.value.toLowerCase()))
    return { header: header.value.toLowerCase(), prefix }
  reader.invalid(node.at, 'in names a header that a credential can be in', "for example in: { header: authorization, prefix: 'Bearer ' }")
  return { header: 'authorization', prefix }
}
