// SPDX-License-Identifier: Apache-2.0

import { printable, quote } from '@sallyport/core'
import type { Alias, Document, Node, Pair, ParsedNode, Scalar, YAMLMap, YAMLSeq } from 'yaml'
import type { Findings } from './findings.ts'
import type { ParserLibrary } from './parser-library.ts'
import type { SourcePosition } from './plan.ts'
import { LineTable, offsetInScalarSource } from './source-position.ts'

/** One node of the file; an alias is expanded, so that its nodes occur once per use. */
export interface SourceNode {
  readonly kind: 'scalar' | 'sequence' | 'mapping'
  readonly value: string | number | boolean | null
  /** Index of the sequence or mapping around it; -1 for the root. */
  readonly parent: number
  /** A mapping's value: index of its key; `isKey`: the key itself. */
  readonly key: number
  readonly isKey: boolean
  readonly start: number
  readonly end: number
}

/** Index of a node that begins, or -1 - index of a collection that ends. */
export type SourceEvent = number

/** A file as a bounded list of nodes and of events in the order of the text. */
export interface SourceTree {
  readonly nodes: readonly SourceNode[]
  readonly events: readonly SourceEvent[]
  /** Position of a node, or of one character of a scalar's value. Costs the scalar's length: ask for it only to report. */
  position(node: number, valueOffset?: number): SourcePosition
}

export interface SourceLimits {
  readonly sizeMax: number
  readonly nodesMax: number
  readonly depthMax: number
}

/**
 * Untrusted: an action's file is chosen by the job. Size, nesting and the size after alias expansion are bounded
 * before anything else looks at the content; every later step is linear in the number of nodes.
 *
 * Returns null, with the reason in `findings`, when the text is no usable YAML.
 */
export function readSourceTree(
  library: ParserLibrary,
  file: string,
  text: string,
  limits: SourceLimits,
  findings: Findings,
): SourceTree | null {
  const start: SourcePosition = { file, line: 1, column: 1 }
  if (text.length > limits.sizeMax) {
    findings.invalid(start, `the file is longer than ${limits.sizeMax} characters`, 'move long scripts into files of their own')
    return null
  }
  const content = text.startsWith('\ufeff') ? text.slice(1) : text
  const lines = new LineTable(file, content)
  const document = parseYaml(library, content, lines, start, findings)
  if (document === null) return null
  if (document.contents === null) {
    findings.invalid(start, 'the file is empty', null)
    return null
  }
  const builder = new TreeBuilder(library, lines, limits, findings)
  return builder.build(document.contents, content)
}

/** More errors than this are not looked for: each costs time, and a hostile file can hold one in every character. */
const YAML_ERRORS_MAX = 100

function parseYaml(
  library: ParserLibrary,
  text: string,
  lines: LineTable,
  start: SourcePosition,
  findings: Findings,
): Document.Parsed | null {
  const documents = composeYaml(library, text)
  const errors = documents?.flatMap((document) => [
    ...document.errors,
    ...document.warnings.filter(({ code }) => code === 'TAG_RESOLVE_FAILED'),
  ])
  // The YAML library is recursive, and turns running out of stack in one of its parts into an error of the text.
  if (errors === undefined || errors.some(({ message }) => /stack overflow|call stack/i.test(message))) {
    findings.invalid(start, 'the file is nested too deeply', null)
    return null
  }
  for (const error of errors.slice(0, YAML_ERRORS_MAX)) {
    findings.invalid(lines.position(error.pos[0]), `not valid YAML: ${printable(error.message)}`, null)
  }
  const [first, second] = documents ?? []
  if (second !== undefined)
    findings.invalid(lines.position(second.range[0]), 'the file holds more than one document', 'remove what follows ---')
  return findings.hasProblems ? null : (first ?? null)
}

/** Null when the text is nested more deeply than the stack allows. */
function composeYaml({ yaml }: ParserLibrary, text: string): Document.Parsed[] | null {
  // Without pretty errors: those copy a whole line for each error, which is quadratic for a hostile one-line file.
  const composer = new yaml.Composer({ prettyErrors: false, uniqueKeys: false, logLevel: 'silent' })
  const documents: Document.Parsed[] = []
  let errors = 0
  try {
    for (const token of new yaml.Parser().parse(text)) {
      if (token.type === 'error') errors += 1
      if (errors > YAML_ERRORS_MAX) break
      documents.push(...composer.next(token))
    }
    documents.push(...composer.end(true, text.length))
  } catch (error) {
    if (error instanceof RangeError) return null
    throw error
  }
  return documents
}

/** Stops the walk once a limit is passed; the problem is in the findings. */
class LimitPassed extends Error {}

class TreeBuilder {
  readonly #library: ParserLibrary
  readonly #lines: LineTable
  readonly #limits: SourceLimits
  readonly #findings: Findings
  readonly #nodes: SourceNode[] = []
  readonly #events: SourceEvent[] = []
  readonly #anchors = new Map<string, Node>()
  readonly #expanding = new Set<Node>()

