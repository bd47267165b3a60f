// SPDX-License-Identifier: Apache-2.0
// RotateSecret where a secret has a function for it, and PutSecretValue where it has none.
// https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_lambda-functions.html
import { quote } from '@sallyport/core'
import type { Replacement, RotationCall, SecretAddress, SecretRotator, VersionFacts } from '../../contract.ts'
import { SecretsError } from '../../secrets-error.ts'
import { type Call, startCall } from '../cloud/call.ts'
import { nonsense } from '../cloud/cloud-client.ts'
import type { Lived } from '../cloud/credential.ts'
import { isJsonObject, type JsonObject, parseJson } from '../json.ts'
import { askSecretsManager, dateMsOf, type SecretsManagerAction, type SecretsManagerParts } from './secrets-manager.ts'
import { type SecretName, secretNameOf } from './session-policy.ts'
import type { AwsCredentials } from './sign-v4.ts'

/** Versions that are listed at a time, the most that there is. */
const VERSIONS_MAX = 100

type Ask = (name: SecretsManagerAction['name'], body: JsonObject) => Promise<JsonObject>

/** With credentials of its own for each secret, which may do nothing to another one. */
export class AwsRotator implements SecretRotator {
  readonly #parts: SecretsManagerParts
  readonly #assume: (secret: SecretName, call: Call) => Promise<Lived<AwsCredentials>>

  constructor(parts: SecretsManagerParts, assume: (secret: SecretName, call: Call) => Promise<Lived<AwsCredentials>>) {
    this.#parts = parts
    this.#assume = assume
  }

  async look(address: SecretAddress, asked: RotationCall): Promise<VersionFacts> {
    const what = this.#what(address)
    const ask = await this.#standing(address, asked)
    const { RotationEnabled: isEnabled, RotationLambdaARN: lambda } = await ask('DescribeSecret', {})
    const { Versions: versions } = await ask('ListSecretVersionIds', { MaxResults: VERSIONS_MAX })
    const listed = Array.isArray(versions) ? versions.filter(isJsonObject) : []
    const of = (stage: string): JsonObject | undefined => listed.find(({ VersionStages: stages }) => isStage(stages, stage))
    const [current, pending] = [of('AWSCURRENT'), of('AWSPENDING')]
    const version = current?.['VersionId']
    if (current === undefined || typeof version !== 'string') throw nonsense(what, 'no current version')
    const isNative = isEnabled === true || typeof lambda === 'string'
    return {
      version,
      createdAtMs: dateMsOf(current['CreatedDate']),
      way: isNative ? 'native' : 'write',
      isRotating: pending !== undefined && pending !== current,
    }
  }

  /** The token makes a second request with the same `id` the same rotation. */
  async rotate(address: SecretAddress, id: string, asked: RotationCall): Promise<void> {
    await (await this.#standing(address, asked))('RotateSecret', { ClientRequestToken: id, RotateImmediately: true })
  }

  /** Its old version becomes AWSPREVIOUS. Of two who write at the same moment the later one wins: AWS has no condition for it. */
  async replace(address: SecretAddress, { old, value, id }: Replacement, asked: RotationCall): Promise<string> {
    const what = this.#what(address)
    const ask = await this.#standing(address, asked)
    const { SecretString: text, VersionId: version } = await ask('GetSecretValue', {})
    if (typeof text !== 'string' || typeof version !== 'string')
      throw new SecretsError('ROTATION_FAILED', `Cannot ${what}: its value is no text`, { hint: 'Rotate it at the manager' })
    const [before, after] = [new TextDecoder().decode(old), new TextDecoder().decode(value)]
    const field = fieldIn(text, address)
    if (field.value === after) return version
    if (field.value !== before)
      throw new SecretsError('ROTATION_FAILED', `Cannot ${what}: it was changed by somebody else meanwhile`, {
        hint: 'Look who did; give this rotation up with --abandon, which leaves what is there',
      })
    const written = await ask('PutSecretValue', { ClientRequestToken: id, SecretString: field.with(after) })
    if (typeof written['VersionId'] !== 'string') throw nonsense(what, 'no version')
    return written['VersionId']
  }

  #what({ path }: SecretAddress): string {
    return `rotate ${quote(path)} at ${quote(this.#parts.settings.name)}`
  }

  async #standing(address: SecretAddress, { signal, mark }: RotationCall): Promise<Ask> {
    const what = this.#what(address)
    if (this.#parts.settings.auth.method === 'job-token')
      throw new SecretsError(
        'ROTATION_FAILED',
        `Cannot ${what}: jobs log in there as themselves, and the broker has no credential of its own`,
        {
          hint: 'Name a provider with auth.method credentials-file for it, or rotate it at the manager',
        },
      )
    const call = startCall(signal)
    const { value: credentials } = await this.#assume(secretNameOf(address), call)
    mark(credentials.accessKeyId)
    return (name, body) => askSecretsManager(address, { what, name, body, hasVersion: false }, this.#parts, credentials, call)
  }
}

const isStage = (stages: unknown, stage: string): boolean => Array.isArray(stages) && stages.includes(stage)

/** All of the text, or one field of a JSON object. @throws SecretsError SECRET_FIELD_MISSING */
function fieldIn(text: string, { path, field, parameters }: SecretAddress): { value: string; with: (value: string) => string } {
  const object = parameters['as'] === 'text' ? null : objectOf(text)
  if (object === null && (field === null || field === 'value')) return { value: text, with: (value) => value }
  const names = Object.keys(object ?? {})
  const found = field ?? (names.length === 1 ? names[0] : undefined)
  const value = found === undefined ? undefined : object?.[found]
  if (found === undefined || typeof value !== 'string')
    throw new SecretsError('SECRET_FIELD_MISSING', `Cannot tell which field of ${quote(path)} is to be rotated`, {
      hint: 'Write PATH#FIELD with a text that it has',
    })
  return { value, with: (next) => JSON.stringify({ ...object, [found]: next }) }
}

function objectOf(text: string): JsonObject | null {
  try {
    const parsed = parseJson(new TextEncoder().encode(text))
    return isJsonObject(parsed) ? parsed : null
  } catch {
    // No JSON: one value, like most
    return null
  }
}
