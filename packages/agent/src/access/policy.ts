// SPDX-License-Identifier: Apache-2.0
import {
  type AccessFile,
  type EgressRule,
  expandOperatorPresets,
  expandPresets,
  type OperatorFile,
  type PresetHosts,
  type PresetName,
  parseAccessFile,
  parseRule,
  presetsIn,
  presetsOf,
  type ResolvedPresets,
  vainNotices,
} from '@sallyport/access'
import { ACCESS_FILE, readAccessSource, type Source } from './access-source.ts'
import { readOperator } from './load-operator.ts'
import type { PullRequestBase } from './pull-request-base.ts'

/** Everything that was asked for and set, with the hosts that presets mean here. Nothing of it is approved yet. */
export interface Policy {
  /** Null: the repository asks for nothing, or there is none. */
  readonly file: AccessFile | null
  /** What remedies name: the file, also where there is none yet; null without a repository. */
  readonly source: string | null
  readonly operator: OperatorFile | null
  /** SHA-256, hexadecimal, of the operator's file as it lies there; null without one. */
  readonly operatorDigest: string | null
  /** Of the command line. */
  readonly allow: readonly EgressRule[]
  readonly notices: readonly string[]
}

export interface PolicyPlaces {
  /** Null for `exec`, which reads no access file. */
  readonly repository: string | null
  /** Not null: the access file is read there, and not in the working tree. */
  readonly base: PullRequestBase | null
  readonly accessFile: string | null
  readonly operatorFile: string | null
  /** `--allow`, as written. */
  readonly allow: readonly string[]
}

export type AskPackageManager = (name: PresetName, repository: string | null) => Promise<PresetHosts>

/** @throws AccessError with every problem of a file; AgentError ACCESS_FILE_UNREADABLE, OPERATOR_FILE_REFUSED. */
export async function loadPolicy(places: PolicyPlaces, ask: AskPackageManager = askPackageManager): Promise<Policy> {
  const { repository } = places
  const allow = places.allow.map((text) => parseRule(text, '--allow'))
  const [source, operatorRead] = await Promise.all([readRequest(places), readOperator(places.operatorFile)])
  const operator = operatorRead?.file ?? null
  const file = await parseRequest(source)
  const names = new Set([...(file === null ? [] : presetsOf(file)), ...presetsIn(operator?.egress.allow ?? [])])
  const resolved: ResolvedPresets = Object.fromEntries(
    await Promise.all([...names].map(async (name) => [name, await ask(name, repository)] as const)),
  )
  const request = file === null ? null : expandPresets(file, resolved)
  const ceiling = operator === null ? null : expandOperatorPresets(operator, resolved)
  return {
    file: request?.file ?? null,
    source: repository === null ? null : (source?.name ?? ACCESS_FILE),
    operator: ceiling?.file ?? null,
    operatorDigest: operatorRead?.digest ?? null,
    allow,
    notices: [
      ...(request?.notices ?? []),
      ...(request === null ? [] : vainNotices(request.file, allow)),
      ...(ceiling?.notices ?? []),
      ...(ceiling === null ? [] : vainNotices({ egress: ceiling.file.egress.allow ?? [], jobs: [] }, [])),
    ],
  }
}

async function readRequest({ repository, base, accessFile }: PolicyPlaces): Promise<Source | null> {
  if (repository === null) return null
  if (base === null) return readAccessSource(repository, accessFile)
  // Few runs need git for it.
  const { readBaseSource } = await import('./base-source.spawn.ts')
  return readBaseSource(repository, accessFile, base)
}

async function parseRequest(source: Source | null): Promise<AccessFile | null> {
  return source === null ? null : parseAccessFile(source.name, source.text)
}

/** Loaded when a preset is used: most runs start no package manager. */
const askPackageManager: AskPackageManager = async (name, repository) =>
  (await import('./package-managers.spawn.ts')).readPackageManagerHosts(name, repository)
