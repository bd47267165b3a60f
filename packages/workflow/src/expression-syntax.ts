// SPDX-License-Identifier: Apache-2.0
import { data, type Expr, ExpressionError, Lexer, Parser, wellKnownFunctions } from '@actions/expressions'
import { Binary, ContextAccess, FunctionCall, Grouping, IndexAccess, Literal, Logical, Unary } from '@actions/expressions/ast'
import { ErrorType, MAX_EXPRESSION_LENGTH, MAX_PARSER_DEPTH } from '@actions/expressions/errors'
import { type Token, TokenType } from '@actions/expressions/lexer'
import { nearest, quote, suggest } from '@sallyport/core'
import { EVERY_NAME, type FunctionSignature, STATUS_FUNCTIONS, type Vocabulary } from './vocabulary.ts'

/** Why a text is no expression; `offset` counts from its start. */
export interface ExpressionFault {
  readonly offset: number
  readonly message: string
  readonly suggestion: string | null
}

export type ParsedExpression =
  | { readonly fault: ExpressionFault }
  | { readonly fault: null; readonly tree: Expr; readonly offsetOf: (token: Token) => number }

/** Parses one expression without its `${{ }}`. Never throws: whatever is wrong becomes a fault. */
export function parseExpression(text: string, vocabulary: Vocabulary): ParsedExpression {
  if (text.length > MAX_EXPRESSION_LENGTH) return { fault: tooLong(0) }
  if (text.trim() === '') return { fault: fault(0, 'an expression was expected', 'write one between ${{ and }}') }
  let tokens: Token[]
  try {
    tokens = new Lexer(text).lex().tokens
  } catch (error) {
    return { fault: lexerFault(text, error) }
  }
  for (const token of tokens) unescapeString(token)
  const offsetOf = tokenOffsets(text, tokens)
  try {
    const tree = new Parser(tokens, [...vocabulary.contexts], [...vocabulary.functions]).parse()
    const unknown = unknownFunction(tree, vocabulary)
    if (unknown !== null) return { fault: unknownFunctionFault(unknown, offsetOf(unknown), vocabulary) }
    return { fault: null, tree, offsetOf }
  } catch (error) {
    return { fault: parserFault(error, offsetOf, vocabulary) }
  }
}

/** All nodes, parents first. Without recursion: `a == b == …` nests as deep as the text is long. */
function* walk(tree: Expr): Generator<Expr> {
  const waiting: Expr[] = [tree]
  for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
    yield node
    waiting.push(...children(node).toReversed())
  }
}

function children(node: Expr): Expr[] {
  if (node instanceof FunctionCall || node instanceof Logical) return node.args
  if (node instanceof Binary) return [node.left, node.right]
  if (node instanceof Unary) return [node.expr]
  if (node instanceof Grouping) return [node.group]
  if (node instanceof IndexAccess) return [node.expr, node.index]
  return []
}

export function callsStatusFunction(tree: Expr): boolean {
  return [...walk(tree)].some((node) => node instanceof FunctionCall && STATUS_FUNCTIONS.has(node.functionName.lexeme.toLowerCase()))
}

/** One use of a context: `property` is null where the whole context or a computed name is used. */
export interface ContextUse {
  readonly context: string
  readonly property: string | null
  readonly token: Token
}

/** Each use of a context, with the property when it is written out (`x.name`, `x['name']`). */
export function contextUses(tree: Expr): ContextUse[] {
  const uses: ContextUse[] = []
  const named = new Set<Expr>()
  for (const node of walk(tree)) {
    if (node instanceof IndexAccess && node.expr instanceof ContextAccess) {
      const property = literalText(node.index)
      if (property === null) continue
      named.add(node.expr)
      uses.push({ context: node.expr.name.lexeme.toLowerCase(), property, token: node.expr.name })
    } else if (node instanceof ContextAccess && !named.has(node)) {
      uses.push({ context: node.name.lexeme.toLowerCase(), property: null, token: node.name })
    }
  }
  return uses
}

function literalText(node: Expr): string | null {
  return node instanceof Literal && node.literal.kind === data.Kind.String ? node.literal.coerceString() : null
}

