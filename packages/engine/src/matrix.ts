// SPDX-License-Identifier: Apache-2.0
import type { Json } from './contract.ts'
import { EngineError } from './errors.ts'
import { isList, isMap, type JsonMap, looselyEqual, mapOf, typeName } from './json.ts'

/** GitHub's documented limit of jobs that one matrix gives. */
export const MATRIX_JOBS_MAX = 256
/** Combinations before `exclude`: bounds the work that a hostile `fromJSON` matrix can cause. */
const PRODUCT_MAX = 65_536

export interface MatrixCombination {
  /** The `matrix` context of one job. */
  readonly values: JsonMap
  /** What the job's display name shows in parentheses: no values that `include` added to an existing combination. */
  readonly segments: readonly string[]
}

interface IncludeItem {
  /** Values for axes of the matrix: they select combinations. */
  readonly filter: JsonMap
  /** Values for other names: they are added. */
  readonly extra: JsonMap
}

/**
 * The jobs of an evaluated `strategy.matrix`, in GitHub's order: the product of the axes (the last one
 * turns fastest) without what `exclude` matches, then each `include` that extended no combination.
 *
 * @throws EngineError ENGINE_MATRIX_INVALID naming the key. The value may come from a job's output: untrusted.
 */
export function expandMatrix(matrix: Json): readonly MatrixCombination[] {
  if (!isMap(matrix)) throw invalid(`Cannot use the matrix: expected a mapping of names to sequences, found ${typeName(matrix)}`)
  const axes = axesOf(matrix)
  const includes = itemsOf(matrix, 'include').map((item) => splitInclude(item, axes))
  const excludes = itemsOf(matrix, 'exclude')
  for (const item of excludes) checkExclude(item, axes)

  const matched = new Set<IncludeItem>()
  const product = productOf(axes).filter((values) => !excludes.some((filter) => matches(filter, values)))
  const extended = product.map((values) => extend(values, includes, matched))
  const added = includes.filter((item) => !matched.has(item)).map((item) => combination({ ...item.filter, ...item.extra }, null))
  return withinLimit([...extended, ...added])
}

function axesOf(matrix: JsonMap): ReadonlyMap<string, readonly Json[]> {
  const axes = new Map<string, readonly Json[]>()
  for (const [name, values] of Object.entries(matrix)) {
    if (name === 'include' || name === 'exclude') continue
    if (!isList(values)) throw invalid(`Cannot use matrix.${name}: expected a sequence, found ${typeName(values)}`)
    if (values.length === 0) throw invalid(`Cannot use matrix.${name}: it has no values`)
    axes.set(name, values)
  }
  return axes
}

function itemsOf(matrix: JsonMap, name: 'include' | 'exclude'): readonly JsonMap[] {
  const items = Object.hasOwn(matrix, name) ? (matrix[name] ?? []) : []
  if (!isList(items)) throw invalid(`Cannot use matrix.${name}: expected a sequence of mappings, found ${typeName(items)}`)
  if (items.length > PRODUCT_MAX) throw invalid(`Cannot use matrix.${name}: it has more than ${PRODUCT_MAX} items`)
  return items.map((item, index) => {
    if (!isMap(item)) throw invalid(`Cannot use matrix.${name}[${index}]: expected a mapping, found ${typeName(item)}`)
    if (Object.keys(item).length === 0) throw invalid(`Cannot use matrix.${name}[${index}]: it has no values`)
    return item
  })
}

function checkExclude(item: JsonMap, axes: ReadonlyMap<string, unknown>): void {
  const unknown = Object.keys(item).find((key) => !axes.has(key))
  if (unknown !== undefined) throw invalid(`Cannot exclude by "${unknown}": the matrix has no key of that name`)
}

function splitInclude(item: JsonMap, axes: ReadonlyMap<string, unknown>): IncludeItem {
  const entries = Object.entries(item)
  return {
    filter: mapOf(entries.filter(([key]) => axes.has(key))),
    extra: mapOf(entries.filter(([key]) => !axes.has(key))),
  }
}

function productOf(axes: ReadonlyMap<string, readonly Json[]>): readonly JsonMap[] {
  if (axes.size === 0) return []
  let product: readonly (readonly (readonly [string, Json])[])[] = [[]]
  for (const [name, values] of axes) {
    if (product.length * values.length > PRODUCT_MAX) throw invalid(`Cannot use the matrix: it has more than ${PRODUCT_MAX} combinations`)
    product = product.flatMap((entries) => values.map((value) => [...entries, [name, value] as const]))
  }
  return product.map(mapOf)
}

function extend(values: JsonMap, includes: readonly IncludeItem[], matched: Set<IncludeItem>): MatrixCombination {
  let extra: JsonMap = {}
  for (const item of includes) {
    if (!matches(item.filter, values)) continue
    matched.add(item)
    extra = { ...extra, ...item.extra }
  }
  return combination(values, extra)
}

function combination(values: JsonMap, extra: JsonMap | null): MatrixCombination {
  return { values: { ...values, ...extra }, segments: [...scalarsOf(values)] }
}

/** True when every leaf of the filter equals the value at the same place. */
function matches(filter: Json, value: Json | undefined): boolean {
  if (isList(filter)) return filter.every((item, index) => matches(item, isList(value) ? value[index] : null))
  if (isMap(filter))
    return Object.entries(filter).every(([key, item]) => matches(item, isMap(value) && Object.hasOwn(value, key) ? value[key] : null))
  return looselyEqual(filter, value ?? null)
}

function* scalarsOf(value: Json): Generator<string> {
  if (isList(value)) for (const item of value) yield* scalarsOf(item)
  else if (isMap(value)) for (const item of Object.values(value)) yield* scalarsOf(item)
  else if (value !== null && value !== '') yield String(value)
}

function withinLimit(jobs: readonly MatrixCombination[]): readonly MatrixCombination[] {
  if (jobs.length === 0) throw invalid('Cannot use the matrix: it gives no jobs')
  if (jobs.length > MATRIX_JOBS_MAX)
    throw invalid(`Cannot use the matrix: it gives ${jobs.length} jobs, at most ${MATRIX_JOBS_MAX} are allowed`)
  return jobs
}

function invalid(message: string): EngineError {
  return new EngineError('ENGINE_MATRIX_INVALID', message)
}
