// SPDX-License-Identifier: Apache-2.0
import { type AccessFile, parseAccessFile } from './access-file.ts'
import type { ConnectionTarget, DoorUse, RequestFacts, RuleSet, SeenRequest } from './contract.ts'
import { normalisePath } from './normal-path.ts'
import { parseOperatorFile } from './operator-file.ts'
import { ceilingSet, requestSet } from './rule-sets.ts'

/** A file with these items as the egress of the job `build`. */
export function buildFile(...items: readonly string[]): Promise<AccessFile> {
  return parseAccessFile(
    'sallyport.yml',
    `version: 1\njobs:\n  build:\n    egress:\n${items.map((item) => `      - ${item}\n`).join('') || '      []\n'}`,
  )
}

export async function request(...items: readonly string[]): Promise<RuleSet> {
  const file = await buildFile(...items)
  return requestSet({ file, source: file.source, allow: [], job: 'build', step: null, observes: false })
}

export async function ceiling(...items: readonly string[]): Promise<RuleSet> {
  const text = `version: 1\negress:\n  allow:\n${items.map((item) => `    - ${item}\n`).join('') || '    []\n'}`
  const set = ceilingSet(await parseOperatorFile('/etc/sallyport/config.yml', text))
  if (set === null) throw new Error('no ceiling')
  return set
}

export function named(name: string, port = 443, more: Partial<ConnectionTarget> = {}): ConnectionTarget {
  return { name, address: null, port, transport: 'tcp', executable: null, ...more }
}

export function addressed(address: string, port = 443): ConnectionTarget {
  return { name: null, address, port, transport: 'tcp', executable: null }
}

export function asks(method: string, url: string, more: Partial<RequestFacts> = {}): RequestFacts {
  const [, scheme, host = '', port, path = '/'] = /^(https?):\/\/([^/:*]+)(?::(\d+))?(\/.*|\*)?$/.exec(url) ?? []
  const normal = normalisePath(path)
  if (!normal.ok) throw new Error(`${path}: ${normal.refusal.reason}`)
  const protocol = scheme === 'http' ? 'http' : 'tls'
  const target = named(host, Number(port ?? (protocol === 'tls' ? 443 : 80)))
  return { target, protocol, method, path: normal.path, upgrade: null, graphql: false, ...more }
}

/** `METHOD PATH`, and `graphql` or `websocket` behind it. */
function seenRequest(text: string): SeenRequest {
  const [method = '', path = '', ...needs] = text.split(' ')
  return { method, path, count: 1, graphql: needs.includes('graphql'), websocket: needs.includes('websocket') }
}

export function used(door: string, requests: readonly string[] = [], more: Partial<DoorUse> = {}): DoorUse {
  const [, host = '', port = '', protocol = 'tls'] = /^(\S+):(\d+)(?:\/(\w+))?$/.exec(door) ?? []
  const seen = requests.map(seenRequest)
  return {
    host,
    port: Number(port),
    protocol: protocol as DoorUse['protocol'],
    rule: null,
    connections: 1,
    bytesOut: 100,
    bytesIn: 1000,
    requests: seen,
    requestsMore: 0,
    ...more,
  }
}
