// SPDX-License-Identifier: Apache-2.0
import { quote } from '@sallyport/core'
import { ENTRIES_MAX, readEgress, readSourceTree, type SourceTree } from './access-file.ts'
import { type AccessLimits, readLimits } from './access-limits.ts'
import { type EgressEntry, rulesOf } from './egress-entry.ts'
import { isFlaw, parseNamePattern } from './host-pattern.ts'
import type { OperatorIdentity } from './identity-contract.ts'
import { readOperatorIdentity } from './identity-syntax.ts'
import { type OperatorImages, readOperatorImages } from './image-syntax.ts'
import { embeddedIpv4, formatAddress, formatNetwork, maskNetwork, parseAddress, parseNetwork } from './ip-address.ts'
import { type IsolationCeiling, readIsolationCeiling } from './operator-isolation.ts'
import { readPublishCeiling } from './operator-publish.ts'
import { type RotationEntry, readRotation } from './operator-rotation.ts'
import { readProviders, readSecretCeiling } from './operator-secrets.ts'
import { parsePortRange } from './port-range.ts'
import type { PublishCeiling } from './publish-contract.ts'
import { readBytes } from './rule-conditions.ts'
import type { ProviderEntry, SecretCeiling } from './secret-contract.ts'
import { readFileWith, type TreeReader } from './tree-reader.ts'
import { checkVainConditions } from './vain-conditions.ts'
import type { YamlNode, YamlText } from './yaml-tree.ts'

/** The ceiling: what no job of this machine gets more than, whatever a repository asks for. */
export interface OperatorFile {
  readonly source: string
  readonly egress: OperatorEgress
  /** The most that a job may have. */
  readonly limits: AccessLimits
  readonly isolation: IsolationCeiling
  readonly hostLogs: HostLogNeeds
  /** For every job of this machine; null: whoever asks decides. */
  readonly sourceTree: SourceTree | null
  /** Secrets managers, by the names that access files use. */
  readonly providers: readonly ProviderEntry[]
  /** What repositories may read there; null: whatever they ask for. */
  readonly secrets: readonly SecretCeiling[] | null
  /** Of secrets at managers: how old they may get, and how they are replaced. */
  readonly rotation: readonly RotationEntry[]
  /** Who issues identity tokens here; null: nobody, so no step can be granted one. */
  readonly identity: OperatorIdentity | null
  readonly publish: PublishCeiling
  readonly images: OperatorImages
}

/** `required`: no job runs without. `available`: it is read where it exists. */
export type HostLogNeed = 'required' | 'available' | 'off'

/** Which of the host's own logs go into the transparency log while jobs run. */
export type HostLogNeeds = Readonly<Record<(typeof HOST_LOGS)[number], HostLogNeed>>

const HOST_LOGS = ['kernel', 'auth', 'journal'] as const
const HOST_LOG_NEEDS: readonly HostLogNeed[] = ['required', 'available', 'off']

/** Without a word of the operator. */
export const HOST_LOGS_DEFAULT: HostLogNeeds = { kernel: 'available', auth: 'available', journal: 'available' }

export interface OperatorEgress {
  /** Null: no ceiling on destinations. Empty: nothing leaves. */
  readonly allow: readonly EgressEntry[] | null
  /** CIDRs beyond the public internet that may be reached. */
  readonly private: readonly string[]
  /** Whether `--egress observe` is possible, which blocks nothing that `allow` allows. */
  readonly observe: boolean
  /** Absolute paths of PEM files that upstream servers are verified against. */
  readonly authorities: readonly string[]
  /** `address` or `address:port`, IPv6 in brackets. */
  readonly nameServers: readonly string[]
  /** Names with fixed addresses. */
  readonly hosts: Readonly<Record<string, readonly string[]>>
  /** Of a whole job; null for none. */
  readonly bytesOut: number | null
}

const EGRESS_KEYS = ['allow', 'private', 'observe', 'authorities', 'nameServers', 'hosts', 'budget'] as const
const HOSTS_MAX = 4096

/** @throws AccessError ACCESS_CEILING_INVALID with every problem */
export function parseOperatorFile(source: string, text: string): Promise<OperatorFile> {
  return readFileWith(source, text, 'ACCESS_CEILING_INVALID', (root, reader) => {
    const fields = reader.fields(root, 'the file', [
      'version',
      'egress',
      'limits',
      'isolation',
      'hostLogs',
      'source',
      'providers',
      'secrets',
      'rotation',
      'identity',
      'publish',
      'images',
      'registries',
    ])
    reader.version(fields.version, root)
    return {
      source,
      egress: readOperatorEgress(fields.egress, reader),
      limits: readLimits(fields.limits, reader),
      isolation: readIsolationCeiling(fields.isolation, reader),
      hostLogs: readHostLogs(fields.hostLogs, reader),
      sourceTree: readSourceTree(fields.source, reader),
      providers: readProviders(fields.providers, reader),
      secrets: readSecretCeiling(fields.secrets, reader),
      rotation: readRotation(fields.rotation, reader),
      identity: readOperatorIdentity(fields.identity, reader),
      publish: readPublishCeiling(fields.publish, reader),
      images: readOperatorImages(fields.images, fields.registries, reader),
    }
  })
}

