// SPDX-License-Identifier: Apache-2.0
import { formatNetwork, type IpAddress, type IpNetwork, parseNetwork } from '@sallyport/access'
import type { GateConfig } from '../contract.ts'
import { parseNameServer } from '../names/name-server-address.ts'
import { IPV4_SPECIAL, IPV6_GLOBAL_UNICAST, IPV6_SPECIAL, METADATA_ADDRESSES } from './special-ranges.ts'

/** An entry of a list of which the first that contains a destination decides; what none contains is refused. */
export interface Reach {
  readonly allowed: boolean
  /** `address/bits`. */
  readonly network: string
  /** Null: every port. */
  readonly port: number | null
}

/**
 * Where a gate with this configuration may ever have to connect to: what check-address.ts allows, for the kernel to enforce against a gate that
 * somebody has taken over. Less exact only where an IPv6 address of the public internet carries an IPv4 address inside (ISATAP).
 * @throws TypeError for addresses or networks that are none.
 */
export function reachOf(config: GateConfig): readonly Reach[] {
  const fixed = new Map(Object.entries(config.hosts).map(([name, addresses]) => [name.toLowerCase(), addresses]))
  const opened = config.privateNetworks.map(networkOf)
  return [
    ...config.nameServers.map(parseNameServer).flatMap(({ address, port }) => entries(true, networkOf(withoutZone(address)), port)),
    ...config.trustedHosts.flatMap((name) => (fixed.get(name.toLowerCase()) ?? []).flatMap((address) => entries(true, networkOf(address)))),
    ...opened.filter(isOneAddress).flatMap((network) => entries(true, network)),
    ...METADATA_ADDRESSES.flatMap((address) => entries(false, networkOf(address))),
    ...opened.flatMap((network) => entries(true, network)),
    ...config.ownAddresses.flatMap((address) => entries(false, networkOf(address))),
    ...[...IPV4_SPECIAL, ...IPV6_SPECIAL].flatMap(({ cidr }) => entries(false, networkOf(cidr))),
    ...['0.0.0.0/0', IPV6_GLOBAL_UNICAST].flatMap((cidr) => entries(true, networkOf(cidr))),
  ]
}

/** IPv4-mapped, and NAT64 with the well-known prefix: other spellings of an IPv4 address. */
const SPELLINGS: readonly IpAddress[] = ['::ffff:0:0', '64:ff9b::'].map((text) => networkOf(text).address)

function entries(allowed: boolean, network: IpNetwork, port: number | null = null): readonly Reach[] {
  return [network, ...spellingsOf(network)].map((one) => ({ allowed, network: formatNetwork(one), port }))
}

function spellingsOf({ address, prefix }: IpNetwork): readonly IpNetwork[] {
  if (address.version === 6) return []
  return SPELLINGS.map(({ value }) => ({ address: { version: 6, value: value | address.value }, prefix: prefix + 96 }))
}

/** Of a link-local address (`fe80::1%eth0`), which resolv.conf may have. */
function withoutZone(address: string): string {
  return address.replace(/%.*$/, '')
}

function isOneAddress({ address, prefix }: IpNetwork): boolean {
  return prefix === (address.version === 4 ? 32 : 128)
}

function networkOf(text: string): IpNetwork {
  const network = parseNetwork(text)
  if (network === null) throw new TypeError(`no address or network: ${text}`)
  return network
}
