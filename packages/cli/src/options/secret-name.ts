// SPDX-License-Identifier: Apache-2.0
import { isFieldName, isSecretName } from '@sallyport/secrets'
import { UsageError } from '../usage-error.ts'

/** What follows a name is refused: it would be a value, for every process of the machine to read. It is not repeated: the message may end in a log. */
export function parseSecretName(words: readonly string[]): string {
  const [word = '', ...rest] = words
  const [name = ''] = word.split('=')
  if (rest.length > 0 || word.includes('='))
    throw new UsageError(
      'SECRET_ON_ARGV',
      `Cannot take the value of secret "${isSecretName(name) ? name : '…'}" from the command line: every process of this machine can read it there`,
      {
        hint: `Give it on stdin: sallyport secrets set ${isSecretName(name) ? name : 'NAME'} < FILE; what stood here counts as seen, so replace it`,
      },
    )
  if (isSecretName(word)) return word
  throw new UsageError('USAGE', `"${word.slice(0, 80)}" cannot be the name of a secret`, {
    hint: 'Letters, digits, _, ., - and parts separated by /, 200 at most: NPM_TOKEN, or ci/packages',
  })
}

export function parseField(text: string): string {
  if (isFieldName(text)) return text
  throw new UsageError('USAGE', `"${text.slice(0, 80)}" cannot be the name of a field`, {
    hint: 'Letters, digits, _, . and -, 200 at most',
  })
}

const UNIT_MS: Readonly<Record<string, number>> = { h: 3600e3, d: 24 * 3600e3, w: 7 * 24 * 3600e3 }

/** `30d`, `12h`, `4w`; null for `never`. */
export function parseEvery(text: string): number | null {
  if (text === 'never') return null
  const [, amount = '', unit = ''] = /^([1-9]\d{0,3})([hdw])$/.exec(text) ?? []
  const unitMs = UNIT_MS[unit]
  if (unitMs !== undefined) return Number(amount) * unitMs
  throw new UsageError('USAGE', `--every: "${text.slice(0, 40)}" is no time after which a value is overdue`, {
    hint: 'Write --every 30d, 12h, 4w or never',
  })
}

/** The largest unit that it has a whole number of. */
export function formatEvery(everyMs: number): string {
  const [unit, unitMs] = Object.entries(UNIT_MS).findLast(([, ms]) => everyMs % ms === 0) ?? ['h', 3600e3]
  return `${Math.round(everyMs / unitMs)}${unit}`
}
