// SPDX-License-Identifier: Apache-2.0
import { type ProblemList, printable, quote, type SourcePosition } from '@sallyport/core'
import type { Document, LineCounter, Node, Pair, YAMLError, YAMLMap, YAMLSeq } from 'yaml'

/** Every scalar is its text: what YAML makes of `0x1F`, `08` or `no` is nobody's intention in a rule. */
export type YamlNode = YamlText | YamlList | YamlMap | YamlNothing

export interface YamlText {
  readonly kind: 'text'
  readonly value: string
  readonly at: SourcePosition
}

export interface YamlList {
  readonly kind: 'list'
  readonly items: readonly YamlNode[]
  readonly at: SourcePosition
}

export interface YamlMap {
  readonly kind: 'map'
  readonly entries: readonly YamlEntry[]
  readonly at: SourcePosition
}

/** A key without a value, or a `-` without an item. */
export interface YamlNothing {
  readonly kind: 'nothing'
  readonly at: SourcePosition
}

export interface YamlEntry {
  readonly key: string
  readonly keyAt: SourcePosition
  readonly value: YamlNode
}

/** A file of this kind is written by people: the longest reasonable one is a hundredth of that. */
const FILE_LENGTH_MAX = 256 * 1024
const DEPTH_MAX = 16

/**
 * The file as a tree, without the parts of YAML that hide what a file says: no aliases (nor the bombs made of them), no tags, no keys twice.
 * Returns null, with the reasons in `problems`, when it is no such file. Untrusted: a repository's file may come from anybody.
 */
export async function readYamlTree(file: string, text: string, problems: ProblemList): Promise<YamlNode | null> {
  const start: SourcePosition = { file, line: 1, column: 1 }
  const fail = (message: string, suggestion: string | null = null): null => {
    problems.add({ at: start, message, suggestion, kind: 'invalid' })
    return null
  }
  if (text.length > FILE_LENGTH_MAX) return fail(`the file is longer than ${FILE_LENGTH_MAX} characters`)
  // 20 ms to load, which neither a gate nor a run without a file has to pay.
  const yaml = withNamedExports(await import('yaml'))
  const lines = new yaml.LineCounter()
  const documents = compose(yaml, text, lines)
  const builder = new TreeBuilder(yaml, file, lines, problems)
  const errors = documents?.flatMap((document) => [...document.errors, ...document.warnings])
  // The library is recursive, and turns running out of stack in one of its parts into an error of the text.
  if (documents === null || errors?.some(({ message }) => /call stack/i.test(message))) return fail('the file is nested too deeply')
  for (const error of errors ?? []) builder.syntaxError(error)
  const [first, second] = documents
  if (second !== undefined) return fail('the file holds more than one document', 'remove what follows ---')
  if (!problems.isEmpty) return null
  const root = first?.contents ?? null
  if (root === null) return fail('the file is empty', 'write at least version: 1')
  const tree = builder.build(root, 0, 0)
  return problems.isEmpty ? tree : null
}

type Yaml = typeof import('yaml')

/** `yaml` is CommonJS: Node gives its names to an import, a bundler only the default export. */
function withNamedExports(module: Yaml & { readonly default?: Yaml }): Yaml {
  return module.default ?? module
}

/** Null when the text is nested more deeply than the stack allows. */
function compose(yaml: Yaml, text: string, lineCounter: LineCounter): readonly Document.Parsed[] | null {
  try {
    // Without pretty errors, which copy a whole line each, and without its search for double keys, which compares every two.
    const found = yaml.parseAllDocuments(text, {
      prettyErrors: false,
      uniqueKeys: false,
      logLevel: 'silent',
      schema: 'failsafe',
      lineCounter,
    })
    return Array.isArray(found) ? found : []
  } catch (error) {
    if (error instanceof RangeError) return null
    throw error
  }
}

const ALIAS_HINT = 'a text that begins with * has to be in quotes: "*.example.test"'

