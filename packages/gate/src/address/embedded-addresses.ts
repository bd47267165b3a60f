// SPDX-License-Identifier: Apache-2.0
import { type IpAddress, type IpNetwork, networkContains, parseNetwork } from '@sallyport/access'

export interface EmbeddedAddresses {
  /** The IPv6 address is nothing but a way to write, or to reach, the first of the IPv4 addresses. */
  readonly isSpelling: boolean
  /** Every IPv4 address that a host or translator might take out of it. */
  readonly addresses: readonly IpAddress[]
}

interface Form {
  readonly network: IpNetwork
  readonly isSpelling?: true
  readonly read: (value: bigint) => readonly bigint[]
}

const LOW_32 = 0xffffffffn
const network = (cidr: string): IpNetwork => parseNetwork(cidr) as IpNetwork
const lowest = (value: bigint): readonly bigint[] => [value & LOW_32]

/** The first that contains an address counts. */
const FORMS: readonly Form[] = [
  // unspecified and loopback, which lie where IPv4-compatible addresses do
  { network: network('::/127'), read: () => [] },
  // IPv4-mapped, RFC 4291 2.5.5.2: the kernel itself sends such packets by IPv4
  { network: network('::ffff:0:0/96'), isSpelling: true, read: lowest },
  // NAT64's well-known prefix, RFC 6052: how a network without IPv4 reaches all of it
  { network: network('64:ff9b::/96'), isSpelling: true, read: lowest },
  // NAT64 with a local prefix, RFC 8215
  { network: network('64:ff9b:1::/48'), read: lowest },
  // IPv4-compatible, RFC 4291 2.5.5.1
  { network: network('::/96'), read: lowest },
  // IPv4-translated, RFC 7915
  { network: network('::ffff:0:0:0/96'), read: lowest },
  // 6to4, RFC 3056
  { network: network('2002::/16'), read: (value) => [(value >> 80n) & LOW_32] },
  // Teredo, RFC 4380: its server, and the client with every bit inverted
  { network: network('2001::/32'), read: (value) => [(value >> 64n) & LOW_32, (value & LOW_32) ^ LOW_32] },
]

/** ISATAP, RFC 5214 6.1: an interface identifier that says 5efe, below any prefix; the one bit says whether it is unique. */
function isIsatap(value: bigint): boolean {
  return (((value >> 32n) & LOW_32) | 0x02000000n) === 0x02005efen
}

/** None for IPv4 and for plain IPv6. */
export function embeddedAddresses(address: IpAddress): EmbeddedAddresses {
  if (address.version === 4) return { isSpelling: false, addresses: [] }
  const form = FORMS.find((candidate) => networkContains(candidate.network, address))
  const values = [...(form?.read(address.value) ?? []), ...(isIsatap(address.value) ? lowest(address.value) : [])]
  return { isSpelling: form?.isSpelling === true, addresses: values.map((value) => ({ version: 4, value })) }
}
