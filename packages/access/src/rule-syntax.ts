// SPDX-License-Identifier: Apache-2.0
// One rule, from a text (`registry.example.test:443`) or a map (`{ host: …, methods: [GET] }`). The defaults are documented in docs/egress.md.
import { ProblemList, printable, quote, type SourcePosition } from '@sallyport/core'
import { AccessError } from './access-error.ts'
import type { EgressRule, PortRange, Protocol, RuleOrigin } from './contract.ts'
import { type EgressEntry, PRESET_NAMES } from './egress-entry.ts'
import { type Flaw, isFlaw, parseNamePattern } from './host-pattern.ts'
import { embeddedIpv4, formatNetwork, maskNetwork, parseAddress, parseNetwork } from './ip-address.ts'
import { joinRanges, parsePortRange } from './port-range.ts'
import { usualPort, usualProtocol } from './refuse.ts'
import { CONDITION_KEYS, type Conditions, readConditions } from './rule-conditions.ts'
import { type Fields, TreeReader } from './tree-reader.ts'
import { formatYaml, type YamlNode } from './yaml-tree.ts'

type Destination = EgressRule['to']

const RULE_KEYS = ['host', 'cidr', 'port', 'ports', 'protocol', 'sni', 'preset', ...CONDITION_KEYS] as const
const PROTOCOLS: readonly Protocol[] = ['tls', 'http', 'ssh', 'tcp', 'udp']
const ORIGIN_TEXT_MAX = 200

type RuleFields = Fields<(typeof RULE_KEYS)[number]>

/**
 * A rule of the command line, e.g. of `--allow`: `HOST`, `HOST:PORT` or `HOST:FIRST-LAST`.
 * @throws AccessError ACCESS_RULE_INVALID
 */
export function parseRule(text: string, option: string): EgressRule {
  const problems = new ProblemList()
  const at: SourcePosition = { file: option, line: 1, column: 1 }
  const reader = new TreeReader(problems)
  const [entry] = readTextRule(text, at, { source: option, line: null, column: null, text: cut(text) }, reader)
  if (entry === undefined || !problems.isEmpty) throw new AccessError('ACCESS_RULE_INVALID', problems.sorted())
  return entry
}

/** An item of an `egress` list; it becomes several rules when its ports stand for different protocols. */
export function readEgressEntry(node: YamlNode, reader: TreeReader): readonly EgressEntry[] {
  const { file: source, line, column } = node.at
  const origin: RuleOrigin = { source, line, column, text: cut(formatYaml(node)) }
  if (node.kind === 'map') return readMapEntry(node, origin, reader)
  const text = reader.text(node, 'a rule')
  return text === null ? [] : readTextRule(text.value, node.at, origin, reader).map(asEntry)
}

function asEntry(rule: EgressRule): EgressEntry {
  return { kind: 'rule', rule }
}

function cut(text: string): string {
  const line = printable(text.replaceAll(/\s+/g, ' '))
  return line.length > ORIGIN_TEXT_MAX ? `${line.slice(0, ORIGIN_TEXT_MAX - 1)}…` : line
}

// ---- as a text

function readTextRule(text: string, at: SourcePosition, origin: RuleOrigin, reader: TreeReader): readonly EgressRule[] {
  const parts = splitText(text)
  if (isFlaw(parts)) {
    reader.invalid(at, parts.message, parts.suggestion)
    return []
  }
  const to = parseDestination(parts.host)
  const ports = parts.ports === null ? { first: 443, last: 443 } : parsePortRange(parts.ports)
  if (isFlaw(to)) reader.invalid(at, to.message, to.suggestion)
  if (ports === null)
    reader.invalid(at, `${quote(parts.ports ?? '')} is no port and no range of ports`, 'write for example :443 or :8000-8100')
  if (isFlaw(to) || ports === null) return []
  return [{ origin, to, ports: [ports], protocol: protocolOfRange(ports), serverName: 'required', ...readConditions({}, reader) }]
}

