// SPDX-License-Identifier: Apache-2.0
import { parseSize, quote } from '@sallyport/core'
import type { Budget, EgressRule, HttpCondition } from './contract.ts'
import { isFlaw } from './host-pattern.ts'
import { METHODS_NEVER } from './match-rule.ts'
import { type PathPattern, parsePathPattern } from './path-pattern.ts'
import type { Fields, TreeReader } from './tree-reader.ts'
import type { YamlNode, YamlText } from './yaml-tree.ts'

/** The keys of a rule that say on which conditions it holds, not for which destination. */
export const CONDITION_KEYS = ['methods', 'path', 'paths', 'graphql', 'websocket', 'executables', 'budget'] as const

export type ConditionFields = Fields<(typeof CONDITION_KEYS)[number]>
export type Conditions = Pick<EgressRule, 'http' | 'executables' | 'budget'>

export function readConditions(fields: ConditionFields, reader: TreeReader): Conditions {
  return {
    http: readHttp(fields, reader),
    executables: readExecutables(fields.executables, reader),
    budget: readBudget(fields.budget, reader),
  }
}

/** Null when no key asks for one: then whatever is said over the connection is allowed. */
function readHttp({ methods, path, paths, graphql, websocket }: ConditionFields, reader: TreeReader): HttpCondition | null {
  if ([methods, path, paths, graphql, websocket].every((node) => node === undefined)) return null
  return {
    methods: methods === undefined ? null : readMethods(methods, reader),
    paths: readPaths(path, paths, reader),
    graphql: reader.boolean(graphql, 'graphql'),
    websocket: reader.boolean(websocket, 'websocket'),
  }
}

function readMethods(node: YamlNode, reader: TreeReader): readonly string[] {
  const texts = readSome(node, 'methods', reader)
  return [...new Set(texts.map((text) => readMethod(text, reader)).filter((method) => method !== null))].sort()
}

const METHOD = /^[A-Z][A-Z-]{0,31}$/

function readMethod({ value, at }: YamlText, reader: TreeReader): string | null {
  const upper = value.toUpperCase()
  if (!METHOD.test(upper)) return reader.invalid(at, `${quote(value)} is no HTTP method`, 'for example GET, HEAD, POST')
  if (value !== upper) return reader.invalid(at, `the method ${quote(value)} is not in upper case`, `write ${upper}`)
  return METHODS_NEVER.includes(value) ? reader.invalid(at, `${value} cannot be allowed`, 'it takes a connection out of the rules') : value
}

/** Whether a rule can name it. */
export function isMethod(text: string): boolean {
  return METHOD.test(text) && !METHODS_NEVER.includes(text)
}

function readPaths(path: YamlNode | undefined, paths: YamlNode | undefined, reader: TreeReader): readonly PathPattern[] | null {
  if (path !== undefined && paths !== undefined) reader.invalid(paths.at, 'path and paths exclude each other', 'write paths: [/a, /b]')
  if (path === undefined && paths === undefined) return null
  const one = path === undefined ? null : reader.text(path, 'path')
  const texts = [...(one === null ? [] : [one]), ...(paths === undefined ? [] : readSome(paths, 'paths', reader))]
  return texts.map((text) => readPath(text, reader)).filter((pattern) => pattern !== null)
}

function readPath({ value, at }: YamlText, reader: TreeReader): PathPattern | null {
  const pattern = parsePathPattern(value)
  return isFlaw(pattern) ? reader.invalid(at, pattern.message, pattern.suggestion) : pattern
}

function readExecutables(node: YamlNode | undefined, reader: TreeReader): readonly string[] | null {
  if (node === undefined) return null
  const texts = readSome(node, 'executables', reader)
  for (const { value, at } of texts) {
    const isPlain = /^(\/[^/\0]+)+$/.test(value) && !/\/\.{1,2}(\/|$)/.test(value)
    if (!isPlain)
      reader.invalid(at, `${quote(value)} is no absolute path of a program`, 'write it without . and .., for example /usr/bin/git')
  }
  return texts.map(({ value }) => value)
}

function readBudget(node: YamlNode | undefined, reader: TreeReader): Budget {
  const { out, in: into, rate } = node === undefined ? {} : reader.fields(node, 'budget', ['out', 'in', 'rate'])
  return {
    bytesOut: readBytes(out, 'budget.out', reader),
    bytesIn: readBytes(into, 'budget.in', reader),
    bytesPerSecond: readBytes(rate, 'budget.rate', reader),
  }
}

/** A size; a rate may end with `/s`. */
export function readBytes(node: YamlNode | undefined, what: string, reader: TreeReader): number | null {
  const text = node === undefined ? null : reader.text(node, what)
  if (text === null) return null
  const bytes = parseSize(what.endsWith('rate') ? text.value.replace(/\/s$/, '') : text.value)
  if (bytes === null) return reader.invalid(text.at, `${what}: ${quote(text.value)} is not a size`, 'for example 10MiB')
  return bytes === 0 && what.endsWith('rate')
    ? reader.invalid(text.at, 'budget.rate cannot be 0', 'write budget: { out: 0 } to let nothing out')
    : bytes
}

function readSome(node: YamlNode, what: string, reader: TreeReader): readonly YamlText[] {
  if (node.kind === 'list' && node.items.length === 0) reader.invalid(node.at, `${what} is empty`, 'leave it out to allow all')
  return reader.texts(node, what)
}
