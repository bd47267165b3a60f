// SPDX-License-Identifier: Apache-2.0
// From an answer to what a job is given. Untrusted: the server's, or of whoever wrote the secret.
import { quote } from '@sallyport/core'
import { type ProviderLease, type ReadSecret, SECRET_BYTES_MAX, type SecretAddress } from '../../contract.ts'
import { SecretsError } from '../../secrets-error.ts'
import { isJsonObject, type JsonObject } from '../json.ts'
import { nonsense, readLease, type VaultAnswer } from './vault-answer.ts'
import { type VaultRoute, versionNotFound } from './vault-route.ts'

const FIELDS_MAX = 256

export interface Times {
  readonly nowMs: number
  /** When all that the session made ends at the latest. */
  readonly sessionEndMs: number
}

/** The lease is told also where the rest of the answer is of no use: it has to be ended all the same. */
export interface Made {
  readonly lease: ProviderLease | null
  /** @throws SecretsError */
  read(): ReadSecret
}

/** @throws SecretsError PROVIDER_FAILED when the answer has no lease in the place of one */
export function madeOf(answer: VaultAnswer, address: SecretAddress, route: VaultRoute, times: Times): Made {
  const what = `read ${quote(address.path)}`
  if (route.isStored) return { lease: null, read: () => storedSecret(answer, address, route) }
  const found = readLease(answer, what)
  const lease =
    found === null
      ? null
      : { id: found.id, isRenewable: found.isRenewable, expiresAtMs: Math.min(times.nowMs + found.ttlMs, times.sessionEndMs) }
  const read = (): ReadSecret => {
    const data = dataOf(answer, what)
    const unended = hasEnd(route, lease, data) ? lease : unleasedOf(route, data, { address, nowMs: times.nowMs })
    const rotated = isRotated(route) ? Date.parse(String(data['last_vault_rotation'])) : Number.NaN
    const dated = Number.isFinite(rotated) ? { createdAtMs: rotated } : {}
    return { fields: fieldsOf(data, address, route), version: null, ...dated, lease: unended }
  }
  return { lease, read }
}

function dataOf({ body }: VaultAnswer, what: string): JsonObject {
  const data = body['data']
  if (!isJsonObject(data)) throw nonsense(what, 'no data')
  return data
}

function storedSecret(answer: VaultAnswer, address: SecretAddress, route: VaultRoute): ReadSecret {
  const what = `read ${quote(address.path)}`
  const outer = dataOf(answer, what)
  if (route.mount.version === 1) return { fields: fieldsOf(outer, address, route), version: null, lease: null }
  const { data, metadata } = outer
  const version = isJsonObject(metadata) ? metadata['version'] : null
  if (!isJsonObject(data) || typeof version !== 'number' || !Number.isSafeInteger(version)) throw nonsense(what, 'no version of KV')
  if (address.version !== null && String(version) !== address.version) throw versionNotFound(address, 'another one was answered')
  const created = isJsonObject(metadata) && typeof metadata['created_time'] === 'string' ? Date.parse(metadata['created_time']) : Number.NaN
  const dated = Number.isFinite(created) ? { createdAtMs: created } : {}
  return { fields: fieldsOf(data, address, route), version: String(version), ...dated, lease: null }
}

/** All of them, since two secrets of a job may be two fields of one account; but the one that is asked for has to be there. */
function fieldsOf(data: JsonObject, address: SecretAddress, route: VaultRoute): ReadonlyMap<string, Uint8Array> {
  const names = Object.keys(data).filter((name) => data[name] !== null)
  const wanted = address.field ?? (names.length === 1 ? names[0] : undefined)
  if (names.length > FIELDS_MAX) throw nonsense(`read ${quote(address.path)}`, `more than ${FIELDS_MAX} fields`)
  if (wanted === undefined || !names.includes(wanted)) throw fieldMissing(address, names)
  const fields = new Map(names.map((name) => [name, bytesOf(data[name], route.isBase64 && name === wanted, address)]))
  const total = [...fields.values()].reduce((sum, { length }) => sum + length, 0)
  if (fields.get(wanted)?.length === 0) throw refused('SECRET_EMPTY', address, 'it has no bytes')
  if (total > SECRET_BYTES_MAX) {
    for (const bytes of fields.values()) bytes.fill(0)
    throw refused('SECRET_TOO_LARGE', address, `it has more than ${SECRET_BYTES_MAX} bytes`)
  }
  return fields
}

