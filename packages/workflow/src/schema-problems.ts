// SPDX-License-Identifier: Apache-2.0
import type { DefinitionInfo } from '@actions/workflow-parser/templates/schema/definition-info'
import type { MappingDefinition } from '@actions/workflow-parser/templates/schema/mapping-definition'
import type { PropertyDefinition } from '@actions/workflow-parser/templates/schema/property-definition'
import { nearest, printable, quote, suggest } from '@sallyport/core'
import { embeddedExpressions, parseExpression } from './expression-syntax.ts'
import type { Findings } from './findings.ts'
import type { ParserLibrary } from './parser-library.ts'
import type { SourcePosition } from './plan.ts'
import type { SchemaError, SchemaResult } from './schema-reader.ts'
import type { SourceTree } from './source-tree.ts'
import { vocabularyOf } from './vocabulary.ts'

// The library's `DefinitionType` is an ambient enum of a module that is loaded lazily; its numbers are part of the schema format.
const NULL = 0
const BOOLEAN = 1
const NUMBER = 2
const STRING = 3
const SEQUENCE = 4
const MAPPING = 5

/** Says each complaint of the schema in terms of what would be right. */
export function reportSchemaErrors(library: ParserLibrary, tree: SourceTree, result: SchemaResult, findings: Findings): void {
  const reporter = new SchemaReporter(library, tree, result, findings)
  const badExpressions = new Set(result.errors.filter((error) => error.isExpression).map((error) => error.node))
  for (const error of result.errors) {
    // A scalar whose expression is wrong stays plain text, which its key may then not accept either: one problem, not two.
    if (!error.isExpression && badExpressions.has(error.node)) continue
    if (findings.isFull) findings.count()
    else reporter.report(error)
  }
}

class SchemaReporter {
  readonly #library: ParserLibrary
  readonly #tree: SourceTree
  readonly #result: SchemaResult
  readonly #findings: Findings
  /** `mapping key`, for each key that an unknown one was probably meant to be. */
  readonly #mistyped = new Set<string>()

  constructor(library: ParserLibrary, tree: SourceTree, result: SchemaResult, findings: Findings) {
    this.#library = library
    this.#tree = tree
    this.#result = result
    this.#findings = findings
  }

  report(error: SchemaError): void {
    if (error.isExpression) this.#badExpression(error)
    else if (/^Unexpected value /.test(error.message)) this.#unexpected(error.node)
    else if (/^A (sequence|mapping) was not expected/.test(error.message)) this.#wrongKind(error)
    else if (error.message.startsWith(MISSING)) this.#missing(error.node, error.message.slice(MISSING.length))
    else if (error.message.startsWith("There's not enough info")) this.#undecided(error.node)
    else this.#other(error)
  }

