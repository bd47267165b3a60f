// SPDX-License-Identifier: Apache-2.0
import { quote } from '@sallyport/core'
import type { ReadSecret, SecretAddress } from '../../contract.ts'
import { SecretsError } from '../../secrets-error.ts'
import type { Call } from '../cloud/call.ts'
import { type CloudReply, nonsense, parseObject, type Refusal, readJson, refusalOfStatus } from '../cloud/cloud-client.ts'
import { fieldsOf, fromBase64, notFound, versionNotFound } from '../cloud/stored-value.ts'
import { isJsonObject, type JsonObject } from '../json.ts'
import { crc32c } from './crc32c.ts'
import type { GoogleSettings } from './google-settings.ts'
import type { GoogleParts } from './workload-identity.ts'

const SECRET = /^[A-Za-z0-9_-]{1,255}$/
const FULL_NAME = /^projects\/([a-z0-9][a-z0-9.:-]{0,62})\/secrets\/([A-Za-z0-9_-]{1,255})$/
/** A number, or an alias. */
const VERSION = /^(?:[1-9][0-9]{0,18}|[A-Za-z][A-Za-z0-9_-]{0,62})$/
const NUMBER = /^[1-9][0-9]{0,18}$/

interface SecretName {
  readonly project: string
  readonly secret: string
}

/** https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets.versions/access @throws SecretsError */
export async function accessSecretVersion(
  address: SecretAddress,
  { settings, client }: GoogleParts,
  token: string,
  call: Call,
): Promise<ReadSecret> {
  const what = `read ${quote(address.path)} from ${quote(settings.name)}`
  const name = nameOf(address, settings)
  const reply = await client.ask(
    {
      what,
      method: 'GET',
      url: `${settings.secretManager}/v1/${resourceOf(name, settings)}/versions/${versionOf(address)}:access`,
      headers: () => ({ authorization: `Bearer ${token}`, accept: 'application/json' }),
      body: null,
      isOfValue: true,
      explain: (refused) => explain(refused, address),
    },
    call,
  )
  const answer = readJson(reply, what)
  const version = readVersion(answer, name, address, what)
  return { fields: fieldsOf(readPayload(answer['payload'], address, what), address), version, lease: null }
}

function nameOf(address: SecretAddress, { name, project: usual }: GoogleSettings): SecretName {
  const [, project, secret] = FULL_NAME.exec(address.path) ?? []
  if (project !== undefined && secret !== undefined) return { project, secret }
  if (!SECRET.test(address.path)) throw notFound(address, 'no secret of Secret Manager has such a name')
  if (usual !== null) return { project: usual, secret: address.path }
  throw new SecretsError('PROVIDER_CONFIG_INVALID', `Cannot read ${quote(address.path)} from ${quote(name)}: it is of no project`, {
    hint: `Write projects/PROJECT/secrets/${address.path}, or set the provider's project`,
  })
}

function resourceOf({ project, secret }: SecretName, { location }: GoogleSettings): string {
  return `projects/${project}${location === null ? '' : `/locations/${location}`}/secrets/${secret}`
}

function versionOf(address: SecretAddress): string {
  const { version } = address
  if (version === null) return 'latest'
  if (VERSION.test(version)) return version
  throw versionNotFound(address, 'it is neither a number nor an alias')
}

/** `projects/NUMBER/secrets/SECRET/versions/VERSION`: the project is told by its number, whatever it was asked by. */
function readVersion({ name }: JsonObject, { secret }: SecretName, address: SecretAddress, what: string): string {
  const parts = typeof name === 'string' && name.length <= 1024 ? name.split('/') : []
  const [kind, version] = parts.slice(-2)
  if (parts[0] !== 'projects' || parts.at(-4) !== 'secrets' || parts.at(-3) !== secret || kind !== 'versions')
    throw nonsense(what, 'another secret')
  if (version === undefined || !NUMBER.test(version)) throw nonsense(what, 'no version')
  if (address.version !== null && NUMBER.test(address.version) && address.version !== version) throw nonsense(what, 'another version')
  return version
}

/** Its checksum is of the data as it was stored: what was damaged on the way is no secret. */
function readPayload(payload: unknown, address: SecretAddress, what: string): Uint8Array {
  if (!isJsonObject(payload)) throw nonsense(what, 'no payload')
  const { data = '', dataCrc32c: checksum } = payload
  if (typeof data !== 'string') throw nonsense(what, 'no data')
  const bytes = fromBase64(data, address)
  // An integer of 64 bits is a text in JSON
  if (String(checksum) === String(crc32c(bytes))) return bytes
  bytes.fill(0)
  throw nonsense(what, 'no data that its checksum is of')
}

/** https://cloud.google.com/apis/design/errors */
function explain({ status, body }: CloudReply, { version }: SecretAddress): Refusal {
  const error = parseObject(body)?.['error']
  const kind = isJsonObject(error) ? error['status'] : null
  if (status === 401 || kind === 'UNAUTHENTICATED')
    return { code: 'PROVIDER_LOGIN_REFUSED', why: 'it does not take our token', hint: 'It may have expired, or our clock differs' }
  if (status === 404 || kind === 'NOT_FOUND')
    return version !== null
      ? { code: 'SECRET_VERSION_NOT_FOUND', why: 'there is no such secret, or no such version of it' }
      : { code: 'SECRET_NOT_FOUND', why: 'there is nothing' }
  if (kind === 'FAILED_PRECONDITION')
    return { code: 'PROVIDER_DENIED', why: 'its version is disabled or destroyed', hint: 'Enable it, or store a new version' }
  if (status === 403 || kind === 'PERMISSION_DENIED') return { code: 'PROVIDER_DENIED', why: 'its access control does not allow it' }
  return refusalOfStatus(status)
}