function fieldMissing(address: SecretAddress, names: readonly string[]): SecretsError {
  const listed = names.slice(0, 16).map(quote).join(', ')
  const [why, hint] =
    address.field === null
      ? ['it has not one field, and none is named', `Write PATH#FIELD, with one of: ${listed}`]
      : [`it has no field ${quote(address.field)}`, `It has: ${listed}`]
  return new SecretsError('SECRET_FIELD_MISSING', `Cannot read ${quote(address.path)}: ${why}`, { hint })
}

/** A text as it is, a list of texts as lines (a chain of certificates), anything else as JSON. */
function bytesOf(value: unknown, isBase64: boolean, address: SecretAddress): Uint8Array {
  const isTexts = Array.isArray(value) && value.every((item) => typeof item === 'string')
  const text = typeof value === 'string' ? value : isTexts ? value.join('\n') : JSON.stringify(value)
  if (!isBase64) return new TextEncoder().encode(text)
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text.trim()))
    throw refused('PROVIDER_FAILED', address, 'it is said to be base64, and is not')
  return new Uint8Array(Buffer.from(text.trim(), 'base64'))
}

/** A lease of the security token service is one in name: nothing ends such credentials. */
function hasEnd({ mount }: VaultRoute, lease: ProviderLease | null, data: JsonObject): boolean {
  const isOfTokenService = mount.engine === 'aws' && (isText(data['security_token']) || isText(data['session_token']))
  return lease !== null && !isOfTokenService
}

const isText = (value: unknown): boolean => typeof value === 'string' && value !== ''

/**
 * What lives until its own end, whatever we do. Null for what a generic engine answers, as if it were stored.
 * @throws SecretsError PROVIDER_CONFIG_INVALID where the operator did not allow that, or not for so long
 */
function unleasedOf(
  route: VaultRoute,
  data: JsonObject,
  { address, nowMs }: { address: SecretAddress; nowMs: number },
): ProviderLease | null {
  const { engine, livesOnMs } = route.mount
  if (engine === 'generic' || isRotated(route)) return null
  const expiresAtMs = statedEndMs(data) ?? (route.askedTtlMs === null ? null : nowMs + route.askedTtlMs)
  if (livesOnMs === null || expiresAtMs === null || expiresAtMs > nowMs + livesOnMs + CLOCK_MS)
    throw new SecretsError('PROVIDER_CONFIG_INVALID', `Cannot use what was made for ${quote(address.path)}: nothing ends it with the job`, {
      hint:
        expiresAtMs === null || livesOnMs !== null
          ? `Give the role a shorter time, or allow more with mounts.${route.mount.path}.lives-on`
          : `Let the role make leases (PKI: generate_lease=true), or allow it with mounts.${route.mount.path}.lives-on: 10m`,
    })
  return { id: '', expiresAtMs, isRenewable: false }
}

/** What two clocks may differ by. */
const CLOCK_MS = 60_000

/** A static role's password is the database's own, and changes by a schedule. */
function isRotated({ mount, path }: VaultRoute): boolean {
  return mount.engine === 'database' && path.startsWith(`${mount.path}/static-creds/`)
}

/** Seconds since 1970: of a certificate, of a token of Google's. */
function statedEndMs(data: JsonObject): number | null {
  const seconds = data['expiration'] ?? data['expires_at_seconds']
  return typeof seconds === 'number' && Number.isSafeInteger(seconds) ? seconds * 1000 : null
}

function refused(code: 'SECRET_EMPTY' | 'SECRET_TOO_LARGE' | 'PROVIDER_FAILED', { path }: SecretAddress, why: string): SecretsError {
  return new SecretsError(code, `Cannot use ${quote(path)}: ${why}`)
}