function splitText(text: string): { readonly host: string; readonly ports: string | null } | Flaw {
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text))
    return { message: `${quote(text)} is a URL`, suggestion: 'write HOST:PORT; paths go into a map: { host: …, path: … }' }
  const preset = /^preset:\s*(\S+)$/.exec(text)?.[1]
  if (preset !== undefined) return { message: 'a preset is a map', suggestion: `write preset: ${preset}` }
  // Brackets are for IPv6 alone.
  const bracketed = /^\[([^\]]*:[^\]]*)\](?::(.*))?$/s.exec(text)
  if (bracketed !== null) return { host: bracketed[1] ?? '', ports: bracketed[2] ?? null }
  if (text.includes('/'))
    return { message: `${quote(text)} is no host`, suggestion: 'write a network as { cidr: 192.0.2.0/24, port: 443 }' }
  const colons = text.split(':').length - 1
  if (colons > 1)
    return { message: `${quote(text)} has more than one ":"`, suggestion: 'an IPv6 address goes into brackets: [2001:db8::1]:443' }
  const [host = '', ports = null] = text.split(':')
  return { host, ports }
}

/** A name, or an address as a network of one. */
export function parseDestination(text: string): Destination | Flaw {
  const address = parseAddress(text)
  if (address !== null) return networkDestination(text)
  const pattern = parseNamePattern(text)
  return isFlaw(pattern) ? pattern : { kind: 'name', pattern }
}

function networkDestination(text: string): Destination | Flaw {
  const network = parseNetwork(text)
  if (network === null) return { message: `${quote(text)} is no network`, suggestion: 'write for example 192.0.2.0/24' }
  if (embeddedIpv4(network.address) !== null)
    return { message: `${quote(text)} is an IPv4 address in another form`, suggestion: 'write it as an IPv4 address' }
  const canonical = maskNetwork(network)
  if (canonical.address.value === network.address.value) return { kind: 'network', cidr: formatNetwork(canonical) }
  return { message: `${quote(text)} has bits behind its prefix`, suggestion: `write ${formatNetwork(canonical)}` }
}

// ---- as a map

function readMapEntry(node: YamlNode, origin: RuleOrigin, reader: TreeReader): readonly EgressEntry[] {
  const fields = reader.fields(node, 'a rule', RULE_KEYS)
  if (fields.preset !== undefined) return readPreset(fields, fields.preset, { ...origin, text: cut(presetText(fields.preset)) }, reader)
  const to = readDestination(fields, node, reader)
  const conditions = readConditions(fields, reader)
  const serverName = readServerName(fields.sni, conditions, reader)
  const doors = readDoors(fields, node, conditions, reader)
  if (to === null) return []
  const rules = doors.map((door): EgressRule => ({ origin, to, ...door, serverName, ...conditions }))
  for (const rule of rules) checkRule(rule, node.at, reader)
  return rules.map(asEntry)
}

function presetText(node: YamlNode): string {
  return `preset: ${formatYaml(node)}`
}

function readPreset(fields: RuleFields, node: YamlNode, origin: RuleOrigin, reader: TreeReader): readonly EgressEntry[] {
  for (const key of ['host', 'cidr', 'port', 'ports', 'protocol', 'sni'] as const) {
    const other = fields[key]
    if (other !== undefined)
      reader.invalid(other.at, `${key} cannot stand beside preset`, "a preset's hosts come from the package manager's configuration")
  }
  const conditions = readConditions(fields, reader)
  const name = reader.choice(node, 'preset', PRESET_NAMES)
  return name === null ? [] : [{ kind: 'preset', preset: { name, origin, ...conditions } }]
}

function readDestination({ host, cidr }: RuleFields, node: YamlNode, reader: TreeReader): Destination | null {
  if (host !== undefined && cidr !== undefined) return reader.invalid(cidr.at, 'host and cidr exclude each other', 'write two rules')
  const written = host ?? cidr
  if (written === undefined) return reader.invalid(node.at, 'the rule names no destination', 'add host: or cidr:')
  const text = reader.text(written, host === undefined ? 'cidr' : 'host')
  if (text === null) return null
  const to = host === undefined ? networkDestination(text.value) : parseDestination(withoutBrackets(text.value))
  if (!isFlaw(to)) return to
  const [, name, port] = /^([^:]*):([0-9]+)$/.exec(text.value) ?? []
  return reader.invalid(written.at, to.message, port === undefined ? to.suggestion : `write host: ${name}, port: ${port}`)
}

