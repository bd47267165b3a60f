// SPDX-License-Identifier: Apache-2.0
// Changes of a content, each to a new one.
import { SecretsError } from '../secrets-error.ts'
import {
  checkFields,
  type Fields,
  findSecret,
  findVersion,
  isFieldName,
  isSecretName,
  type RotationRecipe,
  SECRETS_MAX,
  type StoreContent,
  type StoredSecret,
  VERSIONS_MAX,
  type VersionOrigin,
} from './store-content.ts'

export interface NewVersion {
  readonly name: string
  readonly fields: Fields
  readonly origin: VersionOrigin
  readonly nowMs: number
}

/** A further version of a secret, or the first one. @throws SecretsError SECRET_EMPTY, SECRET_TOO_LARGE, ROTATION_PENDING; TypeError for a name that it cannot have */
export function withVersion(content: StoreContent, { name, fields, origin, nowMs }: NewVersion): StoreContent {
  if (!isSecretName(name) || ![...fields.keys()].every(isFieldName)) throw new TypeError('a name that was not checked')
  checkFields(name, fields)
  const before = content.secrets.get(name) ?? newSecret(name, content)
  refuseWhileRotating(before)
  return withSecret(content, withNextVersion(before, { fields, origin, nowMs }))
}

export function withNextVersion(secret: StoredSecret, { fields, origin, nowMs }: Omit<NewVersion, 'name'>): StoredSecret {
  const number = secret.lastNumber + 1
  const versions = [...secret.versions, { number, createdAtMs: nowMs, origin, fields }].slice(-VERSIONS_MAX)
  return { ...secret, lastNumber: number, removedAtMs: null, versions }
}

/** The values go, with all their history; that there was a secret of this name stays. @throws SecretsError SECRET_NOT_FOUND */
export function withoutSecret(content: StoreContent, name: string, nowMs: number): StoreContent {
  const secret = findSecret(content, name)
  return withSecret(content, { ...secret, removedAtMs: nowMs, rotation: null, versions: [] })
}

/** One value of the history goes. @throws SecretsError SECRET_NOT_FOUND, SECRET_VERSION_NOT_FOUND, ROTATION_PENDING */
export function withoutVersion(content: StoreContent, name: string, version: string, nowMs: number): StoreContent {
  const secret = findSecret(content, name)
  refuseWhileRotating(secret)
  const gone = findVersion(secret, version)
  const versions = secret.versions.filter((kept) => kept !== gone)
  return versions.length === 0 ? withoutSecret(content, name, nowMs) : withSecret(content, { ...secret, versions })
}

export interface Schedule {
  readonly everyMs?: number | null
  readonly recipe?: RotationRecipe
}

/** @throws SecretsError SECRET_NOT_FOUND */
export function withSchedule(content: StoreContent, name: string, schedule: Schedule): StoreContent {
  return withSecret(content, { ...findSecret(content, name), ...schedule })
}

export function withSecret(content: StoreContent, secret: StoredSecret): StoreContent {
  return { ...content, secrets: new Map(content.secrets).set(secret.name, secret) }
}

function newSecret(name: string, { secrets }: StoreContent): StoredSecret {
  if (secrets.size >= SECRETS_MAX)
    throw new SecretsError('SECRET_TOO_LARGE', `Cannot store "${name}": an embedded store holds ${SECRETS_MAX} names, removed ones too`, {
      hint: 'Keep what belongs together in the fields of one secret: sallyport secrets set NAME --field KEY',
    })
  return { name, lastNumber: 0, removedAtMs: null, everyMs: null, recipe: null, rotation: null, versions: [] }
}

function refuseWhileRotating({ name, rotation }: StoredSecret): void {
  if (rotation === null) return
  throw new SecretsError(
    'ROTATION_PENDING',
    `Cannot change "${name}": its rotation of ${new Date(rotation.startedAtMs).toISOString()} has not ended`,
    {
      hint: `Take it up again with sallyport secrets rotate ${name}, or give it up: sallyport secrets rotate ${name} --abandon`,
    },
  )
}
