// SPDX-License-Identifier: Apache-2.0

export interface IpAddress {
  readonly version: 4 | 6
  /** 32 or 128 bits. */
  readonly value: bigint
}

export interface IpNetwork {
  /** The lowest address of the network. */
  readonly address: IpAddress
  readonly prefix: number
}

const BITS = { 4: 32, 6: 128 } as const

/**
 * An address in the one form that every program reads alike: four decimal numbers without leading zeros, or RFC 4291 without a zone.
 * What the C library's `inet_aton` also takes (`127.1`, `0x7f000001`, `0177.0.0.1`) is no address here: two readers of it disagree about the destination.
 */
export function parseAddress(text: string): IpAddress | null {
  return text.includes(':') ? parseIpv6(text) : parseIpv4(text)
}

function parseIpv4(text: string): IpAddress | null {
  const parts = text.split('.')
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9][0-9]{0,2})$/.test(part) && Number(part) <= 255)) return null
  return { version: 4, value: parts.reduce((value, part) => (value << 8n) | BigInt(part), 0n) }
}

const IPV6_TEXT_MAX = 45
const IPV6_GROUPS = 8

function parseIpv6(text: string): IpAddress | null {
  if (text.length > IPV6_TEXT_MAX) return null
  const halves = text.split('::')
  if (halves.length > 2) return null
  const [head, tail] = halves.map((half, index) => parseGroups(half, index === halves.length - 1))
  if (head === null || head === undefined || tail === null) return null
  if (tail === undefined) return head.length === IPV6_GROUPS ? fromGroups(head) : null
  // `::` stands for at least one group (RFC 5952, 4.2.2, has it so when written; a reader that takes it for none would read `1:2:3:4:5:6:7::8`).
  const missing = IPV6_GROUPS - head.length - tail.length
  return missing < 1 ? null : fromGroups([...head, ...Array<bigint>(missing).fill(0n), ...tail])
}

function parseGroups(text: string, isLast: boolean): bigint[] | null {
  if (text === '') return []
  const groups: bigint[] = []
  const parts = text.split(':')
  for (const [index, part] of parts.entries()) {
    const embedded = isLast && index === parts.length - 1 && part.includes('.') ? parseIpv4(part) : null
    if (embedded !== null) groups.push(embedded.value >> 16n, embedded.value & 0xffffn)
    else if (/^[0-9a-f]{1,4}$/i.test(part)) groups.push(BigInt(`0x${part}`))
    else return null
  }
  return groups
}

function fromGroups(groups: readonly bigint[]): IpAddress {
  return { version: 6, value: groups.reduce((value, group) => (value << 16n) | group, 0n) }
}

/** Dotted decimal, or the form of RFC 5952 (an embedded IPv4 address in hexadecimal too: there is one form for each address). */
export function formatAddress({ version, value }: IpAddress): string {
  if (version === 4) return [24n, 16n, 8n, 0n].map((shift) => String((value >> shift) & 255n)).join('.')
  const groups = Array.from({ length: IPV6_GROUPS }, (_, index) => (value >> BigInt(112 - 16 * index)) & 0xffffn)
  const { start, length } = longestZeros(groups)
  const text = (part: readonly bigint[]): string => part.map((group) => group.toString(16)).join(':')
  return length < 2 ? text(groups) : `${text(groups.slice(0, start))}::${text(groups.slice(start + length))}`
}

/** The first of the longest runs of zeros. */
function longestZeros(groups: readonly bigint[]): { readonly start: number; readonly length: number } {
  let best = { start: 0, length: 0 }
  for (let start = 0; start < groups.length; start += 1) {
    let length = 0
    while (groups[start + length] === 0n) length += 1
    if (length > best.length) best = { start, length }
  }
  return best
}

/** `address/prefix` or a single address, whatever its host bits; null when it is neither. */
export function parseNetwork(text: string): IpNetwork | null {
  const [addressText = '', prefixText, ...rest] = text.split('/')
  const address = parseAddress(addressText)
  if (address === null || rest.length > 0) return null
  if (prefixText === undefined) return { address, prefix: BITS[address.version] }
  if (!/^(0|[1-9][0-9]{0,2})$/.test(prefixText) || Number(prefixText) > BITS[address.version]) return null
  return { address, prefix: Number(prefixText) }
}

/** The network with every bit behind the prefix zero. */
export function maskNetwork({ address: { version, value }, prefix }: IpNetwork): IpNetwork {
  const hostBits = BigInt(BITS[version] - prefix)
  return { address: { version, value: (value >> hostBits) << hostBits }, prefix }
}

export function formatNetwork({ address, prefix }: IpNetwork): string {
  return `${formatAddress(address)}/${prefix}`
}

/** Addresses of the other version are in no network: an IPv4-mapped IPv6 address (`::ffff:a.b.c.d`) is one of IPv6; see {@link embeddedIpv4}. */
export function networkContains({ address: network, prefix }: IpNetwork, address: IpAddress): boolean {
  if (network.version !== address.version) return false
  const hostBits = BigInt(BITS[network.version] - prefix)
  return network.value >> hostBits === address.value >> hostBits
}

/** The IPv4 address that an IPv4-mapped one (::ffff:0:0/96, RFC 4291 2.5.5.2) is another spelling of; null for every other address. */
export function embeddedIpv4({ version, value }: IpAddress): IpAddress | null {
  return version === 6 && value >> 32n === 0xffffn ? { version: 4, value: value & 0xffffffffn } : null
}
