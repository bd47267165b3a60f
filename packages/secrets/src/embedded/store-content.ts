// SPDX-License-Identifier: Apache-2.0
// What an embedded store holds, and the bounds of it.
import { SECRET_BYTES_MAX } from '../contract.ts'
import { SecretsError } from '../secrets-error.ts'

/** The name of the one field of a secret without fields. */
export const ONLY_FIELD = 'value'

/** As a path at a provider, so that a secret can move there under its name. */
const NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]*(\/[A-Za-z0-9_.-]+)*$/
const NAME_LENGTH_MAX = 200
const FIELD = /^[A-Za-z0-9_.-]{1,200}$/
export const FIELDS_MAX = 64

/** Ten thousand are what the redactor is measured with. Tombstones count. */
export const SECRETS_MAX = 10_000
/** Values of one secret that are kept, the current one among them. */
export const VERSIONS_MAX = 10
/** Of the plaintext: what is read and encrypted anew for every change. */
export const CONTENT_BYTES_MAX: number = 16 * 2 ** 20

export type Fields = ReadonlyMap<string, Uint8Array>

export const ORIGINS = ['set', 'imported', 'rotated'] as const
export type VersionOrigin = (typeof ORIGINS)[number]

export interface StoredVersion {
  /** From 1; never given twice, also not after `rm`. */
  readonly number: number
  /** Milliseconds since 1970. */
  readonly createdAtMs: number
  readonly origin: VersionOrigin
  readonly fields: Fields
}

/** How new values of a secret come about. */
export interface RotationRecipe {
  /** Characters of a value that we generate; null: the hook makes it. */
  readonly generate: number | null
  /** Absolute path of a program; null: nobody else knows the value. */
  readonly hook: string | null
  /** Which field gets the new value; null: the only one. */
  readonly field: string | null
}

export const ROTATION_PHASES = ['create', 'install', 'test', 'retire'] as const
export type RotationPhase = (typeof ROTATION_PHASES)[number]

/** A rotation that goes on, or was cut off: on disk before its phase begins, so that it can be taken up again. */
export interface PendingRotation {
  /** The same each time that it is taken up: a hook can tell by it what it has done already. */
  readonly id: string
  readonly startedAtMs: number
  readonly phase: RotationPhase
  readonly recipe: RotationRecipe
  /** The new value; null in the phase `create`. In the phase `retire` it is the current version already. */
  readonly candidate: Fields | null
}

export interface StoredSecret {
  readonly name: string
  /** The highest number that a version of it has ever had. */
  readonly lastNumber: number
  /** Not null: it was removed then, and has no versions. */
  readonly removedAtMs: number | null
  /** How old a value may get before it is overdue. */
  readonly everyMs: number | null
  readonly recipe: RotationRecipe | null
  readonly rotation: PendingRotation | null
  /** Oldest first; the last one is the current one. */
  readonly versions: readonly StoredVersion[]
}

export interface StoreContent {
  /** Grows with every change. */
  readonly generation: number
  readonly writtenAtMs: number
  /** Who can open it: age recipients. */
  readonly recipients: readonly string[]
  /** By name; as they are read, in the order of names. */
  readonly secrets: ReadonlyMap<string, StoredSecret>
}

export function isSecretName(name: string): boolean {
  return name.length <= NAME_LENGTH_MAX && NAME.test(name)
}

export function isFieldName(name: string): boolean {
  return FIELD.test(name)
}

/** @throws SecretsError SECRET_EMPTY, SECRET_TOO_LARGE */
export function checkFields(name: string, fields: Fields): void {
  const bytes = bytesOf(fields)
  if (fields.size === 0 || [...fields.values()].some(({ byteLength }) => byteLength === 0))
    throw new SecretsError('SECRET_EMPTY', `Cannot store "${name}": it has no bytes`, {
      hint: `To take a value back, remove it: sallyport secrets rm ${name}`,
    })
  if (bytes > SECRET_BYTES_MAX || fields.size > FIELDS_MAX)
    throw new SecretsError(
      'SECRET_TOO_LARGE',
      `Cannot store "${name}": it has ${bytes} bytes in ${fields.size} fields, and the most is ${SECRET_BYTES_MAX} in ${FIELDS_MAX}`,
      { hint: 'Store a key for what is larger, and keep the rest, encrypted with it, where large files are kept' },
    )
}

function bytesOf(fields: Fields): number {
  return [...fields.values()].reduce((sum, { byteLength }) => sum + byteLength, 0)
}

/** A secret that is there. @throws SecretsError SECRET_NOT_FOUND */
export function findSecret({ secrets }: StoreContent, name: string): StoredSecret {
  const secret = secrets.get(name)
  if (secret !== undefined && secret.removedAtMs === null) return secret
  throw new SecretsError('SECRET_NOT_FOUND', `Cannot find the secret "${name.slice(0, NAME_LENGTH_MAX)}" in the embedded store`, {
    hint:
      secret === undefined
        ? 'sallyport secrets ls shows what there is'
        : `It was removed on ${new Date(secret.removedAtMs ?? 0).toISOString()}; sallyport secrets set ${name} stores a new value`,
  })
}

/** `version`: a number as text; null: the current one. @throws SecretsError SECRET_VERSION_NOT_FOUND */
export function findVersion({ name, versions }: StoredSecret, version: string | null): StoredVersion {
  const found = version === null ? versions.at(-1) : versions.find(({ number }) => String(number) === version)
  if (found !== undefined) return found
  throw new SecretsError('SECRET_VERSION_NOT_FOUND', `Cannot find version "${String(version).slice(0, 40)}" of the secret "${name}"`, {
    hint: `Kept are ${versions.map(({ number }) => number).join(', ')}: of each secret the last ${VERSIONS_MAX}`,
  })
}

/** Null: the only one. @throws SecretsError SECRET_FIELD_MISSING */
export function findField(name: string, fields: Fields, field: string | null): readonly [string, Uint8Array] {
  const [only, ...others] = fields
  const value = field === null ? undefined : fields.get(field)
  if (field !== null && value !== undefined) return [field, value]
  if (field === null && only !== undefined && others.length === 0) return only
  const message =
    field === null
      ? `Cannot tell which field of the secret "${name}" is meant`
      : `Cannot find the field "${field.slice(0, 200)}" of the secret "${name}"`
  throw new SecretsError('SECRET_FIELD_MISSING', message, { hint: `It has ${[...fields.keys()].join(', ')}` })
}
