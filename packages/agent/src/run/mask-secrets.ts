// SPDX-License-Identifier: Apache-2.0
import type { RefusalReason, SecretSet } from '@sallyport/redaction'

export interface UnmaskedSecret {
  readonly name: string
  readonly reason: RefusalReason
}

/** What the user has to know of a value that is not masked. */
export const WHY_UNMASKED: Readonly<Record<UnmaskedSecret['reason'], string>> = {
  'too-short': 'it is so short that masking it would mask everything',
  'too-common': 'it is a word that stands in every log, and masking it would show where it is the secret',
  'too-simple':
    'it repeats or counts, or is too short for the few kinds of characters in it: it stands in a log by chance, and is guessed faster than it leaks',
  'too-many': 'there are too many of them, or it is too large',
}

/** Masks all values. Returns those that cannot be: the user has to know. */
export function maskSecrets(set: SecretSet, values: Readonly<Record<string, string>>): UnmaskedSecret[] {
  const unmasked: UnmaskedSecret[] = []
  for (const [name, value] of Object.entries(values)) {
    const result = set.add(value)
    if (!result.masked && result.reason !== 'empty') unmasked.push({ name, reason: result.reason })
  }
  return unmasked
}

export function describeUnmasked({ name, reason }: UnmaskedSecret): string {
  return `secret ${name} is not masked: ${WHY_UNMASKED[reason]}; it shows wherever a job prints it`
}
