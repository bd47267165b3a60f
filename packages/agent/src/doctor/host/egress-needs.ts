// SPDX-License-Identifier: Apache-2.0
import { formatName, type OperatorFile, type SettingsTree } from '@sallyport/access'
import type { EgressNeed } from '../../contract.ts'

export interface EgressFacts {
  readonly operator: Pick<OperatorFile, 'providers' | 'publish'> | null
  /** `address` or `address:port`, IPv6 in brackets. */
  readonly nameServers: readonly string[]
  /** URLs of witnesses. */
  readonly witnesses: readonly string[]
  /** Names with fixed addresses, of `/etc/hosts`. */
  readonly hosts: Readonly<Record<string, readonly string[]>>
}

/**
 * Where processes of Sallyport dial to that are no gates: the supervisor, its brokers and publishers, by the configuration as it stands. Gates dial what rules
 * name; they run in cgroups and with user ids of their own, and are bounded by the kernel (native/src/keeper-gate-reach.c).
 */
export function egressNeeds({ operator, nameServers, witnesses, hosts }: EgressFacts): readonly EgressNeed[] {
  const needs: EgressNeed[] = [
    ...nameServers.map((text) => ({ who: 'name servers', ...hostAndPort(text, 53), addresses: [] })),
    ...witnesses.flatMap((url) => needOfUrl('a witness', url)),
    ...(operator?.providers ?? []).flatMap(({ name, settings }) =>
      urlsIn(settings).flatMap((url) => needOfUrl(`the provider "${name}"`, url)),
    ),
    ...(operator?.publish.allow ?? []).map(({ host, port }) => ({ who: 'publishing', host: formatName(host), port, addresses: [] })),
  ].map((need) => ({ ...need, addresses: isAddress(need.host) ? [need.host] : (hosts[need.host.toLowerCase()] ?? []) }))
  return [...new Map(needs.map((need) => [`${need.who} ${need.host} ${need.port}`, need])).values()]
}

function needOfUrl(who: string, text: string): EgressNeed[] {
  const url = URL.parse(text)
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) return []
  const port = url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port)
  return [{ who, host: url.hostname.replace(/^\[|\]$/g, ''), port, addresses: [] }]
}

/** Wherever they stand among the settings of a provider: each kind has names of its own for them. */
function urlsIn(tree: SettingsTree): string[] {
  return Object.values(tree).flatMap((value) =>
    typeof value === 'string' ? [value] : Array.isArray(value) ? value.map(String) : urlsIn(value as SettingsTree),
  )
}

function hostAndPort(text: string, port: number): { host: string; port: number } {
  const [, bracketed, plain, given] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/.exec(text) ?? []
  return { host: bracketed ?? plain ?? text, port: given === undefined ? port : Number(given) }
}

function isAddress(host: string): boolean {
  return /^\d+\.\d+\.\d+\.\d+$/.test(host) || host.includes(':')
}

/**
 * A drop-in for the unit that runs Sallyport (systemd.resource-control(5)): everything but these addresses is refused to it. A name without an address in `/etc/hosts`
 * cannot stand there, and is said in a comment; what it leads to is refused.
 */
export function systemdFragment(needs: readonly EgressNeed[]): string {
  const lines = needs.flatMap((need) => {
    const what = `# ${need.who}: ${need.host}, port ${need.port}`.replaceAll(/[\0-\x1f\x7f]/g, ' ')
    if (need.addresses.length === 0) return [`${what}: a name; add a line IPAddressAllow= with each address that it has`]
    return [what, ...need.addresses.map((address) => `IPAddressAllow=${address}`)]
  })
  return ['[Service]', 'IPAddressDeny=any', 'IPAddressAllow=localhost', ...lines, ''].join('\n')
}
