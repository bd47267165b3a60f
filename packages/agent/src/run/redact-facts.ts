// SPDX-License-Identifier: Apache-2.0
import type { SecretSet } from '@sallyport/redaction'

/** How we spell names of ours. */
const OUR_KEY = /^[a-z][A-Za-z0-9]{0,31}$/
/** Below these, a job chooses the names of properties, too. */
const CHOSEN_KEYS: ReadonlySet<string> = new Set(['outputs', 'matrix'])

/**
 * The same JSON value with every secret in every string masked. Untrusted: a job has any word masked that it likes (`add-mask`), so that names which are ours
 * stay as they are, or it would take facts out of the record, and what the log is asked by: properties, and which secrets a step was handed.
 */
export function redactFacts(secrets: Pick<SecretSet, 'redact'>, value: unknown, keysAreChosen = false): unknown {
  if (typeof value === 'string') return secrets.redact(value)
  if (Array.isArray(value)) return value.map((item) => redactFacts(secrets, item, keysAreChosen))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => {
      if (keysAreChosen) return [secrets.redact(key), redactFacts(secrets, item, true)]
      const name = OUR_KEY.test(key) ? key : secrets.redact(key)
      const facts = redactFacts(secrets, item, CHOSEN_KEYS.has(key))
      return [name, key === 'secrets' ? withNames(item, facts) : facts]
    }),
  )
}

/** Names of secrets come from the workflow file: a list of them, or of what is said of each. */
function withNames(said: unknown, redacted: unknown): unknown {
  if (!Array.isArray(said) || !Array.isArray(redacted)) return redacted
  return said.map((item, index) => {
    if (typeof item === 'string') return item
    const facts: unknown = redacted[index]
    return isNamed(item) && typeof facts === 'object' ? { ...facts, name: item.name } : facts
  })
}

function isNamed(value: unknown): value is { readonly name: string } {
  return typeof value === 'object' && value !== null && 'name' in value && typeof value.name === 'string'
}
