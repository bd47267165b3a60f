// SPDX-License-Identifier: Apache-2.0
// Where a secret's address leads: which request reads it, and what comes of it.
import { parseDurationMs, quote } from '@sallyport/core'
import type { SecretAddress } from '../../contract.ts'
import { SecretsError } from '../../secrets-error.ts'
import type { JsonObject } from '../json.ts'
import type { VaultMount } from './vault-settings.ts'

export interface VaultRoute {
  readonly mount: VaultMount
  readonly method: 'GET' | 'POST'
  /** Below `/v1/`, encoded. */
  readonly path: string
  readonly body: JsonObject | null
  /** What is read was stored before, so that to read it once more changes nothing. */
  readonly isStored: boolean
  /** Without a lease, what was made lives as long as was asked for here; null: only its answer tells. */
  readonly askedTtlMs: number | null
  /** Fields that hold base64 of the value's bytes. */
  readonly isBase64: boolean
}

const SEGMENTS_MAX = 32
const SEGMENT_LENGTH_MAX = 256
/** The server takes others for numbers, too, and then for the newest version. */
const VERSION = /^[1-9][0-9]{0,14}$/

/** @throws SecretsError SECRET_NOT_FOUND, SECRET_VERSION_NOT_FOUND or PROVIDER_CONFIG_INVALID; nothing was asked */
export function routeOf(
  address: SecretAddress,
  { mounts, remainingMs }: { mounts: readonly VaultMount[]; remainingMs: number },
): VaultRoute {
  const segments = segmentsOf(address)
  const mount = mountOf(address, mounts)
  if (mount.engine === 'kv') return kvRoute(address, mount, segments)
  if (address.version !== null) throw versionNotFound(address, 'what is made on demand has no versions')
  return madeRoute(address, mount, { segments, remainingMs })
}

/** @throws SecretsError SECRET_NOT_FOUND */
export function mountOf(address: SecretAddress, mounts: readonly VaultMount[]): VaultMount {
  const mount = mounts.find(({ path }) => address.path.startsWith(`${path}/`))
  if (mount !== undefined) return mount
  throw new SecretsError('SECRET_NOT_FOUND', `Cannot read ${quote(address.path)}: no mount of the settings holds it`, {
    hint: `Known mounts: ${mounts.map(({ path }) => path).join(', ')}`,
  })
}

/** The server would follow `..`, and take `?` and `#` for its own: a segment is a name and nothing else. */
export function segmentsOf({ path }: SecretAddress): readonly string[] {
  const segments = path.split('/')
  const isName = (segment: string): boolean =>
    segment !== '' && segment.length <= SEGMENT_LENGTH_MAX && !/^\.+$/.test(segment) && !/[\p{Cc}?#%\\*+]/u.test(segment)
  if (segments.length > SEGMENTS_MAX || !segments.every(isName))
    throw new SecretsError('SECRET_NOT_FOUND', `Cannot read ${quote(path)}: it is no path of a secret`, {
      hint: 'Write the mount and the name, such as kv/ci/packages',
    })
  return segments
}

export const encodePath = (segments: readonly string[]): string => segments.map(encodeURIComponent).join('/')

function kvRoute(address: SecretAddress, mount: VaultMount, segments: readonly string[]): VaultRoute {
  const { version, parameters } = address
  const depth = mount.path.split('/').length
  if (mount.version === 1 && version !== null) throw versionNotFound(address, 'KV version 1 keeps the newest alone')
  if (version !== null && !VERSION.test(version)) throw versionNotFound(address, 'versions are numbers from 1')
  const inner = mount.version === 1 ? segments : [...segments.slice(0, depth), 'data', ...segments.slice(depth)]
  return {
    mount,
    method: 'GET',
    path: `${encodePath(inner)}${version === null ? '' : `?version=${version}`}`,
    body: null,
    isStored: true,
    askedTtlMs: null,
    isBase64: parseEncoding(address.path, parameters),
  }
}

function parseEncoding(path: string, parameters: SecretAddress['parameters']): boolean {
  const unknown = Object.keys(parameters).find((name) => name !== 'encoding')
  const { encoding } = parameters as { readonly encoding?: string }
  if (unknown !== undefined || (encoding !== undefined && encoding !== 'base64'))
    throw new SecretsError('PROVIDER_CONFIG_INVALID', `Cannot read ${quote(path)} with the parameter ${quote(unknown ?? 'encoding')}`, {
      hint: 'A stored secret takes one parameter, encoding, which may be base64',
    })
  return encoding === 'base64'
}

interface Made {
  readonly segments: readonly string[]
  readonly remainingMs: number
}

function madeRoute(address: SecretAddress, mount: VaultMount, { segments, remainingMs }: Made): VaultRoute {
  const parameters: Record<string, string> = { ...address.parameters }
  const isWritten = mount.engine === 'pki' || mount.engine === 'ssh' || mount.method === 'POST'
  const takesTtl = isWritten ? mount.engine !== 'generic' && !isOneTimePassword(mount, segments) : mount.engine === 'aws'
  const askedTtlMs = takesTtl ? ttlToAsk(address, mount, remainingMs) : null
  if (askedTtlMs !== null) parameters['ttl'] = `${Math.floor(askedTtlMs / 1000)}s`
  const query = isWritten ? '' : new URLSearchParams(parameters).toString()
  return {
    mount,
    method: isWritten ? 'POST' : 'GET',
    path: `${encodePath(segments)}${query === '' ? '' : `?${query}`}`,
    body: isWritten ? parameters : null,
    isStored: false,
    askedTtlMs,
    isBase64: false,
  }
}

function isOneTimePassword({ engine, path }: VaultMount, segments: readonly string[]): boolean {
  return engine === 'ssh' && segments[path.split('/').length] === 'creds'
}

/** As short as the job's file asks, and never longer than the job, or than what has no lease may live. */
function ttlToAsk({ path, parameters }: SecretAddress, { livesOnMs }: VaultMount, remainingMs: number): number {
  const { ttl } = parameters as { readonly ttl?: string }
  const wantedMs = ttl === undefined ? Number.POSITIVE_INFINITY : parseDurationMs(ttl)
  if (wantedMs === null || wantedMs < 1000)
    throw new SecretsError('PROVIDER_CONFIG_INVALID', `Cannot read ${quote(path)}: ${quote(ttl ?? '')} is no ttl`, {
      hint: 'Write a duration of a second or more, such as 10m',
    })
  return Math.max(1000, Math.min(wantedMs, remainingMs, livesOnMs ?? Number.POSITIVE_INFINITY))
}

export function versionNotFound({ path, version }: SecretAddress, why: string): SecretsError {
  return new SecretsError('SECRET_VERSION_NOT_FOUND', `Cannot read version ${quote(version ?? '')} of ${quote(path)}: ${why}`)
}
