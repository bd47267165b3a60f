// SPDX-License-Identifier: Apache-2.0
import { contextUses, parseExpression } from './expression-syntax.ts'
import type { TemplateNode } from './plan.ts'
import { EVERY_NAME } from './vocabulary.ts'

/** Names that the expressions below these nodes read of a context (`context.name`, `context['name']`), as written, each once. */
export function referencedNames(context: string, nodes: readonly (TemplateNode | null)[]): string[] {
  const names = new Set<string>()
  for (const node of nodes) if (node !== null) collect(context, node, names)
  return [...names]
}

function collect(context: string, node: TemplateNode, names: Set<string>): void {
  switch (node.kind) {
    case 'literal':
      return
    case 'expression':
      for (const name of namesInExpression(context, node.expression)) names.add(name)
      return
    case 'sequence':
      for (const item of node.items) collect(context, item, names)
      return
    case 'mapping':
      for (const { key, value } of node.entries) {
        collect(context, key, names)
        collect(context, value, names)
      }
  }
}

function namesInExpression(context: string, expression: string): string[] {
  // A cheap look first: most expressions do not name the context at all.
  if (!expression.toLowerCase().includes(context)) return []
  const parsed = parseExpression(expression, EVERY_NAME)
  if (parsed.fault !== null) return []
  return contextUses(parsed.tree).flatMap((use) => (use.context === context && use.property !== null ? [use.property] : []))
}
