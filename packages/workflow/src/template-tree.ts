// SPDX-License-Identifier: Apache-2.0
import { MAX_EXPRESSION_LENGTH } from '@actions/expressions/errors'
import type { DefinitionInfo } from '@actions/workflow-parser/templates/schema/definition-info'
import type {
  BasicExpressionToken,
  MappingToken,
  SequenceToken,
  StringToken,
  TemplateToken,
} from '@actions/workflow-parser/templates/tokens/index'
import { quote } from '@sallyport/core'
import { contextUses, type EmbeddedExpression, embeddedExpressions, type ParsedExpression, parseExpression } from './expression-syntax.ts'
import type { Findings } from './findings.ts'
import type { ParserLibrary } from './parser-library.ts'
import type { TemplateEntry, TemplateNode } from './plan.ts'
import { nodeOfToken } from './schema-reader.ts'
import type { SourceTree } from './source-tree.ts'
import { INSERT } from './template-nodes.ts'
import { EVERY_NAME, vocabularyOf } from './vocabulary.ts'

/** Definitions whose text is an expression even without `${{ }}`. */
const CONDITIONS: ReadonlySet<string> = new Set(['job-if', 'step-if', 'runs-if', 'snapshot-if'])

/** Turns the library's tokens into our own nodes, and looks into every expression on the way. */
export function toTemplateNode(library: ParserLibrary, tree: SourceTree, root: TemplateToken, findings: Findings): TemplateNode {
  return new TemplateConverter(library, tree, findings).convert(root)
}

class TemplateConverter {
  readonly #library: ParserLibrary
  readonly #tree: SourceTree
  readonly #findings: Findings

  constructor(library: ParserLibrary, tree: SourceTree, findings: Findings) {
    this.#library = library
    this.#tree = tree
    this.#findings = findings
  }

  convert(token: TemplateToken): TemplateNode {
    const { BasicExpressionToken: Basic, InsertExpressionToken, MappingToken: Mapping, SequenceToken: Sequence } = this.#library.tokens
    const { BooleanToken, NumberToken, StringToken: Text } = this.#library.tokens
    const at = this.#tree.position(nodeOfToken(token))
    if (token instanceof Mapping) return { kind: 'mapping', entries: this.#entries(token), at }
    if (token instanceof Sequence) return { kind: 'sequence', items: this.#items(token), at }
    if (token instanceof InsertExpressionToken) return { kind: 'expression', expression: INSERT, at }
    if (token instanceof Basic) return this.#expression(token)
    if (token instanceof Text) return this.#text(token)
    if (token instanceof BooleanToken || token instanceof NumberToken) return { kind: 'literal', value: token.value, at }
    return { kind: 'literal', value: null, at }
  }

  #entries(token: MappingToken): TemplateEntry[] {
    return Array.from(token, (pair) => ({ key: this.#key(pair.key), value: this.convert(pair.value) }))
  }

  /** A key carries the definition of its value: its own text is never a condition. */
  #key(token: TemplateToken): TemplateNode {
    const isText = token instanceof this.#library.tokens.StringToken
    return isText ? { kind: 'literal', value: token.value, at: this.#tree.position(nodeOfToken(token)) } : this.convert(token)
  }

  #items(token: SequenceToken): TemplateNode[] {
    return Array.from(token, (item) => this.convert(item))
  }

  #expression(token: BasicExpressionToken): TemplateNode {
    const node = nodeOfToken(token)
    const at = this.#tree.position(node)
    const value = String(this.#tree.nodes[node]?.value ?? '')
    const embedded = this.#inspectEmbedded(node, value)
    if (token.expression.length > MAX_EXPRESSION_LENGTH) {
      const message = `text with expressions can have at most ${MAX_EXPRESSION_LENGTH} characters, this has ${token.expression.length}`
      this.#findings.invalid(at, message, 'pass the values through env and use those in the text')
    }
    const isMixed = embedded.length !== 1 || embedded[0]?.start !== 0 || embedded[0].end !== value.length
    if (isMixed && isCondition(token.definitionInfo)) {
      this.#findings.notice(at, 'a condition with text around ${{ }} is always true; write it without the braces')
    }
    return { kind: 'expression', expression: token.expression, at }
  }

  #text(token: StringToken): TemplateNode {
    const node = nodeOfToken(token)
    const written = this.#tree.nodes[node]?.value
    if (typeof written === 'string' && written.includes('${{')) this.#inspectEmbedded(node, written)
    else if (isCondition(token.definitionInfo)) return this.#condition(token)
    return { kind: 'literal', value: token.value, at: this.#tree.position(node) }
  }

  #inspectEmbedded(node: number, value: string): EmbeddedExpression[] {
    const embedded = embeddedExpressions(value)
    for (const { text, textStart } of embedded) this.#inspect(parseExpression(text, EVERY_NAME), node, textStart)
    return embedded
  }

  #condition(token: StringToken): TemplateNode {
    const node = nodeOfToken(token)
    const expression = token.value.trim()
    const at = this.#tree.position(node)
    if (expression === '') return { kind: 'literal', value: '', at }
    const start = token.value.length - token.value.trimStart().length
    const parsed = parseExpression(expression, vocabularyOf(token.definitionInfo?.allowedContext ?? []))
    if (parsed.fault !== null && !this.#findings.isFull) {
      const { offset, message, suggestion } = parsed.fault
      this.#findings.invalid(this.#tree.position(node, start + offset), message, suggestion)
    }
    this.#inspect(parsed, node, start)
    return { kind: 'expression', expression, at }
  }

  /** A step gets exactly the secrets that its text names, so each use has to name one. */
  #inspect(parsed: ParsedExpression, node: number, start: number): void {
    if (parsed.fault !== null) return
    for (const use of contextUses(parsed.tree)) {
      if (use.context === 'github' && use.property?.toLowerCase() === 'token') {
        this.#findings.notice(this.#tree.position(node), NO_FORGE_TOKEN('github.token'))
      }
      if (use.context !== 'secrets') continue
      if (use.property?.toUpperCase() === 'GITHUB_TOKEN') {
        this.#findings.notice(this.#tree.position(node), NO_FORGE_TOKEN('secrets.GITHUB_TOKEN'))
      } else if (use.property === null && !this.#findings.isFull) {
        const at = this.#tree.position(node, start + parsed.offsetOf(use.token))
        const message = `${quote('secrets')} can only be used with a name written out: what the step gets would not be known before it runs`
        this.#findings.unsupported(at, message, 'write secrets.NAME for each secret')
      }
    }
  }
}

const NO_FORGE_TOKEN = (name: string): string => `${name} is empty: this run has no token for a forge`

function isCondition(info: DefinitionInfo | undefined): boolean {
  return info !== undefined && CONDITIONS.has(info.definition.key)
}
