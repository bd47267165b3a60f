// SPDX-License-Identifier: Apache-2.0
import { data } from '@actions/expressions'
import type { Json } from './json.ts'

type ExpressionData = ReturnType<data.Array['get']>

/** Plain JSON as the evaluator sees it. Objects and lists are converted when they are looked into: `github.event` can be large. */
export function toData(value: Json): ExpressionData {
  if (value === null) return new data.Null()
  switch (typeof value) {
    case 'string':
      return new data.StringData(value)
    case 'number':
      return new data.NumberData(value)
    case 'boolean':
      return new data.BooleanData(value)
    default:
      return isList(value) ? new JsonArray(value) : new JsonDictionary(value)
  }
}

export function toJson(value: ExpressionData): Json {
  if (value instanceof JsonDictionary || value instanceof JsonArray) return value.source
  if (value instanceof data.Array) return value.values().map(toJson)
  if (value instanceof data.StringData || value instanceof data.NumberData || value instanceof data.BooleanData) return value.value
  if (value instanceof data.Dictionary) return Object.fromEntries(value.pairs().map((pair) => [pair.key, toJson(pair.value)]))
  return null
}

type Pair = ReturnType<data.Dictionary['pairs']>[number]
type JsonList = readonly Json[]
type JsonObject = { readonly [key: string]: Json }

function isList(value: JsonList | JsonObject): value is JsonList {
  return Array.isArray(value)
}

class JsonArray extends data.Array {
  readonly source: JsonList
  #items: ExpressionData[] | null = null

  constructor(source: JsonList) {
    super()
    this.source = source
  }

  override get(index: number): ExpressionData {
    return this.values()[index] ?? new data.Null()
  }

  override values(): ExpressionData[] {
    this.#items ??= this.source.map(toData)
    return this.#items
  }
}

/**
 * Names are found whatever their case; of two that differ only in case the first is found, and both are kept. A map, not
 * an object, holds them: names such as `constructor` or `__proto__` are names like all others.
 */
export class JsonDictionary extends data.Dictionary {
  readonly source: JsonObject
  readonly #fold: (name: string) => string
  #pairs: Pair[] | null = null
  #index: Map<string, ExpressionData> | null = null

  constructor(source: JsonObject, options: { readonly isCaseSensitive?: boolean } = {}) {
    super()
    this.source = source
    this.#fold = options.isCaseSensitive === true ? (name) => name : (name) => name.toLowerCase()
  }

  override get(name: string): ExpressionData | undefined {
    this.#index ??= new Map(
      this.pairs()
        .map(({ key, value }): [string, ExpressionData] => [this.#fold(key), value])
        .toReversed(),
    )
    return this.#index.get(this.#fold(name))
  }

  override values(): ExpressionData[] {
    return this.pairs().map((pair) => pair.value)
  }

  override pairs(): Pair[] {
    this.#pairs ??= Object.entries(this.source).map(([key, value]) => ({ key, value: toData(value) }))
    return this.#pairs
  }
}