function withoutBrackets(text: string): string {
  return /^\[(.*:.*)\]$/s.exec(text)?.[1] ?? text
}

function readServerName(node: YamlNode | undefined, { http }: Conditions, reader: TreeReader): EgressRule['serverName'] {
  if (node === undefined) return 'required'
  const choice = reader.choice(node, 'sni', ['any'])
  if (choice !== null && http !== null)
    reader.invalid(node.at, 'sni: any cannot stand beside methods or paths', 'they need the name to be known')
  return choice ?? 'required'
}

type Door = Pick<EgressRule, 'ports' | 'protocol'>

/** The ports by protocol: without `protocol`, each port is for what it is usually for. */
function readDoors(fields: RuleFields, node: YamlNode, conditions: Conditions, reader: TreeReader): readonly Door[] {
  const asked = fields.protocol === undefined ? null : reader.choice(fields.protocol, 'protocol', PROTOCOLS)
  const ranges = readPorts(fields, reader)
  if (ranges.length === 0) {
    const port = fields.port !== undefined || fields.ports !== undefined ? null : usualPort(asked ?? 'tls')
    if (port !== null) return [{ protocol: asked ?? 'tls', ports: [{ first: port, last: port }] }]
    if (fields.port === undefined && fields.ports === undefined) reader.invalid(node.at, `protocol ${asked} has no usual port`, 'add port:')
    return []
  }
  const usual = conditions.http === null ? protocolOfRange : httpProtocolOfRange
  const protocolOf = (range: PortRange): Protocol => asked ?? usual(range)
  const protocols = [...new Set(ranges.map(protocolOf))]
  return protocols.map((protocol) => ({ protocol, ports: joinRanges(ranges.filter((range) => protocolOf(range) === protocol)) }))
}

function protocolOfRange({ first, last }: PortRange): Protocol {
  return first === last ? usualProtocol(first) : 'tcp'
}

/** With a condition on requests, anything but port 80 is terminated TLS: clear text has to be asked for. */
function httpProtocolOfRange(range: PortRange): Protocol {
  return protocolOfRange(range) === 'http' ? 'http' : 'tls'
}

function readPorts({ port, ports }: RuleFields, reader: TreeReader): readonly PortRange[] {
  if (port !== undefined && ports !== undefined) reader.invalid(ports.at, 'port and ports exclude each other', 'write ports: [80, 443]')
  const items = [...(port === undefined ? [] : [port]), ...(ports === undefined ? [] : reader.listOrOne(ports, 'ports'))]
  if (ports?.kind === 'list' && ports.items.length === 0) reader.invalid(ports.at, 'ports is empty', 'leave it out, or write ports: [443]')
  return items.flatMap((item) => {
    const text = reader.text(item, 'a port')
    const range = text === null ? null : parsePortRange(text.value)
    if (text !== null && range === null)
      reader.invalid(item.at, `${quote(text.value)} is no port and no range of ports`, 'write for example 443 or 8000-8100')
    return range === null ? [] : [range]
  })
}

/** What no single key can tell. */
export function checkRule({ to, ports, protocol, http, serverName }: EgressRule, at: SourcePosition, reader: TreeReader): void {
  if (http !== null && protocol !== 'tls' && protocol !== 'http')
    reader.invalid(at, `methods and paths cannot be told in ${protocol}`, 'they need protocol tls or http')
  if (http !== null && to.kind === 'network') reader.invalid(at, 'methods and paths need a host name', 'write host: instead of an address')
  if (serverName === 'any' && protocol !== 'tls') reader.invalid(at, `sni: any has no meaning with protocol ${protocol}`, 'leave it out')
  if (protocol !== 'udp') return
  if (to.kind !== 'name' || to.pattern.kind !== 'exact') reader.invalid(at, 'a UDP rule needs one exact host name', null)
  if (ports.length !== 1 || ports[0]?.first !== ports[0]?.last) reader.invalid(at, 'a UDP rule needs one port', null)
}