class TreeBuilder {
  readonly #yaml: Yaml
  readonly #file: string
  readonly #lines: LineCounter
  readonly #problems: ProblemList

  constructor(yaml: Yaml, file: string, lines: LineCounter, problems: ProblemList) {
    this.#yaml = yaml
    this.#file = file
    this.#lines = lines
    this.#problems = problems
  }

  syntaxError({ message, pos, code }: YAMLError): void {
    const what = code === 'TAG_RESOLVE_FAILED' ? 'a tag (! before a value) is not possible here' : `not valid YAML: ${printable(message)}`
    this.#invalid(pos[0], what, code === 'BAD_ALIAS' ? ALIAS_HINT : null)
  }

  build(node: Node | null, fallback: number, depth: number): YamlNode {
    const { isAlias, isMap, isSeq, isScalar } = this.#yaml
    const offset = node?.range?.[0] ?? fallback
    const at = this.#position(offset)
    if (node === null) return { kind: 'nothing', at }
    if (isAlias(node)) this.#invalid(offset, `aliases are not possible here: ${quote(`*${node.source}`)}`, ALIAS_HINT)
    else if (node.anchor !== undefined) this.#invalid(offset, `anchors are not possible here: ${quote(`&${node.anchor}`)}`, null)
    if (node.tag !== undefined) this.#invalid(offset, 'a tag (! before a value) is not possible here', null)
    if (depth > DEPTH_MAX) this.#invalid(offset, `nested more than ${DEPTH_MAX} levels deep`, null)
    else if (isMap(node)) return { kind: 'map', entries: this.#entries(node, depth), at }
    else if (isSeq(node)) return { kind: 'list', items: this.#items(node, depth), at }
    return isScalar(node) && typeof node.value === 'string' && (node.value !== '' || node.type !== 'PLAIN')
      ? { kind: 'text', value: node.value, at }
      : { kind: 'nothing', at }
  }

  #items(list: YAMLSeq, depth: number): readonly YamlNode[] {
    return (list.items as (Node | null)[]).map((item) => this.build(item, list.range?.[0] ?? 0, depth + 1))
  }

  #entries(map: YAMLMap, depth: number): readonly YamlEntry[] {
    const seen = new Set<string>()
    const entries: YamlEntry[] = []
    for (const { key, value } of map.items as Pair<Node | null, Node | null>[]) {
      const keyNode = this.build(key, map.range?.[0] ?? 0, depth + 1)
      const offset = key?.range?.[0] ?? map.range?.[0] ?? 0
      if (keyNode.kind !== 'text') this.#invalid(offset, 'a key has to be plain text', null)
      else if (seen.has(keyNode.value)) this.#invalid(offset, `the key ${quote(keyNode.value)} is there twice`, null)
      else {
        seen.add(keyNode.value)
        entries.push({ key: keyNode.value, keyAt: keyNode.at, value: this.build(value, key?.range?.[1] ?? offset, depth + 1) })
      }
    }
    return entries
  }

  #position(offset: number): SourcePosition {
    const { line, col } = this.#lines.linePos(offset)
    return { file: this.#file, line: Math.max(line, 1), column: Math.max(col, 1) }
  }

  #invalid(offset: number, message: string, suggestion: string | null): void {
    if (this.#problems.isFull) this.#problems.count()
    else this.#problems.add({ at: this.#position(offset), message, suggestion, kind: 'invalid' })
  }
}

/** On one line, for people. */
export function formatYaml(node: YamlNode): string {
  if (node.kind === 'nothing') return ''
  if (node.kind === 'text') return /^[^\s{}[\],#:"'&*!|>%@`-][^\s{}[\],#"']*$/.test(node.value) ? node.value : JSON.stringify(node.value)
  if (node.kind === 'list') return `[${node.items.map(formatYaml).join(', ')}]`
  return `{ ${node.entries.map(({ key, value }) => `${key}: ${formatYaml(value)}`).join(', ')} }`
}
