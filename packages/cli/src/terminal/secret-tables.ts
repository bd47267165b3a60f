// SPDX-License-Identifier: Apache-2.0
// What may be shown of secrets: names, numbers and times.
import { formatDuration } from '@sallyport/core'
import type { StoredSecret } from '@sallyport/secrets'
import { formatEvery } from '../options/secret-name.ts'
import type { Style } from './style.ts'
import { renderTable } from './table.ts'

const DAY_MS = 24 * 3600e3

export interface DescribedVersion {
  readonly number: number
  readonly createdAt: string
  readonly origin: string
  readonly fields: readonly string[]
}

export interface DescribedSecret {
  readonly name: string
  /** Of the current version; null where it was removed. */
  readonly version: number | null
  readonly removedAt: string | null
  /** Since the value was last replaced. */
  readonly ageMs: number | null
  readonly every: string | null
  readonly overdue: boolean
  /** The phase of a rotation that has not ended. */
  readonly rotation: string | null
  /** Newest first. */
  readonly versions: readonly DescribedVersion[]
}

export function describeSecret({ name, versions, removedAtMs, everyMs, rotation }: StoredSecret, nowMs: number): DescribedSecret {
  const current = versions.at(-1) ?? null
  const ageMs = current === null ? null : Math.max(0, nowMs - current.createdAtMs)
  return {
    name,
    version: current?.number ?? null,
    removedAt: removedAtMs === null ? null : new Date(removedAtMs).toISOString(),
    ageMs,
    every: everyMs === null ? null : formatEvery(everyMs),
    overdue: ageMs !== null && everyMs !== null && ageMs > everyMs,
    rotation: rotation?.phase ?? null,
    versions: versions.toReversed().map(({ number, createdAtMs, origin, fields }) => ({
      number,
      createdAt: new Date(createdAtMs).toISOString(),
      origin,
      fields: [...fields.keys()],
    })),
  }
}

export function renderSecrets(secrets: readonly DescribedSecret[], style: Style): string {
  if (secrets.length === 0) return 'There are no secrets\n'
  const rows = secrets.map((secret) => {
    const { name, version, ageMs, every, versions } = secret
    return [
      name,
      version === null ? '–' : String(version),
      ageMs === null ? '' : formatAge(ageMs),
      every ?? '',
      (versions[0]?.fields ?? []).join(', '),
      stateOf(secret, style),
    ]
  })
  return renderTable([['NAME', 'VERSION', 'AGE', 'EVERY', 'FIELDS', 'STATE'], ...rows])
}

export function renderHistory({ name, versions, rotation }: DescribedSecret): string {
  const rows = versions.map(({ number, createdAt, origin, fields }, at) => [
    String(number),
    createdAt.slice(0, 19).replace('T', ' '),
    origin,
    fields.join(', '),
    at === 0 ? 'current' : '',
  ])
  const note = rotation === null ? '' : `A rotation has begun and not ended (${rotation}): sallyport secrets rotate ${name}\n`
  return renderTable([['VERSION', 'SINCE (UTC)', 'ORIGIN', 'FIELDS', ''], ...rows]) + note
}

function stateOf({ removedAt, rotation, overdue }: DescribedSecret, style: Style): string {
  if (removedAt !== null) return `removed ${removedAt.slice(0, 10)}`
  if (rotation !== null) return style.warn(`rotation not ended (${rotation})`)
  return overdue ? style.warn('overdue') : ''
}

function formatAge(ms: number): string {
  return ms < DAY_MS ? formatDuration(ms) : `${Math.floor(ms / DAY_MS)}d`
}
