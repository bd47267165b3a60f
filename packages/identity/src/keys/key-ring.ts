// SPDX-License-Identifier: Apache-2.0
// Which key signs, and which ones verifiers are told: pure, over the time that it is given.
import { ALGORITHMS, type Algorithm, CLOCK_SKEW_S, LIFETIME_S } from '../contract.ts'
import { IdentityError } from '../identity-error.ts'
import type { PublicJwk } from './public-jwk.ts'

/** Verifiers ask for the keys now and then: a key signs only after it could be known for so long. */
export const PUBLISHED_BEFORE_S: number = 24 * 3600

/** After its last token: that one's whole life, and the clocks. */
export const RETIRED_FOR_S: number = LIFETIME_S.max + 2 * CLOCK_SKEW_S

export interface RingKey {
  readonly kid: string
  readonly algorithm: Algorithm
  readonly publicKey: PublicJwk
  /** `next`: published, and will sign after the next rotation. `retired`: published until its last token has expired. */
  readonly state: 'next' | 'current' | 'retired'
  readonly publishedAtS: number
  readonly signsFromS: number | null
  /** When verifiers need it no longer. */
  readonly expiresAtS: number | null
}

export interface KeyRing {
  readonly issuer: string
  readonly keys: readonly RingKey[]
}

/** Keys that were made just now. */
export type FreshKey = Pick<RingKey, 'kid' | 'algorithm' | 'publicKey'>

export interface FreshPair {
  readonly current: FreshKey
  readonly next: FreshKey
}

/** A ring from nothing, and also what stands after its keys were stolen: none of those is told to anybody any more. */
export function beginRing(issuer: string, pairs: readonly FreshPair[], nowS: number): KeyRing {
  const keys = pairs.flatMap(({ current, next }): RingKey[] => [
    { ...current, state: 'current', publishedAtS: nowS, signsFromS: nowS, expiresAtS: null },
    fresh(next, nowS),
  ])
  return { issuer, keys }
}

/** The next keys sign, the ones of today verify for a while, and new ones are told. @throws IdentityError IDENTITY_TOO_EARLY */
export function rotateRing({ issuer, keys }: KeyRing, next: readonly FreshKey[], nowS: number): KeyRing {
  const earliestS = Math.max(...keys.filter(({ state }) => state === 'next').map(({ publishedAtS }) => publishedAtS)) + PUBLISHED_BEFORE_S
  if (nowS < earliestS)
    throw new IdentityError('IDENTITY_TOO_EARLY', `Cannot rotate the keys before ${new Date(earliestS * 1000).toISOString()}`, {
      hint: 'The next keys have to be published for a day before they sign, so that every verifier knows them; --compromised replaces all at once',
    })
  const moved = keys.flatMap((key): RingKey[] => {
    if (key.state === 'next') return [{ ...key, state: 'current', signsFromS: nowS }]
    if (key.state === 'current') return [{ ...key, state: 'retired', expiresAtS: nowS + RETIRED_FOR_S }]
    return isPublished(key, nowS) ? [key] : []
  })
  return { issuer, keys: [...moved, ...next.map((key) => fresh(key, nowS))] }
}

function fresh(key: FreshKey, nowS: number): RingKey {
  return { ...key, state: 'next', publishedAtS: nowS, signsFromS: null, expiresAtS: null }
}

/** What verifiers are told. */
export function publishedKeys({ keys }: KeyRing, nowS: number): readonly RingKey[] {
  return keys.filter((key) => isPublished(key, nowS))
}

function isPublished({ expiresAtS }: RingKey, nowS: number): boolean {
  return expiresAtS === null || nowS < expiresAtS
}

/** Keys whose private half is needed. */
export function heldKeys({ keys }: KeyRing): readonly RingKey[] {
  return keys.filter(({ state }) => state !== 'retired')
}

export function currentKey({ keys }: KeyRing, algorithm: Algorithm): RingKey {
  const key = keys.find((candidate) => candidate.state === 'current' && candidate.algorithm === algorithm)
  if (key === undefined) throw new TypeError(`a ring without a key for ${algorithm}`)
  return key
}

/** One that signs and one that will, for each algorithm. */
export function isWholeRing({ keys }: KeyRing): boolean {
  const count = (algorithm: Algorithm, state: RingKey['state']): number =>
    keys.filter((key) => key.algorithm === algorithm && key.state === state).length
  return ALGORITHMS.every((algorithm) => count(algorithm, 'current') === 1 && count(algorithm, 'next') === 1)
}
