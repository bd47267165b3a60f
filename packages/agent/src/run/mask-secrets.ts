// SPDX-License-Identifier: Apache-2.0
import type { SecretSet } from '@sallyport/redaction'

export interface UnmaskedSecret {
  readonly name: string
  readonly reason: 'too-short' | 'too-many'
}

const WHY: Readonly<Record<UnmaskedSecret['reason'], string>> = {
  'too-short': 'it is so short that masking it would mask everything',
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
  return `secret ${name} is not masked: ${WHY[reason]}; it shows wherever a job prints it`
}
