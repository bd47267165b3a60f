// SPDX-License-Identifier: Apache-2.0
import { quote } from '@sallyport/core'
import type { ProviderPorts } from '../../contract.ts'
import { SecretsError } from '../../secrets-error.ts'
import type { AwsCredentials } from './sign-v4.ts'

/** One profile of a file as AWS's own tools keep it. Read anew each time: whoever rotates the key replaces the file. @throws SecretsError PROVIDER_CONFIG_INVALID */
export async function readCredentialsFile(ports: ProviderPorts, path: string, profile: string): Promise<AwsCredentials> {
  const bytes = await ports.readFile(path)
  const keys = keysOf(new TextDecoder().decode(bytes), profile)
  bytes.fill(0)
  const accessKeyId = keys.get('aws_access_key_id')
  const secretAccessKey = keys.get('aws_secret_access_key')
  const sessionToken = keys.get('aws_session_token') ?? null
  const isWhole = [accessKeyId, secretAccessKey, sessionToken ?? 'none'].every(
    (value) => value !== undefined && /^[\x21-\x7e]+$/.test(value),
  )
  if (isWhole && accessKeyId !== undefined && secretAccessKey !== undefined) return { accessKeyId, secretAccessKey, sessionToken }
  throw new SecretsError('PROVIDER_CONFIG_INVALID', `Cannot use ${quote(path)}: its profile ${quote(profile)} has no access key`, {
    hint: 'Write aws_access_key_id and aws_secret_access_key below [PROFILE]',
  })
}

function keysOf(text: string, profile: string): ReadonlyMap<string, string> {
  const keys = new Map<string, string>()
  let section = ''
  for (const line of text.split(/\r?\n/)) {
    const [, header] = /^\s*\[([^\]]*)\]\s*$/.exec(line) ?? []
    if (header !== undefined) section = header.trim()
    const [, key, value] = /^([a-z_]+)\s*=\s*(.*?)\s*$/.exec(line) ?? []
    if (section === profile && key !== undefined && value !== undefined) keys.set(key, value)
  }
  return keys
}
