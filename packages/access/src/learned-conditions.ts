// SPDX-License-Identifier: Apache-2.0
import { distinct } from './compare-text.ts'
import type { DoorUse, NormalPath } from './contract.ts'
import { isGraphqlPath, isGraphqlSegment } from './graphql-path.ts'
import { parseAddress } from './ip-address.ts'
import { formatPath } from './path-pattern.ts'
import { generalisePaths } from './path-tree.ts'
import { isSilent, isTruncated, pathOf } from './recording.ts'
import { isMethod } from './rule-conditions.ts'

/** As a rule writes it. Null paths: every path. */
export interface LearnedCondition {
  readonly methods: readonly string[]
  readonly paths: readonly string[] | null
  readonly graphql: boolean
}

/** Deeper paths are not told apart. */
const SEGMENTS_MAX = 64

/**
 * The conditions that together allow the requests of one destination, each request by exactly one of them.
 * One null, which is no condition, where the gate did not see all of what was said.
 */
export function joinRequests(uses: readonly DoorUse[]): readonly (LearnedCondition | null)[] {
  const [first] = uses
  const isHttp = first?.protocol === 'tls' || first?.protocol === 'http'
  const isSeen = uses.every((use) => use.requests.length > 0 || isSilent(use)) && uses.some(({ requests }) => requests.length > 0)
  if (first === undefined || !isHttp || !isSeen || parseAddress(first.host) !== null) return [null]
  const requests = uses.flatMap((use) => use.requests.map(({ method, path }) => ({ method, path: pathOf(path) })))
  const methods = distinct(requests.map(({ method }) => method))
  const known = requests.filter((request): request is Request => request.path !== null && isPlain(request.path))
  if (!methods.every(isMethod)) return [null]
  if (uses.some(isTruncated) || known.length < requests.length) return everyPath(methods, known)
  return byMethods(known)
}

interface Request {
  readonly method: string
  readonly path: NormalPath
}

function isPlain({ text, segments }: NormalPath): boolean {
  return text !== '*' && segments.length <= SEGMENTS_MAX
}

function everyPath(methods: readonly string[], known: readonly Request[]): readonly LearnedCondition[] {
  return [{ methods, paths: null, graphql: known.some(({ path }) => isGraphqlPath(path)) }]
}

/** Paths with the same methods are one condition. */
function byMethods(requests: readonly Request[]): readonly LearnedCondition[] {
  const patterns = [...Map.groupBy(requests, ({ method }) => method)].flatMap(([method, ofMethod]) =>
    generalisePaths(ofMethod.map(({ path }) => path)).map((pattern) => {
      const last = pattern.findLast((part) => part.kind !== 'literal' || part.text !== '')
      return { method, path: formatPath(pattern), graphql: last?.kind === 'literal' && isGraphqlSegment(last.text) }
    }),
  )
  const byPath = [...Map.groupBy(patterns, ({ path }) => path)].map(([path, same]) => ({
    path,
    methods: distinct(same.map(({ method }) => method)),
    graphql: same.some(({ graphql }) => graphql),
  }))
  const groups = Map.groupBy(byPath, ({ methods, graphql }) => JSON.stringify([methods, graphql])).values()
  return [...groups].map((group) => ({
    methods: group[0]?.methods ?? [],
    paths: distinct(group.map(({ path }) => path)),
    graphql: group[0]?.graphql ?? false,
  }))
}
