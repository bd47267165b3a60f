// SPDX-License-Identifier: Apache-2.0
import { generateKeyPair, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import { exportJWK } from 'jose'
import type { Algorithm } from '../contract.ts'
import type { FreshKey } from './key-ring.ts'
import { parsePublicJwk, thumbprint } from './public-jwk.ts'

const generate = promisify(generateKeyPair)

/** What every verifier takes; twice as long a key takes five times as long to sign. */
const RSA_BITS = 2048

export interface MadeKey extends FreshKey {
  readonly privateKey: KeyObject
}

export async function makeKey(algorithm: Algorithm): Promise<MadeKey> {
  const { publicKey, privateKey } =
    algorithm === 'RS256' ? await generate('rsa', { modulusLength: RSA_BITS }) : await generate('ed25519', undefined)
  const jwk = parsePublicJwk(await exportJWK(publicKey), algorithm)
  if (jwk === null) throw new TypeError(`a key that is none for ${algorithm}`)
  return { kid: await thumbprint(jwk), algorithm, publicKey: jwk, privateKey }
}
