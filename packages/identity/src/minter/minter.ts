// SPDX-License-Identifier: Apache-2.0
import { createPublicKey, randomUUID } from 'node:crypto'
import { quote } from '@sallyport/core'
import { exportJWK, SignJWT } from 'jose'
import { jobClaims, parseIdentity } from '../claims/claims.ts'
import { audience as audienceRule } from '../claims/parse-claim.ts'
import { type Algorithm, CLOCK_SKEW_S, LIFETIME_S } from '../contract.ts'
import { IdentityError } from '../identity-error.ts'
import { currentKey, type KeyRing } from '../keys/key-ring.ts'
import { parsePublicJwk, thumbprint } from '../keys/public-jwk.ts'
import { type HeldKeys, KeyStore } from './key-store.ts'
import type { MintedMessage, MintQuestion } from './messages.ts'

/** In whole seconds, of the minter's own clock: no supervisor chooses when a token ends. */
export type Clock = () => number

/** Signs what it has checked itself. Others may sign with the same keys, and change them: it looks before each token. */
export class Minter {
  readonly #store: KeyStore
  readonly #clock: Clock
  #held: HeldKeys
  #version: string

  private constructor(store: KeyStore, clock: Clock, { held, version }: { held: HeldKeys; version: string }) {
    this.#store = store
    this.#clock = clock
    this.#held = held
    this.#version = version
  }

  static async open(directory: string, issuer: string | null, clock: Clock): Promise<Minter> {
    const store = await KeyStore.open(directory, issuer, clock())
    return new Minter(store, clock, await loadKeys(store))
  }

  /** @throws IdentityError IDENTITY_CLAIM_INVALID: nothing was signed. */
  async mint({ identity, audience, algorithm, lifetimeS }: Omit<MintQuestion, 'type'>): Promise<MintedMessage> {
    const claims = jobClaims(parseIdentity(identity))
    assertAudience(audience)
    assertLifetime(lifetimeS)
    await this.#refresh()
    const { ring, privateKeys } = this.#held
    const { kid } = currentKey(ring, algorithm)
    const nowS = this.#clock()
    const jti = randomUUID()
    const expiresAtS = nowS + lifetimeS
    const key = privateKeys.get(kid)
    if (key === undefined) throw new TypeError('a current key without its private half')
    const token = await new SignJWT({
      ...claims,
      iss: ring.issuer,
      aud: audience,
      jti,
      iat: nowS,
      nbf: nowS - CLOCK_SKEW_S,
      exp: expiresAtS,
    })
      .setProtectedHeader({ alg: algorithm, kid, typ: 'JWT' })
      .sign(key)
    return { token, kid, jti, subject: claims['sub'] ?? '', expiresAtS }
  }

  /** @throws IdentityError IDENTITY_TOO_EARLY: nothing was changed. */
  async rotate(isCompromised: boolean): Promise<KeyRing> {
    return isCompromised ? await this.#store.replaceAll(this.#clock()) : await this.#store.rotate(this.#clock())
  }

  async #refresh(): Promise<void> {
    if (this.#store.version() === this.#version) return
    const { held, version } = await loadKeys(this.#store)
    this.#held = held
    this.#version = version
  }
}

/** The version before the keys: when they change between, the next token sees it. */
async function loadKeys(store: KeyStore): Promise<{ held: HeldKeys; version: string }> {
  const version = store.version()
  const held = await store.load()
  for (const { kid, algorithm } of held.ring.keys) await assertPair(held, kid, algorithm)
  return { held, version }
}

/** A private key under another's name would sign what nobody can verify. */
async function assertPair({ privateKeys }: HeldKeys, kid: string, algorithm: Algorithm): Promise<void> {
  const key = privateKeys.get(kid)
  if (key === undefined) return
  const publicKey = parsePublicJwk(await exportJWK(createPublicKey(key)), algorithm)
  if (publicKey !== null && (await thumbprint(publicKey)) === kid) return
  throw new IdentityError('IDENTITY_DAMAGED', `Cannot use the private key ${kid}: it is another one`)
}

function assertAudience(audience: string): void {
  const flaw = audienceRule(audience)
  if (flaw !== null) throw new IdentityError('IDENTITY_CLAIM_INVALID', `Cannot mint a token for ${quote(audience)}: it is not ${flaw}`)
}

function assertLifetime(lifetimeS: number): void {
  if (Number.isSafeInteger(lifetimeS) && lifetimeS >= LIFETIME_S.min && lifetimeS <= LIFETIME_S.max) return
  throw new IdentityError('IDENTITY_CLAIM_INVALID', `Cannot mint a token that lives ${lifetimeS} s`, {
    hint: `Ask for a whole number of seconds from ${LIFETIME_S.min} to ${LIFETIME_S.max}`,
  })
}
