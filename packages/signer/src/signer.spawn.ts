// SPDX-License-Identifier: Apache-2.0
import { spawnKeyProcess } from '@sallyport/key-process'
import { SignerClient } from './client.ts'

/**
 * Starts the process that holds the keys in `directory`, which makes the first one where there is none. It ends with the client, or with
 * this process.
 *
 * @throws SignerError SIGNER_LOCKED, SIGNER_DAMAGED, SIGNER_LOST; StoreError for its files
 */
export async function startSigner(directory: string, origin: string): Promise<SignerClient> {
  const client = new SignerClient(origin, spawnKeyProcess({ beside: import.meta.url, bundled: 'signer.cjs' }, [directory, origin]))
  await client.ready
  return client
}
