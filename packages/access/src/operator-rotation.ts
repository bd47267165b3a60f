// SPDX-License-Identifier: Apache-2.0
import { quote, type SourcePosition } from '@sallyport/core'
import { readAddress } from './secret-syntax.ts'
import type { TreeReader } from './tree-reader.ts'
import type { YamlNode } from './yaml-tree.ts'

/** When the value of a secret at a manager is overdue, and how it is replaced. */
export interface RotationEntry {
  readonly at: SourcePosition
  readonly provider: string
  readonly path: string
  readonly field: string | null
  /** How old a version may get; milliseconds. */
  readonly everyMs: number
  /** Absolute path of a program; null: the manager itself, or nobody else has to know the value. */
  readonly hook: string | null
  /** Characters of a value that is made here; null: the hook makes it, or the manager. */
  readonly generate: number | null
}

const ENTRIES_MAX = 1000
const UNIT_MS: Readonly<Record<string, number>> = { h: 3600e3, d: 24 * 3600e3, w: 7 * 24 * 3600e3 }
const GENERATE = { min: 16, max: 1024 }

/** `rotation:` of the operator's file. */
export function readRotation(node: YamlNode | undefined, reader: TreeReader): readonly RotationEntry[] {
  if (node === undefined) return []
  const entries = reader.list(node, 'rotation')
  if (entries.length > ENTRIES_MAX) reader.invalid(node.at, `rotation has more than ${ENTRIES_MAX} entries`)
  return entries.slice(0, ENTRIES_MAX).flatMap((entry) => readEntry(entry, reader) ?? [])
}

function readEntry(node: YamlNode, reader: TreeReader): RotationEntry | null {
  const fields = reader.fields(node, 'an entry of rotation', ['from', 'path', 'every', 'hook', 'generate'])
  const from = fields.from === undefined ? null : reader.text(fields.from, 'from')
  const address = fields.path === undefined ? null : readAddress(fields.path, reader)
  const every = fields.every === undefined ? null : reader.text(fields.every, 'every')
  if (from === null || address === null || every === null)
    return reader.invalid(
      node.at,
      'an entry of rotation says which secret, and how old it may get',
      'for example { from: openbao, path: kv/ci/packages#token, every: 30d }',
    )
  const everyMs = parseEvery(every.value)
  if (everyMs === null)
    return reader.invalid(every.at, `${quote(every.value)} is no time after which a value is overdue`, 'for example 30d, 12h or 4w')
  return {
    at: node.at,
    provider: from.value,
    ...address,
    everyMs,
    hook: readHook(fields.hook, reader),
    generate: readGenerate(fields.generate, reader),
  }
}

/** `30d`, `12h`, `4w`. */
function parseEvery(text: string): number | null {
  const [, amount = '', unit = ''] = /^([1-9][0-9]{0,3})([hdw])$/.exec(text) ?? []
  const unitMs = UNIT_MS[unit]
  return unitMs === undefined ? null : Number(amount) * unitMs
}

function readHook(node: YamlNode | undefined, reader: TreeReader): string | null {
  const text = node === undefined ? null : reader.text(node, 'hook')
  if (text === null || (text.value.startsWith('/') && !text.value.includes('\0'))) return text?.value ?? null
  return reader.invalid(text.at, `${quote(text.value)} is no absolute path`, 'begin it with /')
}

function readGenerate(node: YamlNode | undefined, reader: TreeReader): number | null {
  const text = node === undefined ? null : reader.text(node, 'generate')
  if (text === null) return null
  const length = /^[0-9]{1,4}$/.test(text.value) ? Number(text.value) : Number.NaN
  if (length >= GENERATE.min && length <= GENERATE.max) return length
  return reader.invalid(text.at, `${quote(text.value)} is no length of a value`, `from ${GENERATE.min} to ${GENERATE.max}`)
}
