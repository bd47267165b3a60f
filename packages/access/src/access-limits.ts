// SPDX-License-Identifier: Apache-2.0
import { LIMIT_RULES, type LimitName, parseLimit, quote } from '@sallyport/core'
import type { TreeReader } from './tree-reader.ts'
import type { YamlNode } from './yaml-tree.ts'

/** What a file says; the others are as without it. */
export interface AccessLimits {
  readonly cpu?: number
  readonly memoryBytes?: number
  readonly pids?: number
  readonly diskBytes?: number
  readonly timeMs?: number
}

const FIELDS = { cpu: 'cpu', memory: 'memoryBytes', pids: 'pids', disk: 'diskBytes', time: 'timeMs' } as const satisfies Partial<
  Record<LimitName, keyof AccessLimits>
>

type FileLimit = keyof typeof FIELDS

export function readLimits(node: YamlNode | undefined, reader: TreeReader): AccessLimits {
  if (node === undefined) return {}
  const names = Object.keys(FIELDS) as FileLimit[]
  const fields = reader.fields(node, 'limits', names)
  const limits = names.map((name) => [FIELDS[name], readLimit(name, fields[name], reader)] as const)
  return Object.fromEntries(limits.filter(([, value]) => value !== null))
}

function readLimit(name: FileLimit, node: YamlNode | undefined, reader: TreeReader): number | null {
  const text = node === undefined ? null : reader.text(node, `limits.${name}`)
  if (text === null) return null
  const parsed = parseLimit(name, text.value)
  if ('value' in parsed) return parsed.value
  return reader.invalid(text.at, `limits.${name}: ${quote(text.value)} ${parsed.flaw}`, `for example ${LIMIT_RULES[name].example}`)
}