/** One word for all of them, or one for each. */
function readHostLogs(node: YamlNode | undefined, reader: TreeReader): HostLogNeeds {
  if (node === undefined) return HOST_LOGS_DEFAULT
  const needOf = (one: YamlNode | undefined, what: string): HostLogNeed =>
    (one === undefined ? null : reader.choice(one, what, HOST_LOG_NEEDS)) ?? 'available'
  if (node.kind === 'text') {
    const need = needOf(node, 'hostLogs')
    return { kernel: need, auth: need, journal: need }
  }
  const { kernel, auth, journal } = reader.fields(node, 'hostLogs', HOST_LOGS)
  return { kernel: needOf(kernel, 'kernel'), auth: needOf(auth, 'auth'), journal: needOf(journal, 'journal') }
}

function readOperatorEgress(node: YamlNode | undefined, reader: TreeReader): OperatorEgress {
  const fields = node === undefined ? {} : reader.fields(node, 'egress', EGRESS_KEYS)
  const texts = (key: 'private' | 'authorities' | 'nameServers'): readonly YamlText[] => {
    const value = fields[key]
    return value === undefined ? [] : reader.texts(value, key)
  }
  const budget = fields.budget === undefined ? {} : reader.fields(fields.budget, 'budget', ['out'])
  return {
    allow: fields.allow === undefined ? null : readAllow(fields.allow, reader),
    private: texts('private').flatMap((text) => readPrivate(text, reader) ?? []),
    observe: reader.boolean(fields.observe, 'observe'),
    authorities: texts('authorities').flatMap((text) => readAbsolutePath(text, reader) ?? []),
    nameServers: texts('nameServers').flatMap((text) => readNameServer(text, reader) ?? []),
    hosts: readHosts(fields.hosts, reader),
    bytesOut: readBytes(budget.out, 'budget.out', reader),
  }
}

function readAllow(node: YamlNode, reader: TreeReader): readonly EgressEntry[] {
  const entries = readEgress(node, reader)
  if (entries.length > ENTRIES_MAX) reader.invalid(node.at, `allow has ${entries.length} rules, and at most ${ENTRIES_MAX} are possible`)
  else checkVainConditions(rulesOf(entries), [], reader)
  return entries
}

function readPrivate({ value, at }: YamlText, reader: TreeReader): string | null {
  const network = parseNetwork(value)
  if (network === null) return reader.invalid(at, `${quote(value)} is no network`, 'for example 10.0.0.0/8')
  if (embeddedIpv4(network.address) !== null)
    return reader.invalid(at, `${quote(value)} is an IPv4 network in another form`, 'write it as IPv4')
  const canonical = formatNetwork(maskNetwork(network))
  return canonical === formatNetwork(network)
    ? canonical
    : reader.invalid(at, `${quote(value)} has bits behind its prefix`, `write ${canonical}`)
}

function readAbsolutePath({ value, at }: YamlText, reader: TreeReader): string | null {
  return value.startsWith('/') && !value.includes('\0')
    ? value
    : reader.invalid(at, `${quote(value)} is no absolute path`, 'begin it with /')
}

function readNameServer({ value, at }: YamlText, reader: TreeReader): string | null {
  const [, bracketed, plain = '', port] = /^(?:\[([^\]]*)\]|([^:]*))(?::([0-9]+))?$/.exec(value) ?? []
  const address = parseAddress(bracketed ?? plain)
  const isPort = port === undefined || (parsePortRange(port) !== null && !port.startsWith('0'))
  if (address !== null && isPort && (bracketed === undefined) === (address.version === 4)) return value
  return reader.invalid(at, `${quote(value)} is no name server`, 'for example 192.0.2.53, 192.0.2.53:5353 or [2001:db8::53]:53')
}

function readHosts(node: YamlNode | undefined, reader: TreeReader): Readonly<Record<string, readonly string[]>> {
  const entries = node === undefined ? [] : (reader.map(node, 'hosts')?.entries ?? [])
  if (node !== undefined && entries.length > HOSTS_MAX) reader.invalid(node.at, `hosts has more than ${HOSTS_MAX} names`)
  const hosts = entries.map(({ key, keyAt, value }) => {
    const pattern = parseNamePattern(key)
    if (isFlaw(pattern)) reader.invalid(keyAt, pattern.message, pattern.suggestion)
    else if (pattern.kind === 'suffix') reader.invalid(keyAt, `${quote(key)} is many names`, 'name each one')
    const addresses = reader.texts(value, `the addresses of ${quote(key)}`).flatMap((text) => readAddress(text, reader) ?? [])
    return [isFlaw(pattern) ? key : pattern.name, addresses] as const
  })
  return Object.fromEntries(hosts)
}

function readAddress({ value, at }: YamlText, reader: TreeReader): string | null {
  const address = parseAddress(value)
  return address === null ? reader.invalid(at, `${quote(value)} is no address`, 'for example 192.0.2.1') : formatAddress(address)
}
