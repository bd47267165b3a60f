// SPDX-License-Identifier: Apache-2.0
import { ProblemList, quote, type SourcePosition, suggest } from '@sallyport/core'
import { AccessError, type AccessErrorCode } from './access-error.ts'
import { readYamlTree, type YamlMap, type YamlNode, type YamlText } from './yaml-tree.ts'

/** The values of a map's known keys. */
export type Fields<Key extends string> = { readonly [K in Key]?: YamlNode }

/** Takes a file's tree apart, and collects what is wrong instead of stopping at it. A null or empty result has its problem reported. */
export class TreeReader {
  readonly #problems: ProblemList

  constructor(problems: ProblemList) {
    this.#problems = problems
  }

  invalid(at: SourcePosition, message: string, suggestion: string | null = null): null {
    this.#problems.add({ at, message, suggestion, kind: 'invalid' })
    return null
  }

  /** A part of the format that this release does not have. */
  unsupported(at: SourcePosition, message: string, suggestion: string | null = null): null {
    this.#problems.add({ at, message, suggestion, kind: 'unsupported' })
    return null
  }

  map(node: YamlNode, what: string): YamlMap | null {
    return node.kind === 'map' ? node : this.invalid(node.at, `${what} has to be a map`, null)
  }

  /** A key that is none of `keys` is a problem that names the nearest. */
  fields<Key extends string>(node: YamlNode, what: string, keys: readonly Key[]): Fields<Key> {
    const map = this.map(node, what)
    const known = (map?.entries ?? []).filter(({ key, keyAt }) => {
      const isKnown = (keys as readonly string[]).includes(key)
      if (!isKnown) this.invalid(keyAt, `${what} has no key ${quote(key)}`, suggest(key, keys, 'its keys'))
      return isKnown
    })
    return Object.fromEntries(known.map(({ key, value }) => [key, value])) as Fields<Key>
  }

  list(node: YamlNode, what: string): readonly YamlNode[] {
    if (node.kind === 'list') return node.items
    this.invalid(node.at, `${what} has to be a list`, node.kind === 'text' ? `write [${node.value.slice(0, 80)}]` : null)
    return []
  }

  listOrOne(node: YamlNode, what: string): readonly YamlNode[] {
    return node.kind === 'text' ? [node] : this.list(node, what)
  }

  text(node: YamlNode, what: string): YamlText | null {
    if (node.kind === 'text' && node.value !== '') return node
    return this.invalid(node.at, `${what} has to be a text`)
  }

  texts(node: YamlNode, what: string): readonly YamlText[] {
    return this.listOrOne(node, what)
      .map((item) => this.text(item, `each of ${what}`))
      .filter((item) => item !== null)
  }

  boolean(node: YamlNode | undefined, what: string): boolean {
    if (node === undefined) return false
    if (node.kind === 'text' && (node.value === 'true' || node.value === 'false')) return node.value === 'true'
    this.invalid(node.at, `${what} has to be true or false`)
    return false
  }

  choice<Choice extends string>(node: YamlNode, what: string, choices: readonly Choice[]): Choice | null {
    const text = this.text(node, what)
    if (text === null) return null
    const choice = choices.find((one) => one === text.value)
    return choice ?? this.invalid(node.at, `${what} cannot be ${quote(text.value)}`, suggest(text.value, choices, 'it can be'))
  }

  version(node: YamlNode | undefined, root: YamlNode): void {
    if (node === undefined) this.invalid(root.at, 'the file does not say which version of the format it has', 'add version: 1')
    else if (node.kind !== 'text' || node.value !== '1')
      this.invalid(node.at, 'this release reads version 1 of the format', 'write version: 1')
  }
}

/** @throws AccessError with everything that `read` found to be wrong, in the order of the file. */
export async function readFileWith<Result>(
  file: string,
  text: string,
  code: AccessErrorCode,
  read: (root: YamlNode, reader: TreeReader) => Result,
): Promise<Result> {
  const problems = new ProblemList()
  const root = await readYamlTree(file, text, problems)
  if (root === null) throw new AccessError(code, problems.sorted())
  const result = read(root, new TreeReader(problems))
  if (!problems.isEmpty) throw new AccessError(code, problems.sorted())
  return result
}
