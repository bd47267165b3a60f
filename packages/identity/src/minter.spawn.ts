// SPDX-License-Identifier: Apache-2.0
import { spawnKeyProcess } from '@sallyport/key-process'
import { MinterClient } from './minter/client.ts'

/**
 * Starts a process that signs with the keys in `directory`, and makes the first ones where there are none (about a second). Any number of them may
 * use a directory. It ends with the client, or with this process. `issuer` may be null where there are keys.
 *
 * @throws IdentityError IDENTITY_ISSUER, IDENTITY_LOCKED, IDENTITY_DAMAGED, IDENTITY_LOST; StoreError for its files
 */
export async function startMinter(directory: string, issuer: string | null): Promise<MinterClient> {
  const args = issuer === null ? [directory] : [directory, issuer]
  const client = new MinterClient(spawnKeyProcess({ beside: import.meta.url, bundled: 'minter.cjs' }, args))
  await client.ready
  return client
}
