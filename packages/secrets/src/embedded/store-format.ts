// SPDX-License-Identifier: Apache-2.0
// The plaintext of a store: a line that names the format, a line of JSON that says what there is, and after it the values, one after the other.
// Values never become text on the way: they are bytes of buffers, which can be wiped.
import {
  CONTENT_BYTES_MAX,
  FIELDS_MAX,
  type Fields,
  isFieldName,
  isSecretName,
  ORIGINS,
  type PendingRotation,
  ROTATION_PHASES,
  type RotationRecipe,
  SECRETS_MAX,
  type StoreContent,
  type StoredSecret,
  type StoredVersion,
  VERSIONS_MAX,
} from './store-content.ts'

const FORMAT = 'sallyport-secrets/1'
const NEWLINE = 10
const RECIPIENTS_MAX = 16

/** Fields as the index has them: name and length. */
type FieldsIndex = readonly (readonly [string, number])[]

/** Whoever calls wipes the result. @throws RangeError when it is more than a store may hold */
export function encodeContent(content: StoreContent): Buffer {
  const values: Uint8Array[] = []
  const index = JSON.stringify(indexOf(content, values))
  const head = Buffer.from(`${FORMAT}\n${index}\n`)
  const bytes = values.reduce((sum, { byteLength }) => sum + byteLength, head.byteLength)
  if (bytes > CONTENT_BYTES_MAX) throw new RangeError(`${bytes} bytes, and the most is ${CONTENT_BYTES_MAX}`)
  const encoded = Buffer.alloc(bytes)
  let at = head.copy(encoded)
  for (const value of values) {
    encoded.set(value, at)
    at += value.byteLength
  }
  return encoded
}

function indexOf({ generation, writtenAtMs, recipients, secrets }: StoreContent, values: Uint8Array[]): object {
  const fieldsIndex = (fields: Fields): FieldsIndex =>
    [...fields].map(([name, value]) => {
      values.push(value)
      return [name, value.byteLength]
    })
  return {
    generation,
    writtenAtMs,
    recipients,
    secrets: [...secrets.values()].toSorted(byName).map(({ rotation, versions, ...secret }) => ({
      ...secret,
      versions: versions.map((version) => ({ ...version, fields: fieldsIndex(version.fields) })),
      rotation: rotation && { ...rotation, candidate: rotation.candidate && fieldsIndex(rotation.candidate) },
    })),
  }
}

function byName(left: StoredSecret, right: StoredSecret): number {
  return left.name < right.name ? -1 : 1
}

/**
 * Values are views of `encoded`. What it holds was authenticated by age, which says that whoever knew a recipient wrote it, and no more.
 *
 * @throws TypeError, SyntaxError for everything that `encodeContent` never makes
 */
export function decodeContent(encoded: Buffer): StoreContent {
  const first = encoded.indexOf(NEWLINE)
  const second = encoded.indexOf(NEWLINE, first + 1)
  if (first < 0 || second < 0 || encoded.toString('latin1', 0, Math.min(first, 100)) !== FORMAT) throw new TypeError(`it is not ${FORMAT}`)
  const values = new ValueReader(encoded, second + 1)
  const { generation, writtenAtMs, recipients, secrets } = object(JSON.parse(encoded.toString('utf8', first + 1, second)))
  const content: StoreContent = {
    generation: count(generation),
    writtenAtMs: count(writtenAtMs),
    recipients: list(recipients, RECIPIENTS_MAX).map(text),
    secrets: decodeSecrets(list(secrets, SECRETS_MAX), values),
  }
  values.end()
  return content
}

function decodeSecrets(items: readonly unknown[], values: ValueReader): ReadonlyMap<string, StoredSecret> {
  const secrets = new Map<string, StoredSecret>()
  for (const item of items) {
    const secret = decodeSecret(object(item), values)
    if (secrets.has(secret.name)) throw new TypeError('a secret stands there twice')
    secrets.set(secret.name, secret)
  }
  return secrets
}