/** One `${{ }}` of a text: `start` and `end` are the offsets of `${{` and of what follows `}}`. */
export interface EmbeddedExpression {
  readonly start: number
  readonly end: number
  /** Between the braces, white space trimmed. */
  readonly text: string
  /** Offset of `text` in the whole. */
  readonly textStart: number
}

/** Finds each closed `${{ }}`; braces inside of single quotes do not close it. */
export function embeddedExpressions(value: string): EmbeddedExpression[] {
  const found: EmbeddedExpression[] = []
  let start = value.indexOf('${{')
  while (start >= 0) {
    const end = expressionEnd(value, start + 3)
    if (end < 0) break
    const inner = value.slice(start + 3, end - 2)
    const blanks = inner.length - inner.trimStart().length
    found.push({ start, end, text: inner.trim(), textStart: start + 3 + blanks })
    start = value.indexOf('${{', end)
  }
  return found
}

function expressionEnd(value: string, from: number): number {
  let isQuoted = false
  for (let index = from; index < value.length; index += 1) {
    if (value[index] === "'") isQuoted = !isQuoted
    else if (!isQuoted && value[index] === '}' && value[index - 1] === '}') return index + 1
  }
  return -1
}

/** The library replaces only the first doubled quote of a string. */
function unescapeString(token: Token): void {
  if (token.type === TokenType.STRING) token.value = token.lexeme.slice(1, -1).replaceAll("''", "'")
}

/** Tokens follow each other with white space between; the library's own columns are wrong after a line break. */
function tokenOffsets(text: string, tokens: readonly Token[]): (token: Token) => number {
  const offsets = new Map<Token, number>()
  let at = 0
  for (const token of tokens) {
    while (at < text.length && /\s/.test(text[at] ?? '')) at += 1
    offsets.set(token, at)
    at += token.lexeme.length
  }
  return (token) => offsets.get(token) ?? 0
}

/** `constructor()` and `__proto__()` pass the library's own table of functions. */
function unknownFunction(tree: Expr, vocabulary: Vocabulary): Token | null {
  const known = new Set([...Object.keys(wellKnownFunctions), ...vocabulary.functions.map((entry) => entry.name.toLowerCase())])
  for (const node of walk(tree)) {
    if (node instanceof FunctionCall && !known.has(node.functionName.lexeme.toLowerCase())) return node.functionName
  }
  return null
}

function fault(offset: number, message: string, suggestion: string | null): ExpressionFault {
  return { offset, message, suggestion }
}

function tooLong(offset: number): ExpressionFault {
  const hint = 'the text around ${{ }} counts too; pass the values through env and use those'
  return fault(offset, `an expression can have at most ${MAX_EXPRESSION_LENGTH} characters`, hint)
}

function lexerFault(text: string, error: unknown): ExpressionFault {
  const position = /Located at position (\d+) within expression: /.exec(error instanceof Error ? error.message : '')
  const offset = Math.min(Math.max(Number(position?.[1] ?? 1) - 1, 0), text.length)
  const rest = text.slice(offset)
  if (rest.startsWith("'")) return fault(offset, `the text ${quote(rest)} is not closed`, "close it with '")
  const symbol = /^[^\s()[\],]+/.exec(rest)?.[0] ?? rest
  return fault(offset, `unexpected ${quote(symbol)} in an expression`, symbolHint(symbol))
}

function symbolHint(symbol: string): string | null {
  if (symbol.includes('"')) return "text stands between single quotes: 'text'"
  if (symbol.startsWith('=')) return 'compare with =='
  if (symbol.startsWith('&')) return 'and is written &&'
  if (symbol.startsWith('|')) return 'or is written ||'
  if (/^[+\-*/%]/.test(symbol)) return 'expressions have no arithmetic'
  if (/[/@:]/.test(symbol)) return "text stands between single quotes: 'text'"
  return null
}

