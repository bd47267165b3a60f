// SPDX-License-Identifier: Apache-2.0
import { randomInt } from 'node:crypto'
import type { AwsKey } from '@sallyport/gate'
import { SecretsError } from '@sallyport/secrets'
import { placeholderFor } from './placeholder.ts'

/** As AWS's own files, its API, the engine of Vault and OpenBao, and people call them. */
const NAMES = {
  accessKeyId: ['access_key_id', 'aws_access_key_id', 'access_key', 'accesskeyid'],
  secretAccessKey: ['secret_access_key', 'aws_secret_access_key', 'secret_key', 'secretaccesskey'],
  sessionToken: ['session_token', 'aws_session_token', 'security_token', 'sessiontoken'],
} as const

/**
 * The key of AWS in the fields of a secret, or in its one text, which is JSON then.
 *
 * @throws SecretsError SECRET_FIELD_MISSING
 */
export function awsKeyOf(name: string, fields: ReadonlyMap<string, Uint8Array>): AwsKey {
  const texts = new Map([...fields].map(([field, bytes]) => [field.toLowerCase(), Buffer.from(bytes).toString()]))
  const [only] = texts.values()
  const all = texts.size === 1 && only !== undefined ? jsonTexts(only) : texts
  const partOf = (part: keyof typeof NAMES): string | undefined =>
    NAMES[part].map((each) => all.get(each)).find((text) => text !== undefined && text !== '')
  const [accessKeyId, secretAccessKey] = [partOf('accessKeyId'), partOf('secretAccessKey')]
  // What a signature says of its key, and what a header can carry.
  if (accessKeyId === undefined || secretAccessKey === undefined || !/^[A-Za-z0-9]{16,128}$/.test(accessKeyId))
    throw new SecretsError('SECRET_FIELD_MISSING', `Cannot hand over the secret ${name}: it is no key of AWS`, {
      hint: 'It needs the fields access_key_id and secret_access_key, and may have session_token; or one text that is JSON with these',
    })
  return { accessKeyId, secretAccessKey, sessionToken: partOf('sessionToken') ?? null }
}

function jsonTexts(text: string): ReadonlyMap<string, string> {
  try {
    const document: unknown = JSON.parse(text)
    if (typeof document !== 'object' || document === null) return new Map()
    return new Map(
      Object.entries(document).flatMap(([name, value]) => (typeof value === 'string' ? [[name.toLowerCase(), value] as const] : [])),
    )
  } catch (error) {
    if (error instanceof SyntaxError) return new Map()
    throw error
  }
}

/** What an access key id is made of. */
const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
/** `AKIA`, `ASIA`: clients look at it. */
const KIND_LENGTH = 4

/** A key of the same shape that is worth nothing. */
export function awsPlaceholder({ accessKeyId, secretAccessKey, sessionToken }: AwsKey): AwsKey {
  const random = Array.from(accessKeyId.slice(KIND_LENGTH), () => BASE32[randomInt(BASE32.length)])
  return {
    accessKeyId: accessKeyId.slice(0, KIND_LENGTH) + random.join(''),
    secretAccessKey: placeholderFor(secretAccessKey),
    sessionToken: sessionToken === null ? null : placeholderFor(sessionToken),
  }
}

/** For the tools and SDKs of AWS. */
export function awsVariables({ accessKeyId, secretAccessKey, sessionToken }: AwsKey): Readonly<Record<string, string>> {
  return {
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    ...(sessionToken !== null && { AWS_SESSION_TOKEN: sessionToken }),
  }
}

/** What a program prints that an AWS profile names as its `credential_process`. */
export function awsDocument({ accessKeyId, secretAccessKey, sessionToken }: AwsKey): string {
  const token = sessionToken === null ? {} : { SessionToken: sessionToken }
  return JSON.stringify({ Version: 1, AccessKeyId: accessKeyId, SecretAccessKey: secretAccessKey, ...token })
}
