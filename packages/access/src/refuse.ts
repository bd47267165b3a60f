// SPDX-License-Identifier: Apache-2.0
import { printable } from '@sallyport/core'
import type { ConnectionTarget, EgressRule, Protocol, Refusal, RefusalCode, RequestFacts, RuleOrigin, RuleSet } from './contract.ts'
import { isFlaw, parseNamePattern } from './host-pattern.ts'
import { type IpNetwork, networkContains, parseAddress, parseNetwork } from './ip-address.ts'
import { exactPattern, formatPath } from './path-pattern.ts'

/** Longer is cut: a job can put data into names and paths, and a refusal goes to terminals and files. */
const SHOWN_MAX = 200

/** Untrusted text for a message: short, and without characters that steer a terminal. */
export function shown(text: string): string {
  const clean = printable(text)
  return clean.length > SHOWN_MAX ? `${clean.slice(0, SHOWN_MAX - 1)}…` : clean
}

/** `registry.example.test:443`, `[2001:db8::1]:22`, `ntp.example.test:123/udp`. */
export function formatTarget({ name, address, port, transport }: ConnectionTarget): string {
  const host = name ?? (address?.includes(':') ? `[${address}]` : (address ?? '?'))
  return `${shown(host)}:${port}${transport === 'udp' ? '/udp' : ''}`
}

const USUAL_PORTS: Readonly<Partial<Record<Protocol, number>>> = { tls: 443, http: 80, ssh: 22 }

/** The protocol that a port stands for when nothing else is said. */
export function usualProtocol(port: number): Protocol {
  return port === 443 ? 'tls' : port === 80 ? 'http' : port === 22 ? 'ssh' : 'tcp'
}

export function usualPort(protocol: Protocol): number | null {
  return USUAL_PORTS[protocol] ?? null
}

export function formatRequest({ target, protocol, method, path }: RequestFacts): string {
  const scheme = protocol === 'tls' ? 'https' : 'http'
  const [host, port] = [target.name ?? target.address ?? '?', target.port === usualPort(protocol) ? '' : `:${target.port}`]
  return shown(`${method} ${scheme}://${host}${port}${path.text}`)
}

export function formatOrigin({ source, line }: RuleOrigin): string {
  return line === null ? source : `${source}:${line}`
}

export interface RefusalFacts {
  readonly code: RefusalCode
  readonly target: string
  readonly reason: string
  readonly nearest: EgressRule | null
  readonly set: RuleSet
  /** What would have to be added to the set; null where nothing of that kind can be. */
  readonly addition: string | null
}

export function refuse({ code, target, reason, nearest, set, addition }: RefusalFacts): Refusal {
  return {
    code: set.author === 'ceiling' ? 'ceiling' : code,
    target,
    reason: set.author === 'ceiling' ? `the operator allows less: ${reason}` : reason,
    rule: nearest === null ? null : formatOrigin(nearest.origin),
    remedy: addition === null ? null : remedyFor(set, addition),
  }
}

function remedyFor({ author, source, place }: RuleSet, addition: string): string | null {
  // An option takes HOST:PORT, and no file is read beside it.
  if (source.startsWith('--')) return addition.startsWith('{') ? null : `add ${source} ${addition}`
  const edit = `add \`- ${addition}\` to \`${place}\` in ${source}`
  return author === 'ceiling' ? `ask the operator to ${edit}` : edit
}

/** A rule for one connection, as YAML on one line. */
export function additionFor(target: ConnectionTarget, protocol: Protocol): string | null {
  const host = target.name ?? target.address
  if (host === null || host.length > SHOWN_MAX || !canBeRule(target)) return null
  if (protocol === 'udp' && target.name === null) return null
  const isUsual = protocol === usualProtocol(target.port)
  if (isUsual) return `${host.includes(':') ? yamlText(`[${host}]:${target.port}`) : `${host}:${target.port}`}`
  return `{ host: ${yamlText(host)}, port: ${target.port}, protocol: ${protocol} }`
}

/** Loopback and link-local: the gate goes there for no rule, and nobody should be advised to let it. */
const LOCAL = ['127.0.0.0/8', '169.254.0.0/16', '::1/128', 'fe80::/10'].map((cidr) => parseNetwork(cidr) as IpNetwork)

/** Names like `_https._tcp.example.test` (RFC 2782) ask for services, and are no host's. */
function canBeRule({ name, address }: ConnectionTarget): boolean {
  if (name !== null) return !isFlaw(parseNamePattern(name))
  const parsed = parseAddress(address ?? '')
  return parsed !== null && !LOCAL.some((network) => networkContains(network, parsed))
}

/** A rule for one request. Null where no rule can name it, or none that a person would want to add by copying a line. */
export function additionForRequest({ target, protocol, method, path, upgrade, graphql }: RequestFacts): string | null {
  if (target.name === null || path.text === '*' || path.text.length > SHOWN_MAX) return null
  const keys = [`host: ${target.name}`]
  if (target.port !== 443 && protocol === 'tls') keys.push(`port: ${target.port}`)
  if (protocol === 'http') keys.push(`port: ${target.port}`, 'protocol: http')
  keys.push(`methods: [${method}]`, `path: ${yamlText(formatPath(exactPattern(path)))}`)
  if (graphql) keys.push('graphql: true')
  if (upgrade !== null) keys.push('websocket: true')
  return `{ ${keys.join(', ')} }`
}

/** A scalar inside of `{ … }` or `- …`, plain where YAML reads it back as the same text. */
export function yamlText(text: string): string {
  const isPlain = /^[A-Za-z0-9/][A-Za-z0-9/._%~@+=$!*()-]*$/.test(text)
  const isOtherType = /^(true|false|null)$/i.test(text) || (/^[0-9]/.test(text) && /^[0-9a-fox.+-]+$/i.test(text))
  return isPlain && !isOtherType ? text : JSON.stringify(text)
}
