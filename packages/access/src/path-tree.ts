// SPDX-License-Identifier: Apache-2.0
import { compareText } from './compare-text.ts'
import type { NormalPath } from './contract.ts'
import { isGraphqlSegment } from './graphql-path.ts'
import { exactPattern, formatPath, type PathPattern } from './path-pattern.ts'

/** From this many on, different segments at one place are taken for values of one parameter. */
const SIBLINGS_MIN = 3

/** What the record shows in place of a secret, as a rule writes it. */
const MASKED = '%2A%2A%2A'

/** Paths as a tree of their segments, by keys: `:name` may be a value of a parameter, `=name` is not, `*` is a parameter. */
interface PathTree {
  /** A path ends here. */
  readonly isEnd: boolean
  readonly children: ReadonlyMap<string, PathTree>
}

/**
 * Patterns that match all of the paths, each path by exactly one of them. Where three or more paths differ in one segment, `*` stands for it;
 * never `**`, and never for what means more than its place: an empty last segment, `graphql`, or a segment with an encoded `/`.
 */
export function generalisePaths(paths: readonly NormalPath[]): readonly PathPattern[] {
  const tree = treeOf(paths.map((path) => exactPattern(path).map(keyOf)))
  return [...patternsBelow(generalise(tree))].sort((left, right) => compareText(formatPath(left), formatPath(right)))
}

function keyOf(segment: PathPattern[number]): string {
  const text = segment.kind === 'literal' ? segment.text : ''
  if (text.includes(MASKED) && !text.includes('%2F')) return '*'
  const isFixed = text === '' || text.includes('%2F') || isGraphqlSegment(text)
  return `${isFixed ? '=' : ':'}${text}`
}

function treeOf(paths: readonly (readonly string[])[]): PathTree {
  const below = Map.groupBy(
    paths.filter(({ length }) => length > 0),
    ([key]) => key ?? '',
  )
  const children = [...below].map(([key, longer]) => [key, treeOf(longer.map((path) => path.slice(1)))] as const)
  return { isEnd: paths.some(({ length }) => length === 0), children: new Map(children) }
}

function generalise({ isEnd, children }: PathTree): PathTree {
  const values = [...children].filter(([key]) => !key.startsWith('='))
  const isParameter = values.length >= SIBLINGS_MIN || children.has('*')
  const others = isParameter ? [...children].filter(([key]) => key.startsWith('=')) : [...children]
  const merged = isParameter ? [['*', merge(values.map(([, tree]) => tree))] as const] : []
  return { isEnd, children: new Map([...others, ...merged].map(([key, tree]) => [key, generalise(tree)])) }
}

function merge(trees: readonly PathTree[]): PathTree {
  const grouped = Map.groupBy(
    trees.flatMap(({ children }) => [...children]),
    ([key]) => key,
  )
  const children = [...grouped].map(([key, entries]) => [key, merge(entries.map(([, tree]) => tree))] as const)
  return { isEnd: trees.some(({ isEnd }) => isEnd), children: new Map(children) }
}

function* patternsBelow({ isEnd, children }: PathTree, before: PathPattern = []): Generator<PathPattern> {
  if (isEnd) yield before
  for (const [key, tree] of children) {
    yield* patternsBelow(tree, [...before, key === '*' ? { kind: 'any', name: null } : { kind: 'literal', text: key.slice(1) }])
  }
}
