// SPDX-License-Identifier: Apache-2.0
import { join } from 'node:path'
import { readWhole, writeFileDurably } from '@sallyport/store'
import { ALGORITHMS, type Algorithm } from '../contract.ts'
import { IdentityError } from '../identity-error.ts'
import { parseIssuer } from '../issuer-url.ts'
import { isWholeRing, type KeyRing, type RingKey } from './key-ring.ts'
import { parsePublicJwk, thumbprint } from './public-jwk.ts'

/** Retired keys go when they have expired: no ring comes near it. */
const RING_BYTES_MAX = 256 * 1024

/** What anybody may know of the keys in a minter's directory. */
export function ringPath(directory: string): string {
  return join(directory, 'identity.json')
}

export async function writeRing(directory: string, ring: KeyRing): Promise<void> {
  const path = ringPath(directory)
  await writeFileDurably(path, `${JSON.stringify(ring, null, 2)}\n`, `${path}.new`)
}

/** Without a minter, also while one works. Null where there never was one. @throws IdentityError IDENTITY_DAMAGED */
export async function readRing(directory: string): Promise<KeyRing | null> {
  const bytes = await readWhole(ringPath(directory), RING_BYTES_MAX)
  if (bytes === null) return null
  const ring = await parseRing(bytes.toString())
  if (ring !== null) return ring
  throw new IdentityError('IDENTITY_DAMAGED', `Cannot use "${ringPath(directory)}": it is not what a minter writes`, {
    hint: 'Restore the directory from a backup, or remove it and let verifiers know of new keys',
  })
}

async function parseRing(text: string): Promise<KeyRing | null> {
  try {
    const { issuer, keys } = JSON.parse(text) as Record<string, unknown>
    if (typeof issuer !== 'string' || !Array.isArray(keys)) return null
    const parsed = await Promise.all(keys.map(parseKey))
    const ring = { issuer: parseIssuer(issuer), keys: parsed.filter((key) => key !== null) }
    return ring.keys.length === keys.length && isWholeRing(ring) ? ring : null
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError || error instanceof IdentityError) return null
    throw error
  }
}

/** The thumbprint is worked out again: a key under another's name would be told to verifiers. */
async function parseKey(value: unknown): Promise<RingKey | null> {
  const { kid, algorithm, publicKey, state, publishedAtS, signsFromS, expiresAtS } = value as Record<string, unknown>
  if (!isAlgorithm(algorithm) || !(state === 'next' || state === 'current' || state === 'retired')) return null
  const key = parsePublicJwk(publicKey, algorithm)
  if (key === null || typeof kid !== 'string' || kid !== (await thumbprint(key))) return null
  if (!isTime(publishedAtS) || !isTime(signsFromS ?? 0) || !isTime(expiresAtS ?? 0) || (state === 'retired') !== (expiresAtS !== null))
    return null
  const times = { publishedAtS, signsFromS: signsFromS as number | null, expiresAtS: expiresAtS as number | null }
  return { kid, algorithm, publicKey: key, state, ...times }
}

export function isAlgorithm(value: unknown): value is Algorithm {
  return ALGORITHMS.some((algorithm) => algorithm === value)
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}