function parserFault(error: unknown, offsetOf: (token: Token) => number, vocabulary: Vocabulary): ExpressionFault {
  if (!(error instanceof ExpressionError)) return fault(0, 'the expression cannot be read', null)
  // The library declares both private, but nothing else says what is wrong and where.
  const { typ, tok } = error as unknown as { readonly typ: ErrorType; readonly tok: Token }
  const offset = offsetOf(tok)
  switch (typ) {
    case ErrorType.ErrorUnrecognizedNamedValue:
    case ErrorType.ErrorUnrecognizedContext:
      return unknownContextFault(tok, offset, vocabulary)
    case ErrorType.ErrorUnrecognizedFunction:
      return unknownFunctionFault(tok, offset, vocabulary)
    case ErrorType.ErrorTooFewParameters:
    case ErrorType.ErrorTooManyParameters:
    case ErrorType.ErrorEvenParameters:
      return argumentsFault(typ, tok, offset, vocabulary)
    case ErrorType.ErrorExceededMaxDepth:
      return fault(offset, `the expression is nested more than ${MAX_PARSER_DEPTH} levels deep`, null)
    case ErrorType.ErrorExceededMaxLength:
      return tooLong(offset)
    case ErrorType.ErrorUnexpectedEndOfExpression:
      return fault(offset, 'the expression ends too early', null)
    case ErrorType.ErrorUnexpectedSymbol:
      if (tok.type === TokenType.EOF) return fault(offset, 'the expression ends too early', null)
      return fault(offset, `unexpected ${quote(tok.lexeme)} in an expression`, symbolHint(tok.lexeme))
  }
}

function unknownContextFault(token: Token, offset: number, vocabulary: Vocabulary): ExpressionFault {
  const name = token.lexeme
  if (EVERY_NAME.contexts.includes(name.toLowerCase())) {
    const instead = name.toLowerCase() === 'secrets' ? 'give it to an env variable, or to the action as input; ' : ''
    return fault(offset, `${quote(name)} is not available here`, `${instead}available: ${vocabulary.contexts.join(', ')}`)
  }
  const hint = nearest(name, vocabulary.contexts)
  if (hint !== null) return fault(offset, `there is no context ${quote(name)}`, `did you mean ${quote(hint)}?`)
  const asText = `for text write '${name.slice(0, 40)}'`
  const available = vocabulary.contexts.length === 0 ? asText : `available: ${vocabulary.contexts.join(', ')}; ${asText}`
  return fault(offset, `there is no context ${quote(name)}`, available)
}

function unknownFunctionFault(token: Token, offset: number, vocabulary: Vocabulary): ExpressionFault {
  const name = token.lexeme
  const known = functionNames(vocabulary)
  if (STATUS_FUNCTIONS.has(name.toLowerCase()) || name.toLowerCase() === 'hashfiles') {
    return fault(offset, `the function ${quote(name)} is not available here`, `available: ${known.join(', ')}`)
  }
  return fault(offset, `there is no function ${quote(name)}`, suggest(name, known, 'available'))
}

function functionNames(vocabulary: Vocabulary): string[] {
  const builtIn = ['contains', 'startsWith', 'endsWith', 'format', 'join', 'toJSON', 'fromJSON', 'case']
  return [...builtIn, ...vocabulary.functions.map((entry) => entry.name)]
}

function argumentsFault(typ: ErrorType, token: Token, offset: number, vocabulary: Vocabulary): ExpressionFault {
  const name = token.lexeme.toLowerCase()
  const builtIn = Object.entries(wellKnownFunctions).find(([key]) => key === name)?.[1]
  const signature = builtIn ?? vocabulary.functions.find((entry) => entry.name.toLowerCase() === name)
  const amount =
    typ === ErrorType.ErrorTooFewParameters ? 'too few' : typ === ErrorType.ErrorTooManyParameters ? 'too many' : 'an even number of'
  return fault(
    offset,
    `${quote(token.lexeme)} has ${amount} arguments`,
    signature === undefined ? null : `it takes ${argumentCount(signature)}`,
  )
}

function argumentCount(signature: FunctionSignature): string {
  const { name, minArgs, maxArgs } = signature
  if (name === 'case') return 'pairs of a condition and a value, then the value that is left'
  if (minArgs === maxArgs) return minArgs === 0 ? 'none' : `${minArgs}`
  return maxArgs > 255 ? `${minArgs} or more` : `${minArgs} to ${maxArgs}`
}
