// SPDX-License-Identifier: Apache-2.0
import type { NormalPath } from './contract.ts'
import { namesIn } from './normal-path.ts'

/** The usual name of an endpoint, as any server may read the segment: also `graphql.json`, `graphql;x`, `api%2Fgraphql`. */
export function isGraphqlSegment(segment: string): boolean {
  return /^graphql(\.|$)/i.test(namesIn(segment).at(-1) ?? '')
}

/** Whether it is the path of a GraphQL endpoint, with or without a `/` behind it. */
export function isGraphqlPath({ segments }: NormalPath): boolean {
  return isGraphqlSegment(segments.findLast((segment) => segment !== '') ?? '')
}

/**
 * Whether a request may hold an operation, by its path. `carries`: there is more than the path, that is a query, a body, or what follows an upgrade. What only reads, and asks for
 * nothing but the path, holds none: a package registry has a package of that name.
 */
export function isGraphqlRequest(method: string, path: NormalPath, carries: boolean): boolean {
  return isGraphqlPath(path) && (carries || (method !== 'GET' && method !== 'HEAD'))
}
