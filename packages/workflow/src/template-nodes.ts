// SPDX-License-Identifier: Apache-2.0
import type { SourcePosition, TemplateNode } from './plan.ts'

/** The key `${{ insert }}`: its value's entries go into the mapping around it. No context has this name. */
export const INSERT = 'insert'

/** One entry with a literal key. */
export interface NamedEntry {
  readonly name: string
  readonly keyAt: SourcePosition
  readonly value: TemplateNode
}

/** The entries of a mapping whose keys are literal; none for every other node. */
export function namedEntries(node: TemplateNode | null): NamedEntry[] {
  if (node?.kind !== 'mapping') return []
  return node.entries.flatMap(({ key, value }) => (key.kind === 'literal' ? [{ name: String(key.value), keyAt: key.at, value }] : []))
}

/** The value of a key, or null; a key without value (`env:`) counts as absent. */
export function field(node: TemplateNode | null, name: string): TemplateNode | null {
  const value = namedEntries(node).find((entry) => entry.name === name)?.value ?? null
  return value?.kind === 'literal' && value.value === null ? null : value
}

export function literal(node: TemplateNode | null): string | number | boolean | null {
  return node?.kind === 'literal' ? node.value : null
}

/** A literal as text; null for everything else. */
export function literalText(node: TemplateNode | null): string | null {
  const value = literal(node)
  return value === null ? null : String(value)
}

/** `x` and `[x, y]` both as list; what is not literal is left out. */
export function literalTexts(node: TemplateNode | null): { readonly text: string; readonly at: SourcePosition }[] {
  const items = node?.kind === 'sequence' ? node.items : node === null ? [] : [node]
  return items.flatMap((item) => {
    const text = literalText(item)
    return text === null ? [] : [{ text, at: item.at }]
  })
}
