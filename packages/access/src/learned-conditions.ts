// SPDX-License-Identifier: Apache-2.0
import { distinct } from './compare-text.ts'
import type { DoorUse, NormalPath, SeenRequest } from './contract.ts'
import { isGraphqlPath, isGraphqlSegment } from './graphql-path.ts'
import { parseAddress } from './ip-address.ts'
import { formatPath, matchesPath, type PathPattern } from './path-pattern.ts'
import { generalisePaths } from './path-tree.ts'
import { isSilent, isTruncated, pathOf } from './recording.ts'
import { isMethod } from './rule-conditions.ts'

/** As a rule writes it. Null paths: every path. */
export interface LearnedCondition {
  readonly methods: readonly string[]
  readonly paths: readonly string[] | null
  readonly graphql: boolean
  readonly websocket: boolean
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
  const requests = uses.flatMap((use) => use.requests.map((request) => ({ ...request, path: pathOf(request.path) })))
  const methods = distinct(requests.map(({ method }) => method))
  const known = requests.filter((request): request is Request => request.path !== null && isPlain(request.path))
  if (!methods.every(isMethod)) return [null]
  if (uses.some(isTruncated) || known.length < requests.length) return everyPath(methods, requests)
  return byMethods(known)
}

/** Without a path where the record does not hold the whole of it. */
interface SomeRequest extends Omit<SeenRequest, 'path'> {
  readonly path: NormalPath | null
}

interface Request extends SomeRequest {
  readonly path: NormalPath
}

function isPlain({ text, segments }: NormalPath): boolean {
  return text !== '*' && segments.length <= SEGMENTS_MAX
}

function everyPath(methods: readonly string[], requests: readonly SomeRequest[]): readonly LearnedCondition[] {
  const graphql = requests.some((request) => request.graphql || (request.path !== null && isGraphqlPath(request.path)))
  return [{ methods, paths: null, graphql, websocket: requests.some(({ websocket }) => websocket) }]
}

/** Paths with the same methods are one condition. */
function byMethods(requests: readonly Request[]): readonly LearnedCondition[] {
  const patterns = [...Map.groupBy(requests, ({ method }) => method)].flatMap(([method, ofMethod]) =>
    generalisePaths(ofMethod.map(({ path }) => path)).map((pattern) => {
      const last = pattern.findLast((part) => part.kind !== 'literal' || part.text !== '')
      const isNamed = last?.kind === 'literal' && isGraphqlSegment(last.text)
      const matched = ofMethod.filter((request) => matchesPath(pattern, request.path))
      return {
        method,
        pattern,
        path: formatPath(pattern),
        graphql: isNamed || matched.some(({ graphql }) => graphql),
        websocket: matched.some(({ websocket }) => websocket),
      }
    }),
  )
  const byPath = [...Map.groupBy(patterns, ({ path }) => path)].map(([path, same]) => ({
    path,
    pattern: same[0]?.pattern ?? [],
    methods: distinct(same.map(({ method }) => method)),
    graphql: same.some(({ graphql }) => graphql),
    websocket: same.some(({ websocket }) => websocket),
  }))
  const groups = Map.groupBy(withoutCovered(byPath, requests), ({ methods, graphql, websocket }) =>
    JSON.stringify([methods, graphql, websocket]),
  ).values()
  return [...groups].map((group) => ({
    methods: group[0]?.methods ?? [],
    paths: distinct(group.map(({ path }) => path)),
    graphql: group[0]?.graphql ?? false,
    websocket: group[0]?.websocket ?? false,
  }))
}

interface PathCondition {
  readonly path: string
  readonly pattern: PathPattern
  readonly methods: readonly string[]
  readonly graphql: boolean
  readonly websocket: boolean
}

/** A path of GraphQL stands by itself, so that no wildcard opens it; where one does all the same, for another request's sake, it is not needed. */
function withoutCovered(conditions: readonly PathCondition[], requests: readonly Request[]): readonly PathCondition[] {
  const covers = (outer: PathCondition, inner: PathCondition): boolean =>
    inner.methods.every((method) => outer.methods.includes(method)) &&
    (outer.graphql || !inner.graphql) &&
    (outer.websocket || !inner.websocket) &&
    requests
      .filter(({ method, path }) => inner.methods.includes(method) && matchesPath(inner.pattern, path))
      .every(({ path }) => matchesPath(outer.pattern, path))
  return conditions.filter(
    (one, index) => !conditions.some((other, at) => at !== index && covers(other, one) && (at < index || !covers(one, other))),
  )
}
