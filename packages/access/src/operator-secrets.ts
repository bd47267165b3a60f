// SPDX-License-Identifier: Apache-2.0
import { quote } from '@sallyport/core'
import type { ProviderEntry, SecretCeiling, SettingsTree } from './secret-contract.ts'
import { readPatterns, readWhen } from './secret-syntax.ts'
import type { TreeReader } from './tree-reader.ts'
import type { YamlEntry, YamlNode } from './yaml-tree.ts'

/** Names that are taken: see GIVEN, and the embedded store. */
const RESERVED: readonly string[] = ['given', 'store']
const PROVIDER_NAME = /^[a-z][a-z0-9-]{0,62}$/
const DELIVERIES = ['placeholder', 'file', 'fd', 'env', 'publish'] as const

/** `providers:` of the operator's file. */
export function readProviders(node: YamlNode | undefined, reader: TreeReader): readonly ProviderEntry[] {
  if (node === undefined) return []
  return (reader.map(node, 'providers')?.entries ?? []).flatMap((entry) => readProvider(entry, reader) ?? [])
}

function readProvider({ key: name, keyAt: at, value }: YamlEntry, reader: TreeReader): ProviderEntry | null {
  if (!PROVIDER_NAME.test(name))
    return reader.invalid(at, `${quote(name)} cannot be the name of a provider`, 'lower case letters, digits and -')
  if (RESERVED.includes(name)) return reader.invalid(at, `${quote(name)} is there already`, 'name it otherwise')
  const map = reader.map(value, `the provider ${quote(name)}`)
  if (map === null) return null
  const kind = map.entries.find(({ key }) => key === 'kind')
  const text =
    kind === undefined
      ? reader.invalid(at, `the provider ${quote(name)} has no kind`, 'add kind: vault, aws, azure or google')
      : reader.text(kind.value, 'kind')
  if (text === null) return null
  return {
    name,
    at,
    kind: text.value,
    settings: settingsOf(
      map.entries.filter(({ key }) => key !== 'kind'),
      reader,
    ),
  }
}

function settingsOf(entries: readonly YamlEntry[], reader: TreeReader): SettingsTree {
  return Object.fromEntries(entries.map(({ key, value }) => [key, settingOf(key, value, reader)]))
}

function settingOf(key: string, node: YamlNode, reader: TreeReader): SettingsTree[string] {
  if (node.kind === 'map') return settingsOf(node.entries, reader)
  if (node.kind === 'list') return reader.texts(node, quote(key)).map(({ value }) => value)
  return reader.text(node, quote(key))?.value ?? ''
}

/** `secrets:` of the operator's file; null: no ceiling on what a repository asks its providers for. */
export function readSecretCeiling(node: YamlNode | undefined, reader: TreeReader): readonly SecretCeiling[] | null {
  if (node === undefined) return null
  const { allow } = reader.fields(node, 'secrets', ['allow'])
  if (allow === undefined) {
    reader.invalid(node.at, 'secrets allows nothing', 'write secrets: { allow: [] } where that is meant')
    return []
  }
  return reader.list(allow, 'secrets.allow').map((item) => readEntry(item, reader))
}

function readEntry(node: YamlNode, reader: TreeReader): SecretCeiling {
  const fields = reader.fields(node, 'an entry of secrets.allow', ['from', 'paths', 'repositories', 'deliver', 'when'])
  if (fields.from === undefined || fields.paths === undefined)
    reader.invalid(
      node.at,
      'an entry of secrets.allow says from which provider, and which paths',
      'for example { from: openbao, paths: [kv/ci/**] }',
    )
  return {
    at: node.at,
    from: fields.from === undefined ? [] : reader.texts(fields.from, 'from').map(({ value }) => value),
    paths: fields.paths === undefined ? [] : readPatterns(fields.paths, 'paths', 'kv/ci/**', reader),
    repositories: fields.repositories === undefined ? null : readPatterns(fields.repositories, 'repositories', 'acme/app', reader),
    deliveries:
      fields.deliver === undefined
        ? null
        : reader.listOrOne(fields.deliver, 'deliver').flatMap((item) => reader.choice(item, 'deliver', DELIVERIES) ?? []),
    when: readWhen(fields.when, reader),
  }
}
