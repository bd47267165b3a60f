// SPDX-License-Identifier: Apache-2.0
import { quote } from '@sallyport/core'
import type { ReadSecret, SecretAddress } from '../../contract.ts'
import { SecretsError } from '../../secrets-error.ts'
import type { Call } from '../cloud/call.ts'
import { type CloudReply, nonsense, parseObject, type Refusal, readJson, refusalOfStatus } from '../cloud/cloud-client.ts'
import { fieldsOf, notFound, versionNotFound } from '../cloud/stored-value.ts'
import { isJsonObject, type JsonObject } from '../json.ts'
import type { EntraParts } from './entra-token.ts'

const API_VERSION = '7.4'
const NAME = /^[0-9A-Za-z-]{1,127}$/
const VERSION = /^[0-9a-f]{32}$/

/** Get Secret. https://learn.microsoft.com/rest/api/keyvault/secrets/get-secret @throws SecretsError */
export async function getSecret(
  address: SecretAddress,
  { settings, client, ports }: EntraParts,
  token: string,
  call: Call,
): Promise<ReadSecret> {
  const what = `read ${quote(address.path)} from ${quote(settings.name)}`
  assertAddress(address)
  const path = `secrets/${address.path}${address.version === null ? '' : `/${address.version}`}`
  const reply = await client.ask(
    {
      what,
      method: 'GET',
      url: `${settings.vault}/${path}?api-version=${API_VERSION}`,
      headers: () => ({ authorization: `Bearer ${token}`, accept: 'application/json' }),
      body: null,
      isOfValue: true,
      explain: (refused) => explain(refused, address),
    },
    call,
  )
  const answer = readJson(reply, what)
  const { value } = answer
  const version = readVersion(answer, { address, vault: settings.vault, what })
  if (typeof value !== 'string') throw nonsense(what, 'no value')
  assertUsable(answer['attributes'], { what, nowMs: ports.nowMs() })
  const updated = isJsonObject(answer['attributes']) ? answer['attributes']['updated'] : undefined
  const dated = typeof updated === 'number' && Number.isFinite(updated) ? { createdAtMs: Math.floor(updated * 1000) } : {}
  return { fields: fieldsOf(new TextEncoder().encode(value), address), version, ...dated, lease: null }
}

function assertAddress(address: SecretAddress): void {
  if (!NAME.test(address.path)) throw notFound(address, 'no secret of Key Vault has such a name')
  if (address.version !== null && !VERSION.test(address.version))
    throw versionNotFound(address, 'a version of Key Vault has 32 hexadecimal digits')
}

/** Of `https://VAULT/secrets/NAME/VERSION`; a name's case makes no difference there. */
function readVersion(
  { id }: JsonObject,
  { address, vault, what }: { readonly address: SecretAddress; readonly vault: string; readonly what: string },
): string {
  const url = typeof id === 'string' && id.length <= 1024 ? URL.parse(id) : null
  const [, kind, name, version = ''] = url?.pathname.split('/') ?? []
  if (url?.host !== new URL(vault).host || kind !== 'secrets' || name?.toLowerCase() !== address.path.toLowerCase())
    throw nonsense(what, 'another secret')
  if (!VERSION.test(version) || (address.version !== null && address.version !== version)) throw nonsense(what, 'another version')
  return version
}

/** Key Vault itself hands out what has expired, or is not yet valid: it leaves these to whoever asks. */
function assertUsable(attributes: unknown, { what, nowMs }: { readonly what: string; readonly nowMs: number }): void {
  if (!isJsonObject(attributes)) throw nonsense(what, 'no attributes')
  const { enabled, nbf, exp } = attributes
  const refuse = (why: string): never => {
    throw new SecretsError('PROVIDER_DENIED', `Cannot ${what}: ${why}`, { hint: 'Store a new version, or change its attributes' })
  }
  if (enabled !== true) refuse('it is disabled')
  if (nbf !== undefined && nbf !== null && !(secondsMs(nbf, what) <= nowMs)) refuse('its time has not begun')
  if (exp !== undefined && exp !== null && !(secondsMs(exp, what) > nowMs)) refuse('its time is over')
}

function secondsMs(value: unknown, what: string): number {
  if (typeof value !== 'number' || !Number.isFinite(value)) throw nonsense(what, 'no time')
  return value * 1000
}

/** https://learn.microsoft.com/azure/key-vault/general/rest-error-codes */
function explain({ status, body }: CloudReply, { version }: SecretAddress): Refusal {
  const error = parseObject(body)?.['error']
  const inner = isJsonObject(error) && isJsonObject(error['innererror']) ? error['innererror']['code'] : null
  if (status === 401)
    return {
      code: 'PROVIDER_LOGIN_REFUSED',
      why: 'it does not take our token',
      hint: "It may have expired, or be of another tenant than the vault's, or of another scope",
    }
  if (inner === 'SecretDisabled') return { code: 'PROVIDER_DENIED', why: 'it is disabled', hint: 'Enable it, or store a new version' }
  if (inner === 'ForbiddenByFirewall')
    return { code: 'PROVIDER_DENIED', why: "the vault's firewall does not let us", hint: 'Allow the address of this machine there' }
  if (status === 403) return { code: 'PROVIDER_DENIED', why: 'its access control does not allow it' }
  if (status !== 404) return refusalOfStatus(status)
  return version !== null
    ? { code: 'SECRET_VERSION_NOT_FOUND', why: 'there is no such secret, or no such version of it' }
    : { code: 'SECRET_NOT_FOUND', why: 'there is nothing' }
}
