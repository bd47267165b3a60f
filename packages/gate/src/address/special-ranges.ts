// SPDX-License-Identifier: Apache-2.0
// Addresses that are no host on the public internet, from the IANA special-purpose registries that RFC 6890 set up, and the allocations around them.
// More specific entries that the registries call globally reachable (anycast of PCP, TURN, AMT, AS112) lie in refused blocks on purpose: no job needs them.

export interface SpecialRange {
  readonly cidr: string
  /** Follows "is". */
  readonly what: string
}

/** https://www.iana.org/assignments/iana-ipv4-special-registry */
export const IPV4_SPECIAL: readonly SpecialRange[] = [
  { cidr: '0.0.0.0/8', what: 'of "this network" (RFC 791)' },
  { cidr: '10.0.0.0/8', what: 'private (RFC 1918)' },
  { cidr: '100.64.0.0/10', what: 'shared within a provider (RFC 6598)' },
  { cidr: '127.0.0.0/8', what: 'loopback (RFC 1122)' },
  { cidr: '169.254.0.0/16', what: 'link-local (RFC 3927)' },
  { cidr: '172.16.0.0/12', what: 'private (RFC 1918)' },
  { cidr: '192.0.0.0/24', what: 'for protocol assignments (RFC 6890)' },
  { cidr: '192.0.2.0/24', what: 'for documentation (RFC 5737)' },
  { cidr: '192.88.99.0/24', what: 'for 6to4 relays (RFC 7526)' },
  { cidr: '192.168.0.0/16', what: 'private (RFC 1918)' },
  { cidr: '198.18.0.0/15', what: 'for benchmarks (RFC 2544)' },
  { cidr: '198.51.100.0/24', what: 'for documentation (RFC 5737)' },
  { cidr: '203.0.113.0/24', what: 'for documentation (RFC 5737)' },
  { cidr: '224.0.0.0/4', what: 'multicast (RFC 5771)' },
  { cidr: '255.255.255.255/32', what: 'broadcast (RFC 919)' },
  { cidr: '240.0.0.0/4', what: 'reserved (RFC 1112)' },
]

/** https://www.iana.org/assignments/iana-ipv6-special-registry; the first that contains an address names it. */
export const IPV6_SPECIAL: readonly SpecialRange[] = [
  { cidr: '::/128', what: 'unspecified (RFC 4291)' },
  { cidr: '::1/128', what: 'loopback (RFC 4291)' },
  { cidr: '::/96', what: 'IPv4-compatible (RFC 4291)' },
  { cidr: '::ffff:0:0:0/96', what: 'IPv4-translated (RFC 7915)' },
  { cidr: '64:ff9b:1::/48', what: 'for local translation (RFC 8215)' },
  { cidr: '100::/64', what: 'discarded (RFC 6666)' },
  { cidr: '100:0:0:1::/64', what: 'a dummy prefix (RFC 9780)' },
  { cidr: '2001::/32', what: 'Teredo (RFC 4380)' },
  { cidr: '2001:2::/48', what: 'for benchmarks (RFC 5180)' },
  { cidr: '2001::/23', what: 'for protocol assignments (RFC 2928)' },
  { cidr: '2001:db8::/32', what: 'for documentation (RFC 3849)' },
  { cidr: '2002::/16', what: '6to4 (RFC 3056)' },
  { cidr: '3fff::/20', what: 'for documentation (RFC 9637)' },
  { cidr: '5f00::/16', what: 'for segment routing (RFC 9602)' },
  { cidr: 'fc00::/7', what: 'private (RFC 4193)' },
  { cidr: 'fe80::/10', what: 'link-local (RFC 4291)' },
  { cidr: 'fec0::/10', what: 'site-local (RFC 3879)' },
  { cidr: 'ff00::/8', what: 'multicast (RFC 4291)' },
]

/** RFC 4291 section 2.4, https://www.iana.org/assignments/ipv6-address-space: the only block that public hosts have addresses from. */
export const IPV6_GLOBAL_UNICAST = '2000::/3'

/**
 * Where clouds hand out credentials to whoever asks. Opened only by an entry for that very address: who opens a whole private range does not mean these.
 * 168.63.129.16 and 100.100.100.200 lie outside the link-local block, the first in no special range at all.
 */
export const METADATA_ADDRESSES: readonly string[] = [
  '169.254.169.254', // AWS, Azure, Google, Oracle, OpenStack, DigitalOcean
  '169.254.170.2', // AWS: a container's role
  '169.254.170.23', // AWS: a pod's role
  '169.254.42.42', // Scaleway
  '100.100.100.200', // Alibaba
  '168.63.129.16', // Azure: host agent
  '192.0.0.192', // Oracle
  'fd00:ec2::254', // AWS
  'fd00:ec2::23', // AWS: a pod's role
  'fd20:ce::254', // Google
  'fd00:42::42', // Scaleway
]
