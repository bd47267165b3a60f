// SPDX-License-Identifier: Apache-2.0
import { formatAddress, parseAddress, parseRule } from '@sallyport/access'
import { AgentError } from '../agent-error.ts'

/** `--resolve HOST:ADDRESS`, many times: the addresses of each name. @throws AccessError, AgentError EGRESS_INVALID. */
export function parseResolve(texts: readonly string[]): Readonly<Record<string, readonly string[]>> {
  const hosts = new Map<string, string[]>()
  for (const text of texts) {
    const { name, address } = parseMapping(text)
    hosts.set(name, [...(hosts.get(name) ?? []), address])
  }
  return Object.fromEntries(hosts)
}

function parseMapping(text: string): { name: string; address: string } {
  const [, host = '', written = ''] = /^([^:]*):(.*)$/.exec(text) ?? []
  const address = parseAddress(written.replace(/^\[(.*)\]$/, '$1'))
  const to = host === '' ? null : parseRule(host, '--resolve').to
  if (address === null || to?.kind !== 'name' || to.pattern.kind !== 'exact')
    throw new AgentError('EGRESS_INVALID', `Cannot take --resolve "${text}": it is not a host name and an address`, {
      hint: 'Write HOST:ADDRESS, e.g. --resolve db.example.test:192.0.2.7',
    })
  return { name: to.pattern.name, address: formatAddress(address) }
}
