// SPDX-License-Identifier: Apache-2.0
import type { ConnectionTarget, DoorUse, NormalPath, RequestFacts, SeenRequest } from './contract.ts'
import { isGraphqlRequest } from './graphql-path.ts'
import { parseAddress } from './ip-address.ts'
import { normalisePath } from './normal-path.ts'

/** What one step of one run did, from the run's record. Names and paths in it were chosen by the job. */
export interface Recording {
  /** The run's id. */
  readonly run: string
  /** File of the workflow. */
  readonly workflow: string
  /** Its key in the workflow. */
  readonly job: string
  /** Its `id` in the workflow, or null. */
  readonly step: string | null
  readonly uses: readonly DoorUse[]
}

/** Whether there were requests that are not in the record. */
export function isTruncated({ requestsMore }: DoorUse): boolean {
  return requestsMore > 0
}

/** Nothing was asked for: a connection was opened and left. */
export function isSilent({ requests, bytesOut }: DoorUse): boolean {
  return requests.length === 0 && bytesOut === 0
}

export function targetOf({ host, port, protocol }: DoorUse): ConnectionTarget {
  const isAddress = parseAddress(host) !== null
  const transport = protocol === 'udp' ? 'udp' : 'tcp'
  return { name: isAddress ? null : host, address: isAddress ? host : null, port, transport, executable: null }
}

/** Longer ones are cut on their way into the record, some without a mark. */
const RECORDED_PATH_MAX = 500

/** Null where the record does not hold the whole path. */
export function pathOf(recorded: string): NormalPath | null {
  const result = normalisePath(recorded)
  return result.ok && recorded.length < RECORDED_PATH_MAX ? result.path : null
}

/** In place of a path that is not known: no pattern of a rule matches it, and a rule for every path does. */
export const UNKNOWN_PATH: NormalPath = { text: '/', segments: [], query: '' }

export function factsOf(use: DoorUse, { method, graphql, websocket }: Omit<SeenRequest, 'count'>, path: NormalPath): RequestFacts {
  return {
    target: targetOf(use),
    protocol: use.protocol === 'http' ? 'http' : 'tls',
    method,
    path,
    upgrade: websocket ? 'websocket' : null,
    // Queries are not in the record: one may have had an operation.
    graphql: graphql || isGraphqlRequest(method, path, true),
  }
}
