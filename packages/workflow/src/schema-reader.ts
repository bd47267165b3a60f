// SPDX-License-Identifier: Apache-2.0
import type { ObjectReader } from '@actions/workflow-parser/templates/object-reader'
import type { TemplateSchema } from '@actions/workflow-parser/templates/schema/template-schema'
import type { TemplateContext } from '@actions/workflow-parser/templates/template-context'
import type { LiteralToken, MappingToken, SequenceToken, TemplateToken } from '@actions/workflow-parser/templates/tokens/index'
import type { TokenRange } from '@actions/workflow-parser/templates/tokens/token-range'
import type { ParserLibrary } from './parser-library.ts'
import type { SourceTree } from './source-tree.ts'

/** One complaint of the schema about a node; `offset` counts in the node's value. */
export interface SchemaError {
  /** Index in the source tree; -1 when it is about the whole file. */
  readonly node: number
  readonly offset: number
  readonly message: string
  /** The complaint is about the expression that begins at `offset`. */
  readonly isExpression: boolean
}

export interface SchemaResult {
  readonly root: TemplateToken | null
  /** The tokens by index of their source node. */
  readonly tokens: readonly TemplateToken[]
  readonly errors: readonly SchemaError[]
}

/**
 * Checks the tree against one definition of the schema.
 *
 * The library sees addresses instead of lines: `line` is the node's index + 1, and `column` the offset in its value + 1.
 * So each complaint leads back to the exact character, and the library never works on the raw text of a
 * multi-line scalar (it would take the indentation of the file for a part of the value).
 */
export function readSchema(library: ParserLibrary, schema: TemplateSchema, definition: string, tree: SourceTree): SchemaResult {
  const errors: SchemaError[] = []
  const context = createContext(library, schema, errors)
  const reader = new SourceTreeReader(library, tree)
  const root = library.reader.readTemplate(context, definition, reader, 1)
  return { root: root ?? null, tokens: reader.tokens, errors }
}

function createContext(library: ParserLibrary, schema: TemplateSchema, errors: SchemaError[]): TemplateContext {
  const { TemplateContext: Context, TemplateValidationErrors } = library.context
  const context = new Context(new TemplateValidationErrors(), schema, new library.trace.NoOperationTraceWriter())
  context.error = (subject: TemplateToken | number | undefined, error: unknown, range?: TokenRange) => {
    const start = range?.start ?? (typeof subject === 'object' ? subject.range?.start : undefined)
    const message = error instanceof Error ? error.message : String(error)
    const isExpression = error instanceof Error && range !== undefined
    errors.push({ node: (start?.line ?? 0) - 1, offset: (start?.column ?? 1) - 1, message, isExpression })
  }
  return context
}

function rangeOfNode(index: number): TokenRange {
  const address = { line: index + 1, column: 1 }
  return { start: address, end: address }
}

export function nodeOfToken(token: TemplateToken): number {
  return (token.range?.start.line ?? 0) - 1
}

class SourceTreeReader implements ObjectReader {
  readonly tokens: TemplateToken[] = []
  readonly #library: ParserLibrary
  readonly #tree: SourceTree
  #at = 0

  constructor(library: ParserLibrary, tree: SourceTree) {
    this.#library = library
    this.#tree = tree
  }

  allowLiteral(): LiteralToken | undefined {
    return this.#begin('scalar') as LiteralToken | undefined
  }

  allowSequenceStart(): SequenceToken | undefined {
    return this.#begin('sequence') as SequenceToken | undefined
  }

  allowSequenceEnd(): boolean {
    return this.#end('sequence')
  }

  allowMappingStart(): MappingToken | undefined {
    return this.#begin('mapping') as MappingToken | undefined
  }

  allowMappingEnd(): boolean {
    return this.#end('mapping')
  }

  validateStart(): void {
    this.#at = 0
  }

  validateEnd(): void {
    if (this.#at !== this.#tree.events.length) throw new Error('the file has more than one value')
  }

  #begin(kind: 'scalar' | 'sequence' | 'mapping'): TemplateToken | undefined {
    const index = this.#tree.events[this.#at] ?? -1
    if (index < 0 || this.#tree.nodes[index]?.kind !== kind) return undefined
    this.#at += 1
    const token = this.#token(index)
    this.tokens[index] = token
    return token
  }

  #end(kind: 'sequence' | 'mapping'): boolean {
    const event = this.#tree.events[this.#at] ?? 0
    if (event >= 0 || this.#tree.nodes[-1 - event]?.kind !== kind) return false
    this.#at += 1
    return true
  }

  #token(index: number): TemplateToken {
    const { BooleanToken, MappingToken: Mapping, NullToken, NumberToken, SequenceToken: Sequence, StringToken } = this.#library.tokens
    const node = this.#tree.nodes[index]
    const range = rangeOfNode(index)
    if (node?.kind === 'mapping') return new Mapping(1, range, undefined)
    if (node?.kind === 'sequence') return new Sequence(1, range, undefined)
    switch (typeof node?.value) {
      case 'string':
        return new StringToken(1, range, node.value, undefined)
      case 'number':
        return new NumberToken(1, range, node.value, undefined)
      case 'boolean':
        return new BooleanToken(1, range, node.value, undefined)
      default:
        return new NullToken(1, range, undefined)
    }
  }
}
