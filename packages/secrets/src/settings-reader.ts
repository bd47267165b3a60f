// SPDX-License-Identifier: Apache-2.0
import { quote, suggest } from '@sallyport/core'
import type { SettingsTree } from './contract.ts'
import { SecretsError } from './secrets-error.ts'

interface Form {
  readonly pattern: RegExp
  /** E.g. `a mount path`. */
  readonly what: string
}

/** Takes the keys of a section one by one; what nobody took is an error. */
export class SettingsReader {
  readonly #place: string
  readonly #settings: SettingsTree
  readonly #known = new Set<string>()

  /** `place`: the provider's name, and the section's within it. */
  constructor(place: string, settings: SettingsTree) {
    this.#place = place
    this.#settings = settings
  }

  keys(): readonly string[] {
    return Object.keys(this.#settings)
  }

  text(key: string): string {
    return this.optionalText(key) ?? this.#missing(key)
  }

  optionalText(key: string, form?: Form): string | null {
    const value = this.#take(key)
    if (value === null) return null
    if (typeof value !== 'string' || value === '') throw this.invalid(key, 'is no text', null)
    if (form !== undefined && !form.pattern.test(value)) throw this.invalid(key, `is not ${form.what}`, null)
    return value
  }

  flag(key: string): boolean {
    return this.optionalChoice(key, ['true', 'false']) === 'true'
  }

  choice<Choice extends string>(key: string, choices: readonly Choice[]): Choice {
    return this.optionalChoice(key, choices) ?? this.#missing(key)
  }

  optionalChoice<Choice extends string>(key: string, choices: readonly Choice[]): Choice | null {
    const value = this.optionalText(key)
    if (value === null) return null
    const found = choices.find((choice) => choice === value)
    if (found === undefined) throw this.invalid(key, `is ${quote(value)}`, `Write one of: ${choices.join(', ')}`)
    return found
  }

  optionalList(key: string): readonly string[] | null {
    const value = this.#take(key)
    if (value === null) return null
    const list = typeof value === 'string' ? [value] : value
    if (!Array.isArray(list) || list.length === 0 || list.includes('')) throw this.invalid(key, 'is no list of texts', null)
    return list as readonly string[]
  }

  section(key: string): SettingsReader {
    return this.optionalSection(key) ?? this.#missing(key)
  }

  optionalSection(key: string): SettingsReader | null {
    const value = this.#take(key)
    if (value === null) return null
    if (typeof value === 'string' || Array.isArray(value)) throw this.invalid(key, 'is no section of keys', null)
    return new SettingsReader(`${this.#place}.${key}`, value as SettingsTree)
  }

  /** @throws SecretsError when a key was not asked for */
  finish(): void {
    const unknown = this.keys().find((key) => !this.#known.has(key))
    if (unknown !== undefined) throw this.invalid(unknown, 'is no key of this section', suggest(unknown, [...this.#known], 'Known keys'))
  }

  invalid(key: string | null, flaw: string, hint: string | null): SecretsError {
    const place = key === null ? this.#place : `${this.#place}.${key}`
    return new SecretsError(
      'PROVIDER_CONFIG_INVALID',
      `Cannot use the provider's settings: ${quote(place)} ${flaw}`,
      hint === null ? {} : { hint },
    )
  }

  #take(key: string): SettingsTree[string] | null {
    this.#known.add(key)
    return Object.hasOwn(this.#settings, key) ? (this.#settings[key] ?? null) : null
  }

  #missing(key: string): never {
    throw this.invalid(key, 'is missing', null)
  }
}
