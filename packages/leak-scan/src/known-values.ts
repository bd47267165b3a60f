// SPDX-License-Identifier: Apache-2.0
import { Buffer } from 'node:buffer'
import { createSecretSet, type RedactionStream, type SecretSet } from '@sallyport/redaction'

/** Values that must be nowhere, in every form of the redactor. */
export class KnownValues {
  readonly #all: SecretSet = createSecretSet()
  readonly #values: Map<string, string> = new Map()
  /** Made when one of them was found: most searches find none. */
  readonly #own: Map<string, SecretSet> = new Map()

  /** False for one that is too short to be told from chance, or too much. */
  add(name: string, value: string): boolean {
    if (!this.#all.add(value).masked) return false
    this.#values.set(name, value)
    return true
  }

  /** For names of files, which may hold one too. */
  redact(text: string): string {
    return this.#all.redact(text)
  }

  /** One text at a time; its `maskedCount` says how many were found so far. */
  createStream(): RedactionStream {
    return this.#all.createStream()
  }

  /** Which of them stand in it, and where the first occurrence of each begins. */
  locate(bytes: Buffer): readonly { readonly name: string; readonly at: number }[] {
    return [...this.#values.keys()].flatMap((name) => {
      const stream = this.#ownSet(name).createStream()
      const masked = Buffer.concat([stream.write(bytes), stream.end()])
      if (stream.maskedCount === 0) return []
      let at = 0
      while (masked[at] === bytes[at] && at < bytes.length) at += 1
      return [{ name, at }]
    })
  }

  #ownSet(name: string): SecretSet {
    const known = this.#own.get(name)
    if (known !== undefined) return known
    const set = createSecretSet()
    set.add(this.#values.get(name) ?? '')
    this.#own.set(name, set)
    return set
  }
}
