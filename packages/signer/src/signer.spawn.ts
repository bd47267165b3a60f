// SPDX-License-Identifier: Apache-2.0
import { spawn } from 'node:child_process'
import type { Duplex } from 'node:stream'
import { SignerClient } from './client.ts'
import { signerArgv } from './program.ts'

/**
 * Starts the process that holds the keys in `directory`, which makes the first one where there is none. It ends with the client, or with
 * this process.
 *
 * @throws SignerError SIGNER_LOCKED, SIGNER_DAMAGED, SIGNER_LOST; StoreError for its files
 */
export async function startSigner(directory: string, origin: string): Promise<SignerClient> {
  const [program = '', ...args] = signerArgv(directory, origin)
  // A group of its own: what interrupts the supervisor must not end it before the last checkpoint. Its words come over the socket.
  const child = spawn(program, args, { env: {}, stdio: ['ignore', 'ignore', 'ignore', 'pipe'], detached: true })
  const socket = child.stdio[3] as Duplex
  const client = new SignerClient(origin, socket)
  child.on('error', (error) => socket.destroy(error))
  child.unref()
  await client.ready
  return client
}
