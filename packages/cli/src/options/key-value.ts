// SPDX-License-Identifier: Apache-2.0
import { UsageError } from '../usage-error.ts'

const ENV_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/

/** `k=v` options that may be given many times; the same name twice is a mistake, not a choice. */
export function parseKeyValues(option: string, texts: readonly string[]): Readonly<Record<string, string>> {
  const values = new Map<string, string>()
  for (const text of texts) {
    const [key, value] = splitKeyValue(option, text)
    if (values.has(key)) throw new UsageError('USAGE', `${option} names "${key}" twice`, { hint: 'Give each name once' })
    values.set(key, value)
  }
  return Object.fromEntries(values)
}

export function parseEnv(option: string, texts: readonly string[]): Readonly<Record<string, string>> {
  const env = parseKeyValues(option, texts)
  for (const name of Object.keys(env)) {
    if (ENV_NAME.test(name)) continue
    throw new UsageError('USAGE', `${option}: "${name}" cannot be the name of an environment variable`, {
      hint: 'Letters, digits and _, not beginning with a digit',
    })
  }
  return env
}

function splitKeyValue(option: string, text: string): [string, string] {
  const at = text.indexOf('=')
  if (at < 1) throw new UsageError('USAGE', `${option}: "${text}" has no name and value`, { hint: `Write ${option} NAME=VALUE` })
  return [text.slice(0, at), text.slice(at + 1)]
}
