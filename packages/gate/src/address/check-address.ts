// SPDX-License-Identifier: Apache-2.0
// Which real addresses may be dialled. Untrusted: the address, which comes from whoever owns an allowed name (DNS rebinding), or from the job.
import {
  embeddedIpv4,
  formatAddress,
  formatNetwork,
  type IpAddress,
  type IpNetwork,
  networkContains,
  parseAddress,
  parseNetwork,
} from '@sallyport/access'
import type { GateConfig } from '../contract.ts'
import { embeddedAddresses } from './embedded-addresses.ts'
import { IPV4_SPECIAL, IPV6_GLOBAL_UNICAST, IPV6_SPECIAL, METADATA_ADDRESSES, type SpecialRange } from './special-ranges.ts'

export type AddressVerdict =
  /** `openedBy`: the operator's network without which it would not be; null for a public address. */
  | { readonly allowed: true; readonly openedBy: string | null }
  /** `why` follows "is". `remedy`: what the operator would do. */
  | { readonly allowed: false; readonly why: string; readonly remedy: string | null }

export interface AddressPolicy {
  readonly opened: readonly IpNetwork[]
  readonly own: readonly IpAddress[]
}

/** @throws TypeError for an address or network that is none: the supervisor wrote it, not the job. */
export function createAddressPolicy({
  privateNetworks,
  ownAddresses,
}: Pick<GateConfig, 'privateNetworks' | 'ownAddresses'>): AddressPolicy {
  return { opened: privateNetworks.map(networkOf), own: ownAddresses.map(addressOf) }
}

/**
 * Public addresses, and what the operator opened. Of an address that leads to an IPv4 address (mapped, NAT64, 6to4 and so on) that one must be allowed
 * too; where it is only another spelling of it, that one decides alone.
 */
export function checkAddress(text: string, policy: AddressPolicy): AddressVerdict {
  const address = parseAddress(text)
  if (address === null) return { allowed: false, why: 'no IP address', remedy: null }
  const { isSpelling, addresses } = embeddedAddresses(address)
  let verdict = isSpelling ? PUBLIC : checkOne(address, policy)
  for (const embedded of addresses) {
    if (!verdict.allowed) return verdict
    const inner = checkOne(embedded, policy)
    if (!inner.allowed) return { ...inner, why: `another form of ${formatAddress(embedded)}, which is ${inner.why}` }
    if (verdict.openedBy === null) verdict = inner
  }
  return verdict
}

/** Whether two texts are one address, however they are written. */
export function isSameAddress(one: string, other: string): boolean {
  const [first, second] = [one, other].map(destinationOf)
  return first !== undefined && second !== undefined && isEqual(first, second)
}

/** A socket of IPv6 shows a peer of IPv4 as `::ffff:a.b.c.d`. */
function destinationOf(text: string): IpAddress | undefined {
  const address = parseAddress(text)
  return address === null ? undefined : (embeddedIpv4(address) ?? address)
}

const PUBLIC: AddressVerdict = { allowed: true, openedBy: null }

function checkOne(address: IpAddress, { opened, own }: AddressPolicy): AddressVerdict {
  const by = opened.find((network) => networkContains(network, address))
  if (METADATA.some((metadata) => isEqual(metadata, address)) && !opened.some((network) => isExactly(network, address))) {
    return {
      allowed: false,
      why: "where a cloud's metadata service hands out credentials",
      remedy: remedyFor(address, ' (this very address, not a range)'),
    }
  }
  if (by !== undefined) return { allowed: true, openedBy: formatNetwork(by) }
  if (own.some((mine) => isEqual(mine, address)))
    return { allowed: false, why: "one of this host's own addresses", remedy: remedyFor(address) }
  const what = specialOf(address)
  return what === null ? PUBLIC : { allowed: false, why: what, remedy: remedyFor(address) }
}

function specialOf(address: IpAddress): string | null {
  const ranges = address.version === 4 ? SPECIAL_4 : SPECIAL_6
  const range = ranges.find(({ network }) => networkContains(network, address))
  if (range !== undefined) return range.what
  return address.version === 6 && !networkContains(GLOBAL_UNICAST, address) ? 'reserved (RFC 4291)' : null
}

function remedyFor(address: IpAddress, note = ''): string {
  return `the operator's file can open it: add ${formatAddress(address)}/${WIDTH[address.version]} to \`private\`${note}`
}

const WIDTH = { 4: 32, 6: 128 } as const

function isEqual(one: IpAddress, other: IpAddress): boolean {
  return one.version === other.version && one.value === other.value
}

function isExactly({ address, prefix }: IpNetwork, other: IpAddress): boolean {
  return prefix === WIDTH[address.version] && isEqual(address, other)
}

function addressOf(text: string): IpAddress {
  const address = parseAddress(text)
  if (address === null) throw new TypeError(`no IP address: ${text}`)
  return address
}

function networkOf(text: string): IpNetwork {
  const network = parseNetwork(text)
  if (network === null) throw new TypeError(`no network: ${text}`)
  return network
}

const withNetwork = ({ cidr, what }: SpecialRange): { readonly network: IpNetwork; readonly what: string } => ({
  network: networkOf(cidr),
  what,
})
const SPECIAL_4 = IPV4_SPECIAL.map(withNetwork)
const SPECIAL_6 = IPV6_SPECIAL.map(withNetwork)
const GLOBAL_UNICAST: IpNetwork = networkOf(IPV6_GLOBAL_UNICAST)
const METADATA: readonly IpAddress[] = METADATA_ADDRESSES.map(addressOf)
