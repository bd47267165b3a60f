// SPDX-License-Identifier: Apache-2.0
import type { YamlNode } from '@sallyport/access'
import type { SourcePosition } from '@sallyport/core'
import type { Pattern } from './contract.ts'

/** A part of a document, with the way to it. A part that is not there, or is no map or list where one is looked for, is simply empty. */
export class PolicyNode {
  readonly path: string
  readonly #node: YamlNode

  constructor(node: YamlNode, path = '') {
    this.#node = node
    this.path = path
  }

  get at(): SourcePosition {
    return this.#node.at
  }

  get text(): string | null {
    return this.#node.kind === 'text' ? this.#node.value : null
  }

  get isMap(): boolean {
    return this.#node.kind === 'map'
  }

  has(key: string): boolean {
    return this.get(key) !== null
  }

  get(key: string): PolicyNode | null {
    return this.fields().find((field) => field.key === key)?.value ?? null
  }

  fields(): readonly { readonly key: string; readonly value: PolicyNode }[] {
    if (this.#node.kind !== 'map') return []
    return this.#node.entries.map(({ key, value }) => ({ key, value: new PolicyNode(value, this.#below(key)) }))
  }

  /** Of a list its items; anything else is one item: most of these formats take both. */
  items(): readonly PolicyNode[] {
    if (this.#node.kind !== 'list') return this.#node.kind === 'nothing' ? [] : [this]
    return this.#node.items.map((item, index) => new PolicyNode(item, `${this.path}[${index}]`))
  }

  /** Its texts, each to be compared. */
  patterns(isGlob: (text: string) => boolean): readonly Pattern[] {
    return this.items().flatMap(({ text, at, path }) => (text === null ? [] : [{ text, at, path, isGlob: isGlob(text) }]))
  }

  #below(key: string): string {
    const step = /^[A-Za-z_][\w-]*$/.test(key) ? key : `[${JSON.stringify(key)}]`
    return this.path === '' || step.startsWith('[') ? `${this.path}${step}` : `${this.path}.${step}`
  }
}
