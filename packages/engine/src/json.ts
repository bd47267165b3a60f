// SPDX-License-Identifier: Apache-2.0
import type { Json } from './contract.ts'

export type JsonMap = { readonly [key: string]: Json }

export function isMap(value: Json | undefined): value is JsonMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function isList(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value)
}

/** `__proto__` becomes a key like any other: names can be chosen by a job. */
export function mapOf(entries: Iterable<readonly [string, Json]>): JsonMap {
  return Object.fromEntries(entries)
}

/** The type's name as a user knows it. */
export function typeName(value: Json): string {
  if (value === null) return 'null'
  if (isList(value)) return 'sequence'
  return typeof value === 'object' ? 'mapping' : typeof value
}

/** `==` of the expression language for scalars: no case in strings, and numbers where the types differ. */
export function looselyEqual(left: Json, right: Json): boolean {
  if (typeof left === 'string' && typeof right === 'string') return left.toLowerCase() === right.toLowerCase()
  if (typeof left === typeof right && typeof left !== 'object') return left === right
  return toNumber(left) === toNumber(right)
}

function toNumber(value: Json): number {
  if (typeof value === 'object' && value !== null) return Number.NaN
  return Number(value)
}