  constructor(library: ParserLibrary, lines: LineTable, limits: SourceLimits, findings: Findings) {
    this.#library = library
    this.#lines = lines
    this.#limits = limits
    this.#findings = findings
  }

  build(root: ParsedNode, text: string): SourceTree | null {
    try {
      this.#visit(root, { parent: -1, key: -1, depth: 0 })
    } catch (error) {
      if (error instanceof LimitPassed) return null
      throw error
    }
    if (this.#findings.hasProblems) return null
    const nodes = this.#nodes
    const lines = this.#lines
    return {
      nodes,
      events: this.#events,
      position(index, valueOffset = 0) {
        const node = nodes[index]
        if (node === undefined) return lines.position(0)
        if (valueOffset === 0 || typeof node.value !== 'string') return lines.position(node.start)
        const source = text.slice(node.start, node.end)
        return lines.position(node.start + Math.min(offsetInScalarSource(source, node.value, valueOffset), source.length))
      },
    }
  }

  #visit(node: Node | null, place: Place): void {
    const { isAlias, isMap, isSeq } = this.#library.yaml
    if (node !== null && isAlias(node)) {
      this.#expand(node, place)
      return
    }
    if (node?.anchor !== undefined && this.#expanding.size === 0) this.#anchors.set(node.anchor, node)
    if (place.depth > this.#limits.depthMax) this.#fail(node, `nested more than ${this.#limits.depthMax} levels deep`)
    if (node !== null && isMap(node)) this.#mapping(node, place)
    else if (node !== null && isSeq(node)) this.#sequence(node, place)
    else this.#scalar(node as Scalar | null, place)
  }

  /** The billion-laughs file ends here: what is expanded counts like what is written. */
  #expand(alias: Alias, place: Place): void {
    const target = this.#anchors.get(alias.source)
    if (target === undefined) this.#fail(alias, `the alias ${quote(`*${alias.source}`)} has no anchor before it`)
    if (this.#expanding.has(target)) this.#fail(alias, `the alias ${quote(`*${alias.source}`)} contains itself`)
    this.#expanding.add(target)
    this.#visit(target, { ...place, depth: place.depth + 1 })
    this.#expanding.delete(target)
  }

  #mapping(map: YAMLMap, place: Place): void {
    const index = this.#add('mapping', null, map, place, false)
    for (const pair of map.items as Pair<Node | null, Node | null>[]) {
      const key = this.#key(pair.key, index)
      this.#visit(pair.value, { parent: index, key, depth: place.depth + 1, fallback: this.#nodes[key]?.end ?? 0 })
    }
    this.#events.push(-1 - index)
  }

  /** Keys are text, also when they look like a number or a boolean. */
  #key(node: Node | null, parent: number): number {
    const { isScalar } = this.#library.yaml
    if (node === null || !isScalar(node)) this.#fail(node, 'a key has to be plain text')
    if (node.anchor !== undefined && this.#expanding.size === 0) this.#anchors.set(node.anchor, node)
    const source = node.source ?? String(node.value)
    return this.#add('scalar', typeof node.value === 'string' ? node.value : source, node, { parent, key: -1, depth: 0 }, true)
  }

  #sequence(sequence: YAMLSeq, place: Place): void {
    const index = this.#add('sequence', null, sequence, place, false)
    for (const item of sequence.items as (Node | null)[]) this.#visit(item, { parent: index, key: -1, depth: place.depth + 1 })
    this.#events.push(-1 - index)
  }

  #scalar(node: Scalar | null, place: Place): void {
    const value = node?.value ?? null
    if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
      this.#add('scalar', value, node, place, false)
      return
    }
    this.#fail(node, 'a value of this YAML type is not possible here', 'put the value into quotes')
  }

  #add(kind: SourceNode['kind'], value: SourceNode['value'], node: Node | null, place: Place, isKey: boolean): number {
    if (this.#nodes.length >= this.#limits.nodesMax) {
      this.#fail(node, `more than ${this.#limits.nodesMax} values, aliases expanded`)
    }
    const start = node?.range?.[0] ?? place.fallback ?? 0
    const end = node?.range?.[1] ?? start
    this.#nodes.push({ kind, value, parent: place.parent, key: place.key, isKey, start, end })
    this.#events.push(this.#nodes.length - 1)
    return this.#nodes.length - 1
  }

  #fail(node: Node | null, message: string, suggestion: string | null = null): never {
    this.#findings.invalid(this.#lines.position(node?.range?.[0] ?? 0), message, suggestion)
    throw new LimitPassed()
  }
}

interface Place {
  readonly parent: number
  readonly key: number
  readonly depth: number
  /** Offset for a value that is not written at all. */
  readonly fallback?: number
}
