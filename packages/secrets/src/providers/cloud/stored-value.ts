// SPDX-License-Identifier: Apache-2.0
// From a value that a cloud stores to what a job is given. Untrusted: of whoever wrote the secret.
import { quote } from '@sallyport/core'
import { SECRET_BYTES_MAX, type SecretAddress } from '../../contract.ts'
import { SecretsError, type SecretsErrorCode } from '../../secrets-error.ts'
import { isJsonObject, type JsonObject, parseJson } from '../json.ts'

const FIELDS_MAX = 256
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/
/** What an address may ask beside: that the stored text is base64 of the value, or that an object of JSON is meant as it is. */
const PARAMETERS: Readonly<Record<string, string>> = { encoding: 'base64', as: 'text' }

/** An object of JSON has its fields; everything else is one value. Takes `bytes` over: they are zeroed, or in the answer. @throws SecretsError */
export function fieldsOf(bytes: Uint8Array, address: SecretAddress): ReadonlyMap<string, Uint8Array> {
  const keep = new Set<Uint8Array>()
  try {
    assertSize(bytes, address)
    const structured = address.parameters['encoding'] === undefined ? structureOf(bytes, address) : null
    const fields = structured ?? singleValue(bytes, address)
    for (const value of fields.values()) keep.add(value)
    return fields
  } finally {
    if (!keep.has(bytes)) bytes.fill(0)
  }
}

/** @throws SecretsError PROVIDER_FAILED */
export function fromBase64(text: string, address: SecretAddress): Uint8Array {
  if (!BASE64.test(text)) throw refused('PROVIDER_FAILED', address, 'it is said to be base64, and is not')
  // Not from the pool that all small buffers share: it is zeroed
  return Uint8Array.from(Buffer.from(text, 'base64'))
}

/** @throws SecretsError PROVIDER_CONFIG_INVALID */
export function assertParameters({ path, parameters }: SecretAddress): void {
  for (const [name, value] of Object.entries(parameters)) {
    if (Object.hasOwn(PARAMETERS, name) && PARAMETERS[name] === value) continue
    throw new SecretsError('PROVIDER_CONFIG_INVALID', `Cannot read ${quote(path)} with the parameter ${quote(name)} as it is`, {
      hint: `Known parameters: ${Object.entries(PARAMETERS)
        .map(([known, allowed]) => `${known}: ${allowed}`)
        .join(', ')}`,
    })
  }
}

function assertSize({ length }: Uint8Array, address: SecretAddress): void {
  if (length === 0) throw refused('SECRET_EMPTY', address, 'it has no bytes')
  if (length > SECRET_BYTES_MAX) throw refused('SECRET_TOO_LARGE', address, `it has more than ${SECRET_BYTES_MAX} bytes`)
}

function singleValue(bytes: Uint8Array, address: SecretAddress): ReadonlyMap<string, Uint8Array> {
  const { field, path, parameters } = address
  if (field !== null && field !== 'value')
    throw new SecretsError('SECRET_FIELD_MISSING', `Cannot read ${quote(path)}: it has no fields, and ${quote(field)} is named`)
  if (parameters['encoding'] === undefined) return new Map([['value', bytes]])
  const decoded = fromBase64(new TextDecoder().decode(bytes).trim(), address)
  assertSize(decoded, address)
  return new Map([['value', decoded]])
}

/** Null: it has no fields, or none are wanted. */
function structureOf(bytes: Uint8Array, address: SecretAddress): ReadonlyMap<string, Uint8Array> | null {
  if (address.parameters['as'] === 'text') return null
  const object = objectOf(bytes)
  if (object === null) return null
  const names = Object.keys(object).filter((name) => object[name] !== null)
  if (names.length > FIELDS_MAX) throw refused('PROVIDER_FAILED', address, `it has more than ${FIELDS_MAX} fields`)
  const wanted = address.field ?? (names.length === 1 ? names[0] : undefined)
  if (wanted === undefined || !names.includes(wanted)) throw fieldMissing(address, names)
  const fields = new Map(names.map((name) => [name, bytesOf(object[name])]))
  if (fields.get(wanted)?.length === 0) throw refused('SECRET_EMPTY', address, 'it has no bytes')
  return fields
}

function objectOf(bytes: Uint8Array): JsonObject | null {
  try {
    const parsed = parseJson(bytes)
    return isJsonObject(parsed) ? parsed : null
  } catch {
    // No JSON: a value like most
    return null
  }
}

function fieldMissing({ path, field }: SecretAddress, names: readonly string[]): SecretsError {
  const listed = names.slice(0, 16).map(quote).join(', ')
  const [why, hint] =
    field === null
      ? ['it has not one field, and none is named', `Write PATH#FIELD with one of: ${listed}; or parameters: { as: text } for all of it`]
      : [`it has no field ${quote(field)}`, `It has: ${listed}`]
  return new SecretsError('SECRET_FIELD_MISSING', `Cannot read ${quote(path)}: ${why}`, { hint })
}

/** A text as it is, anything else as JSON. */
function bytesOf(value: unknown): Uint8Array {
  return new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value))
}

function refused(code: SecretsErrorCode, { path }: SecretAddress, why: string): SecretsError {
  return new SecretsError(code, `Cannot use ${quote(path)}: ${why}`)
}

export function notFound({ path }: SecretAddress, why: string): SecretsError {
  return new SecretsError('SECRET_NOT_FOUND', `Cannot read ${quote(path)}: ${why}`)
}

export function versionNotFound({ path, version }: SecretAddress, why: string): SecretsError {
  return new SecretsError('SECRET_VERSION_NOT_FOUND', `Cannot read version ${quote(version ?? '')} of ${quote(path)}: ${why}`)
}