  #badExpression(error: SchemaError): void {
    const value = this.#tree.nodes[error.node]?.value
    const embedded = typeof value === 'string' ? embeddedExpressions(value).find((entry) => entry.start === error.offset) : undefined
    const info = this.#expectedAt(error.node)
    const parsed = embedded === undefined ? null : parseExpression(embedded.text, vocabularyOf(info?.allowedContext ?? []))
    if (embedded === undefined || parsed === null || parsed.fault === null) {
      this.#findings.invalid(this.#tree.position(error.node, error.offset), printable(error.message))
      return
    }
    const at = this.#tree.position(error.node, embedded.textStart + parsed.fault.offset)
    this.#findings.invalid(at, parsed.fault.message, parsed.fault.suggestion)
  }

  #unexpected(index: number): void {
    const node = this.#tree.nodes[index]
    const at = this.#tree.position(index)
    if (node?.isKey === true) {
      const { allowed, elsewhere } = this.#keysAround(node.parent)
      const key = String(node.value)
      const message = elsewhere.includes(key) ? `the key ${quote(key)} cannot stand beside the others here` : `unknown key ${quote(key)}`
      this.#mistyped.add(`${node.parent} ${nearest(key, allowed)}`)
      this.#findings.invalid(at, message, suggest(key, allowed, 'known keys'))
      return
    }
    const { kinds, constants } = describeExpected(this.#expectedAt(index))
    const shown = node?.value === null ? 'nothing' : quote(String(node?.value))
    const suggestion = constants.length > 0 ? suggest(String(node?.value), constants, 'possible') : null
    this.#findings.invalid(at, `${shown} is not possible for ${this.#place(index)}`, suggestion ?? expectedList(kinds))
  }

  #wrongKind(error: SchemaError): void {
    const found = error.message.startsWith('A sequence') ? 'a list' : 'a mapping'
    const { kinds, constants } = describeExpected(this.#expectedAt(error.node))
    const expected = constants.length > 0 ? suggest('', constants, 'possible') : expectedList(kinds)
    this.#findings.invalid(this.#tree.position(error.node), `${found} is not possible for ${this.#place(error.node)}`, expected)
  }

  #missing(mapping: number, key: string): void {
    if (this.#mistyped.has(`${mapping} ${key}`)) return
    this.#findings.invalid(this.#positionOfOwner(mapping), `the key ${quote(key)} is missing in ${this.#place(mapping)}`)
  }

  /** The keys that are there fit several shapes: each has one key that only it demands. */
  #undecided(mapping: number): void {
    const demanded = mappingProperties(this.#expectedAt(mapping)).filter(([, property]) => property.required)
    const names = [...new Set(demanded.map(([name]) => name))].filter((name) => !NOT_OFFERED.has(name))
    this.#findings.invalid(
      this.#tree.position(mapping),
      `something is missing in ${this.#place(mapping)}`,
      `add one of these keys: ${names.join(', ')}`,
    )
  }

  /** A mapping begins with its first key; what is missing in it is better said at its own key. */
  #positionOfOwner(mapping: number): SourcePosition {
    const key = this.#tree.nodes[mapping]?.key ?? -1
    return this.#tree.position(key >= 0 ? key : mapping)
  }

  #other(error: SchemaError): void {
    const { message, suggestion } = reworded(error.message)
    this.#findings.invalid(this.#tree.position(Math.max(error.node, 0), error.offset), message, suggestion)
  }

  /** `"timeout-minutes"`, or what a list or the file holds. */
  #place(index: number): string {
    const node = this.#tree.nodes[index]
    const key = this.#tree.nodes[node?.key ?? -1]
    if (key !== undefined) return quote(String(key.value))
    if (node === undefined || node.parent < 0) return 'the file'
    const listKey = this.#tree.nodes[this.#tree.nodes[node.parent]?.key ?? -1]
    return listKey === undefined ? 'the list' : `an item of ${quote(String(listKey.value))}`
  }

  #expectedAt(index: number): DefinitionInfo | null {
    const node = this.#tree.nodes[index]
    if (node === undefined) return null
    if (node.key >= 0) return this.#result.tokens[node.key]?.definitionInfo ?? null
    const parent = this.#result.tokens[node.parent]?.definitionInfo
    const sequence = parent?.getDefinitionsOfType(SEQUENCE)[0]
    if (parent === undefined || sequence === undefined || !('itemType' in sequence)) return null
    return new this.#library.definitionInfo.DefinitionInfo(parent, String(sequence.itemType))
  }

  /** Keys that may still be added to a mapping, and those of the other shapes that it could have had. */
  #keysAround(mapping: number): { readonly allowed: string[]; readonly elsewhere: string[] } {
    const chosen = this.#result.tokens[mapping]?.definitionInfo
    const possible = this.#expectedAt(mapping) ?? chosen
    return { allowed: propertyNames(chosen), elsewhere: propertyNames(possible) }
  }
}

function mappingProperties(info: DefinitionInfo | null | undefined): [string, PropertyDefinition][] {
  const definitions = (info?.getDefinitionsOfType(MAPPING) ?? []) as MappingDefinition[]
  return definitions.flatMap((definition) => Object.entries(definition.properties))
}

function propertyNames(info: DefinitionInfo | null | undefined): string[] {
  return [...new Set(mappingProperties(info).map(([name]) => name))].filter((name) => !NOT_OFFERED.has(name))
}

const MISSING = 'Required property is missing: '

/** In the schema, but behind a switch of GitHub's that is off. */
const NOT_OFFERED: ReadonlySet<string> = new Set(['background', 'wait', 'wait-all', 'cancel', 'parallel'])

interface Expected {
  readonly kinds: readonly string[]
  readonly constants: readonly string[]
}

function describeExpected(info: DefinitionInfo | null): Expected {
  if (info === null) return { kinds: [], constants: [] }
  const strings = info.getDefinitionsOfType(STRING)
  const constants = strings.map((definition) => ('constant' in definition ? String(definition.constant) : '')).filter((text) => text !== '')
  const has = (type: number): boolean => info.getDefinitionsOfType(type).length > 0
  const kinds = [
    has(BOOLEAN) ? 'true or false' : '',
    has(NUMBER) ? 'a number' : '',
    strings.length > constants.length ? 'text' : '',
    has(SEQUENCE) ? 'a list' : '',
    has(MAPPING) ? 'a mapping of keys' : '',
    has(NULL) ? 'nothing' : '',
    info.allowedContext.length > 0 ? 'an expression ${{ }}' : '',
  ]
  return { kinds: kinds.filter((kind) => kind !== ''), constants }
}

function expectedList(kinds: readonly string[]): string | null {
  return kinds.length === 0 ? null : `expected: ${kinds.join(', or ')}`
}

function reworded(message: string): { readonly message: string; readonly suggestion: string | null } {
  const duplicate = /^'(.*)' is already defined$/s.exec(message)?.[1]
  if (duplicate !== undefined) return { message: `the key ${quote(duplicate)} stands here twice`, suggestion: 'remove or rename one' }
  if (message.startsWith('A template expression is not allowed'))
    return { message: 'an expression ${{ }} is not possible here', suggestion: null }
  if (message.startsWith('The expression is not closed')) return { message: 'the expression is not closed', suggestion: 'add }}' }
  if (message.startsWith('The directive '))
    return { message: 'insert has to be the whole key', suggestion: 'write ${{ insert }}: ${{ … }}' }
  return { message: printable(message), suggestion: null }
}