function decodeSecret(item: Record<string, unknown>, values: ValueReader): StoredSecret {
  const name = text(item['name'])
  if (!isSecretName(name)) throw new TypeError('a name that no secret can have')
  const versions = list(item['versions'], VERSIONS_MAX).map((version) => decodeVersion(object(version), values))
  const lastNumber = count(item['lastNumber'])
  const removedAtMs = nullOr(count, item['removedAtMs'])
  if (versions.some(({ number }, at) => number > lastNumber || number <= (versions[at - 1]?.number ?? 0)))
    throw new TypeError('versions out of order')
  if ((removedAtMs === null) !== versions.length > 0) throw new TypeError('a secret without a version that was not removed')
  const rotation = nullOr((value) => decodeRotation(object(value), values), item['rotation'])
  return {
    name,
    lastNumber,
    removedAtMs,
    everyMs: nullOr(count, item['everyMs']),
    recipe: nullOr(decodeRecipe, item['recipe']),
    rotation,
    versions,
  }
}

function decodeVersion({ number, createdAtMs, origin, fields }: Record<string, unknown>, values: ValueReader): StoredVersion {
  return {
    number: count(number),
    createdAtMs: count(createdAtMs),
    origin: oneOf(ORIGINS, origin),
    fields: values.fields(fields),
  }
}

function decodeRotation({ id, startedAtMs, phase, recipe, candidate }: Record<string, unknown>, values: ValueReader): PendingRotation {
  const rotation = {
    id: text(id),
    startedAtMs: count(startedAtMs),
    phase: oneOf(ROTATION_PHASES, phase),
    recipe: decodeRecipe(recipe),
    candidate: nullOr((fields) => values.fields(fields), candidate),
  }
  const hasCandidate = rotation.phase === 'install' || rotation.phase === 'test'
  if ((rotation.candidate !== null) !== hasCandidate) throw new TypeError('a rotation that makes no sense')
  return rotation
}

function decodeRecipe(value: unknown): RotationRecipe {
  const { generate, hook, field } = object(value)
  return { generate: nullOr(count, generate), hook: nullOr(text, hook), field: nullOr(text, field) }
}

/** Takes the values from behind the index, in its order. */
class ValueReader {
  readonly #encoded: Buffer
  #at: number

  constructor(encoded: Buffer, at: number) {
    this.#encoded = encoded
    this.#at = at
  }

  fields(index: unknown): Fields {
    const fields = new Map<string, Uint8Array>()
    for (const item of list(index, FIELDS_MAX)) {
      const [name, length] = list(item, 2)
      const field = text(name)
      if (!isFieldName(field) || fields.has(field)) throw new TypeError('a field that no secret can have')
      fields.set(field, this.#take(count(length)))
    }
    return fields
  }

  end(): void {
    if (this.#at !== this.#encoded.byteLength) throw new TypeError('it goes on after its last value')
  }

  #take(length: number): Uint8Array {
    const value = this.#encoded.subarray(this.#at, this.#at + length)
    if (length === 0 || value.byteLength !== length) throw new TypeError('it ends within a value')
    this.#at += length
    return value
  }
}

function object(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new TypeError('it lacks an object')
  return value as Record<string, unknown>
}

function list(value: unknown, lengthMax: number): readonly unknown[] {
  if (!Array.isArray(value) || value.length > lengthMax) throw new TypeError('it lacks a list, or has one that is too long')
  return value
}

function text(value: unknown): string {
  if (typeof value !== 'string' || value.length > 4096) throw new TypeError('it lacks a text, or has one that is too long')
  return value
}

function count(value: unknown): number {
  if (!Number.isSafeInteger(value) || (value as number) < 0) throw new TypeError('it lacks a number')
  return value as number
}

function oneOf<T extends string>(words: readonly T[], value: unknown): T {
  const word = words.find((candidate) => candidate === value)
  if (word === undefined) throw new TypeError('a word that it cannot have')
  return word
}

function nullOr<T>(decode: (value: unknown) => T, value: unknown): T | null {
  return value === null ? null : decode(value)
}
