// SPDX-License-Identifier: Apache-2.0
import { parseDurationMs, quote } from '@sallyport/core'
import type { ProviderPorts } from '../../contract.ts'
import { SecretsError } from '../../secrets-error.ts'
import type { SettingsReader } from '../../settings-reader.ts'
import { isLoopback } from '../transport.ts'

/** Of a service, without a slash at its end and without a path; in the clear only to this machine itself. @throws SecretsError PROVIDER_CONFIG_INVALID */
export function readEndpoint(reader: SettingsReader, key: string): string | null {
  const text = reader.optionalText(key)
  if (text === null) return null
  const url = URL.parse(text)
  const isBare = url !== null && url.href === `${url.origin}/`
  if (isBare && (url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname)))) return url.origin
  throw reader.invalid(key, 'is no address of a service', 'Write https://HOST, or http:// for a server of this machine')
}

/** Of jobs' tokens, in place of the usual one (token-audience.ts): it is for whoever makes the tokens. @throws SecretsError PROVIDER_CONFIG_INVALID */
export function checkAudience(reader: SettingsReader, logsJobsIn: boolean): void {
  if (reader.optionalText('audience') !== null && !logsJobsIn)
    throw reader.invalid('audience', 'is for jobs that log in themselves', 'Say method: job-token below auth, or leave it out')
}

export interface DurationBounds {
  readonly min: string
  readonly max: string
  readonly usual: string
}

/** @throws SecretsError PROVIDER_CONFIG_INVALID */
export function readDurationMs(reader: SettingsReader, key: string, { min, max, usual }: DurationBounds): number {
  const ms = parseDurationMs(reader.optionalText(key) ?? usual)
  if (ms !== null && ms >= (parseDurationMs(min) ?? 0) && ms <= (parseDurationMs(max) ?? 0)) return ms
  throw reader.invalid(key, `is no duration from ${min} to ${max}`, `Write it as ${usual}`)
}

/** One line, from a file that the operator named. @throws SecretsError PROVIDER_CONFIG_INVALID */
export async function readCredentialLine(ports: ProviderPorts, path: string): Promise<string> {
  const bytes = await ports.readFile(path)
  const text = new TextDecoder().decode(bytes).trim()
  bytes.fill(0)
  if (/^[\x21-\x7e]{1,16384}$/.test(text)) return text
  throw new SecretsError('PROVIDER_CONFIG_INVALID', `Cannot use ${quote(path)}: it holds no credential`, {
    hint: 'It has to be one line of printable characters, without spaces',
  })
}
