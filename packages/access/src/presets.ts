// SPDX-License-Identifier: Apache-2.0
import { ProblemList } from '@sallyport/core'
import { AccessError } from './access-error.ts'
import { type AccessFile, entriesOf, mapEntries } from './access-file.ts'
import type { EgressRule, Protocol, RuleOrigin } from './contract.ts'
import type { EgressEntry, PresetName, PresetRequest } from './egress-entry.ts'
import { isFlaw } from './host-pattern.ts'
import type { OperatorFile } from './operator-file.ts'
import { formatOrigin } from './refuse.ts'
import { checkRule, parseDestination } from './rule-syntax.ts'
import { TreeReader } from './tree-reader.ts'

export interface PresetEndpoint {
  /** A name, or an address without brackets. */
  readonly host: string
  readonly port: number
  readonly protocol: Exclude<Protocol, 'udp'>
}

/** What a package manager's own configuration on this machine comes to. */
export interface PresetHosts {
  readonly endpoints: readonly PresetEndpoint[]
  /** Sentences: why there is no endpoint, or why there may be more than these. */
  readonly problems: readonly string[]
}

/** The answers for all presets that a file names. */
export type ResolvedPresets = Readonly<Partial<Record<PresetName, PresetHosts>>>

export interface Expanded<File> {
  readonly file: File
  /** For people: what may be missing. */
  readonly notices: readonly string[]
}

export function presetsIn(entries: readonly EgressEntry[]): readonly PresetName[] {
  return [...new Set(entries.flatMap((entry) => (entry.kind === 'preset' ? [entry.preset.name] : [])))]
}

export function presetsOf(file: AccessFile): readonly PresetName[] {
  return presetsIn(entriesOf(file))
}

/**
 * The file with a rule for each host that its presets mean here.
 * @throws AccessError ACCESS_PRESET_UNRESOLVED where a preset has no hosts, or hosts that no rule can name
 * @throws TypeError when `resolved` lacks one of {@link presetsOf}
 */
export function expandPresets(file: AccessFile, resolved: ResolvedPresets): Expanded<AccessFile> {
  const expander = new Expander(resolved)
  return expander.done(mapEntries(file, (entries) => expander.expand(entries)))
}

/** The same for the operator's. */
export function expandOperatorPresets(file: OperatorFile, resolved: ResolvedPresets): Expanded<OperatorFile> {
  const { allow } = file.egress
  if (allow === null) return { file, notices: [] }
  const expander = new Expander(resolved)
  return expander.done({ ...file, egress: { ...file.egress, allow: expander.expand(allow) } })
}

class Expander {
  readonly #resolved: ResolvedPresets
  readonly #problems = new ProblemList()
  readonly #reader = new TreeReader(this.#problems)
  readonly #notices = new Set<string>()

  constructor(resolved: ResolvedPresets) {
    this.#resolved = resolved
  }

  done<File>(file: File): Expanded<File> {
    if (!this.#problems.isEmpty) throw new AccessError('ACCESS_PRESET_UNRESOLVED', this.#problems.sorted())
    return { file, notices: [...this.#notices] }
  }

  expand(entries: readonly EgressEntry[]): readonly EgressEntry[] {
    return entries.flatMap((entry) =>
      entry.kind === 'rule' ? [entry] : this.#rules(entry.preset).map((rule) => ({ kind: 'rule', rule }) as const),
    )
  }

  #rules({ name, origin, ...conditions }: PresetRequest): readonly EgressRule[] {
    const hosts = this.#resolved[name]
    if (hosts === undefined) throw new TypeError(`nobody looked up the preset ${name}`)
    const { endpoints, problems } = hosts
    if (endpoints.length === 0) {
      this.#reader.invalid(
        positionOf(origin),
        `the preset ${name} means no host here: ${problems.join('; ') || 'none is configured'}`,
        'name the hosts instead',
      )
    }
    for (const problem of problems) this.#notices.add(`${formatOrigin(origin)}: preset ${name}: ${problem}`)
    return endpoints.flatMap((endpoint) => this.#rule(endpoint, { origin, ...conditions }) ?? [])
  }

  #rule({ host, port, protocol }: PresetEndpoint, shared: Omit<PresetRequest, 'name'>): EgressRule | null {
    const at = positionOf(shared.origin)
    const to = parseDestination(host)
    if (isFlaw(to)) return this.#reader.invalid(at, to.message, to.suggestion)
    const rule: EgressRule = { ...shared, to, ports: [{ first: port, last: port }], protocol, serverName: 'required' }
    checkRule(rule, at, this.#reader)
    return rule
  }
}

function positionOf({ source, line, column }: RuleOrigin): { readonly file: string; readonly line: number; readonly column: number } {
  return { file: source, line: line ?? 1, column: column ?? 1 }
}
