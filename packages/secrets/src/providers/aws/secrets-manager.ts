// SPDX-License-Identifier: Apache-2.0
import { quote } from '@sallyport/core'
import type { ProviderPorts, ReadSecret, SecretAddress } from '../../contract.ts'
import type { Call } from '../cloud/call.ts'
import { type CloudClient, nonsense, readJson } from '../cloud/cloud-client.ts'
import { fieldsOf, fromBase64, versionNotFound } from '../cloud/stored-value.ts'
import type { JsonObject } from '../json.ts'
import { explainJson } from './aws-refusal.ts'
import type { AwsSettings } from './aws-settings.ts'
import { type AwsCredentials, signV4 } from './sign-v4.ts'

/** Of a version ID; what is shorter, or has other characters, is a staging label. */
const VERSION_ID = /^[A-Za-z0-9-]{32,64}$/
const STAGE = /^[A-Za-z0-9/_+=.@-]{1,256}$/

export interface SecretsManagerParts {
  readonly settings: AwsSettings
  readonly client: CloudClient
  readonly nowMs: ProviderPorts['nowMs']
}

/** GetSecretValue. https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html @throws SecretsError */
export async function getSecretValue(
  address: SecretAddress,
  parts: SecretsManagerParts,
  credentials: AwsCredentials,
  call: Call,
): Promise<ReadSecret> {
  const what = `read ${quote(address.path)} from ${quote(parts.settings.name)}`
  const action: SecretsManagerAction = { what, name: 'GetSecretValue', body: versionOf(address), hasVersion: address.version !== null }
  return readValue(await askSecretsManager(address, action, parts, credentials, call), address, what)
}

export interface SecretsManagerAction {
  /** For messages. */
  readonly what: string
  readonly name: 'GetSecretValue' | 'DescribeSecret' | 'ListSecretVersionIds' | 'RotateSecret' | 'PutSecretValue'
  /** Beside the secret's own name. */
  readonly body: JsonObject
  readonly hasVersion: boolean
}

/** @throws SecretsError */
export async function askSecretsManager(
  address: SecretAddress,
  { what, name: action, body: asked, hasVersion }: SecretsManagerAction,
  { settings, client, nowMs }: SecretsManagerParts,
  credentials: AwsCredentials,
  call: Call,
): Promise<JsonObject> {
  const { region, secretsManager: url } = settings
  const body = new TextEncoder().encode(JSON.stringify({ SecretId: address.path, ...asked }))
  const headers = { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': `secretsmanager.${action}` }
  const request = { method: 'POST', host: new URL(url).host, headers, body }
  const reply = await client.ask(
    {
      what,
      method: 'POST',
      url: `${url}/`,
      headers: () => ({ ...headers, ...signV4(request, { region, service: 'secretsmanager', credentials, nowMs: nowMs() }) }),
      body,
      isOfValue: true,
      explain: explainJson(nowMs, hasVersion),
    },
    call,
  )
  return readJson(reply, what)
}

function versionOf(address: SecretAddress): Readonly<Record<string, string>> {
  const { version } = address
  if (version === null) return {}
  if (VERSION_ID.test(version)) return { VersionId: version }
  if (!STAGE.test(version)) throw versionNotFound(address, 'it is neither a version ID nor a staging label')
  return { VersionStage: version }
}

function readValue(answer: JsonObject, address: SecretAddress, what: string): ReadSecret {
  const { Name: name, ARN: arn, VersionId: version, SecretString: text, SecretBinary: base64 } = answer
  if (!isAsked(address.path, name, arn)) throw nonsense(what, 'another secret')
  if (typeof version !== 'string' || !VERSION_ID.test(version)) throw nonsense(what, 'no version')
  if (address.version !== null && VERSION_ID.test(address.version) && address.version !== version) throw nonsense(what, 'another version')
  const bytes = typeof text === 'string' ? new TextEncoder().encode(text) : typeof base64 === 'string' ? fromBase64(base64, address) : null
  if (bytes === null) throw nonsense(what, 'no value')
  const created = dateMsOf(answer['CreatedDate'])
  return { fields: fieldsOf(bytes, address), version, ...(created !== null && { createdAtMs: created }), lease: null }
}

/** Seconds since 1970; numbers that a double does not hold stay texts. */
export function dateMsOf(value: unknown): number | null {
  const seconds = typeof value === 'number' || typeof value === 'string' ? Number(value) : Number.NaN
  return Number.isFinite(seconds) && seconds > 0 ? Math.floor(seconds * 1000) : null
}

/** By its name, or its ARN, with or without the six characters at its end. */
function isAsked(path: string, name: unknown, arn: unknown): boolean {
  return name === path || arn === path || (typeof arn === 'string' && arn.replace(/-[A-Za-z0-9]{6}$/, '') === path)
}
