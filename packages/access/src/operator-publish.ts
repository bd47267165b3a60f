// SPDX-License-Identifier: Apache-2.0
import { quote } from '@sallyport/core'
import { isFlaw, parseNamePattern } from './host-pattern.ts'
import { type PathPattern, parsePathPattern } from './path-pattern.ts'
import { PUBLISH_METHODS, type PublishCeiling, type PublishCeilingEntry } from './publish-contract.ts'
import { readBytes } from './rule-conditions.ts'
import { readPatterns, readWhen } from './secret-syntax.ts'
import type { TreeReader } from './tree-reader.ts'
import type { YamlNode, YamlText } from './yaml-tree.ts'

/** Of all artifacts of a job: they are on the disk of the state directory while they are sent. */
const BYTES_DEFAULT = 512 * 2 ** 20
const BYTES_MAX = 2 * 2 ** 30

/** Without a word of the operator. */
export const PUBLISH_DEFAULT: PublishCeiling = { allow: null, bytesMax: BYTES_DEFAULT }

/** `publish:` of the operator's file. */
export function readPublishCeiling(node: YamlNode | undefined, reader: TreeReader): PublishCeiling {
  if (node === undefined) return PUBLISH_DEFAULT
  const { allow, bytes } = reader.fields(node, 'publish', ['allow', 'bytes'])
  const bytesMax = readBytes(bytes, 'publish.bytes', reader) ?? BYTES_DEFAULT
  if (bytesMax > BYTES_MAX) reader.invalid(node.at, 'publish.bytes is more than a job may hand over', 'at most 2GiB')
  const entries = allow === undefined ? null : reader.list(allow, 'publish.allow').flatMap((item) => readEntry(item, reader) ?? [])
  return { allow: entries, bytesMax }
}

function readEntry(node: YamlNode, reader: TreeReader): PublishCeilingEntry | null {
  const fields = reader.fields(node, 'an entry of publish.allow', ['to', 'methods', 'repositories', 'when'])
  const text = fields.to === undefined ? null : reader.text(fields.to, 'to')
  const to = text === null ? null : readPlace(text, reader)
  if (fields.to === undefined)
    reader.invalid(node.at, 'an entry of publish.allow says where to', 'for example { to: https://packages.example.test/acme/** }')
  if (to === null) return null
  const { methods, repositories } = fields
  return {
    at: node.at,
    ...to,
    methods:
      methods === undefined
        ? null
        : reader.listOrOne(methods, 'methods').flatMap((item) => reader.choice(item, 'methods', PUBLISH_METHODS) ?? []),
    repositories: repositories === undefined ? null : readPatterns(repositories, 'repositories', 'acme/app', reader),
    when: readWhen(fields.when, reader),
  }
}

/** `https://HOST[:PORT][/PATTERN]`, or `oci://` so. */
function readPlace({ value, at }: YamlText, reader: TreeReader): Pick<PublishCeilingEntry, 'protocol' | 'host' | 'port' | 'paths'> | null {
  const [, protocol, name, port, path] = /^(https|oci):\/\/([^/:?#@]+)(?::([0-9]{1,5}))?(\/.*)?$/s.exec(value) ?? []
  if (name === undefined)
    return reader.invalid(at, `${quote(value)} is nowhere to publish to`, 'for example https://packages.example.test/acme/**')
  const host = parseNamePattern(name)
  if (isFlaw(host)) return reader.invalid(at, host.message, host.suggestion)
  const pattern: PathPattern | null = path === undefined ? null : readPath(path, at, reader)
  return {
    protocol: protocol === 'oci' ? 'oci' : 'https',
    host,
    port: port === undefined ? 443 : Number(port),
    paths: pattern === null ? [] : [pattern],
  }
}

function readPath(path: string, at: YamlText['at'], reader: TreeReader): PathPattern | null {
  const pattern = parsePathPattern(path)
  return isFlaw(pattern) ? reader.invalid(at, pattern.message, pattern.suggestion) : pattern
}
