// SPDX-License-Identifier: Apache-2.0
import { GENERATE_MAX, GENERATE_MIN } from '@sallyport/secrets'
import { UsageError } from '../usage-error.ts'

export function parseGenerate(text: string): number {
  const length = /^\d{1,4}$/.test(text) ? Number(text) : 0
  if (length >= GENERATE_MIN && length <= GENERATE_MAX) return length
  throw new UsageError('USAGE', `--generate: "${text.slice(0, 40)}" is no length of a value`, {
    hint: `Write a whole number from ${GENERATE_MIN} to ${GENERATE_MAX}, e.g. --generate 32`,
  })
}
