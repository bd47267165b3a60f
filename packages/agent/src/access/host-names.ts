// SPDX-License-Identifier: Apache-2.0
import { networkInterfaces } from 'node:os'
import { formatAddress, parseAddress } from '@sallyport/access'
import { readPlainFile } from './plain-file.ts'

const FILE_BYTES_MAX = 4 * 2 ** 20
/** As many as the C library asks. */
const NAME_SERVERS_MAX = 3
/** A list of names to block can have a hundred thousand; each of them would go to every gate. */
const NAMES_MAX = 4096
const ADDRESSES_MAX = 8
const AUTHORITIES_BYTES_MAX = 8 * 2 ** 20

/** Where distributions keep the certificates that the whole system trusts. */
const SYSTEM_BUNDLES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/ssl/cert.pem',
] as const

/** The name servers of `/etc/resolv.conf`, as the gate wants them: IPv6 in brackets. */
export async function readNameServers(path = '/etc/resolv.conf'): Promise<readonly string[]> {
  const text = (await readPlainFile(path, { bytesMax: FILE_BYTES_MAX, followsLinks: true }))?.text ?? ''
  const named = text.split('\n').map((line) => parseAddress(/^\s*nameserver\s+(\S+)/.exec(line)?.[1] ?? ''))
  return named
    .filter((address) => address !== null)
    .slice(0, NAME_SERVERS_MAX)
    .map((address) => (address.version === 6 ? `[${formatAddress(address)}]` : formatAddress(address)))
}

export interface HostNames {
  readonly hosts: Readonly<Record<string, readonly string[]>>
  /** Names that were left out, because there are too many. */
  readonly dropped: number
}

/** The names of `/etc/hosts`, without those of the machine's own loopback: inside of a job they mean the job. */
export async function readHostNames(path = '/etc/hosts'): Promise<HostNames> {
  const text = (await readPlainFile(path, { bytesMax: FILE_BYTES_MAX, followsLinks: true }))?.text ?? ''
  const hosts = new Map<string, string[]>()
  let dropped = 0
  for (const line of text.split('\n')) {
    const [address = '', ...names] = line.replace(/#.*$/, '').trim().split(/\s+/)
    if (parseAddress(address) === null) continue
    for (const name of names.map((written) => written.toLowerCase().replace(/\.$/, ''))) {
      if (isLocalName(name)) continue
      if (!hosts.has(name) && hosts.size >= NAMES_MAX) dropped += 1
      else hosts.set(name, [...new Set([...(hosts.get(name) ?? []), address])].slice(0, ADDRESSES_MAX))
    }
  }
  return { hosts: Object.fromEntries(hosts), dropped }
}

function isLocalName(name: string): boolean {
  return (
    name === '' || /(^|\.)localhost(\.localdomain)?[46]?$/.test(name) || /^ip6-(localhost|loopback|localnet|mcastprefix|all\w+)$/.test(name)
  )
}

/** Every address of this machine: a job that reaches one of them would talk to the host's own services. */
export function readOwnAddresses(interfaces: typeof networkInterfaces = networkInterfaces): readonly string[] {
  const addresses = Object.values(interfaces()).flatMap((entries) => entries ?? [])
  return [...new Set(addresses.map(({ address }) => address.replace(/%.*$/, '')))]
}

/** The certificates (PEM) that this machine trusts; null when it has no such file, as with no `ca-certificates` package. */
export async function readSystemAuthorities(bundles: readonly string[] = SYSTEM_BUNDLES): Promise<string | null> {
  for (const path of bundles) {
    const file = await readPlainFile(path, { bytesMax: AUTHORITIES_BYTES_MAX, followsLinks: true })
    if (file?.text.includes('-----BEGIN CERTIFICATE-----')) return file.text
  }
  return null
}
