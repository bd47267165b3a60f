// SPDX-License-Identifier: Apache-2.0
import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { join } from 'node:path'
import { type Cosigner, cosignatureSigner, formatVerifierKey } from '@sallyport/audit-log'
import { readWhole, writeFileDurably } from '@sallyport/store'
import { WitnessError } from '../witness-error.ts'

const FILE_BYTES_MAX = 4096

/**
 * The witness's key in `directory` (`key.pem`, for its owner only), which is made where there is none; `key.pub` has the verifier key
 * to give to logs. `name` is part of that key, and stays.
 *
 * @throws WitnessError WITNESS_DAMAGED for another name, or a public key without its private one
 */
export async function openWitnessKey(directory: string, name: string): Promise<Cosigner> {
  const [pem, pub] = [join(directory, 'key.pem'), join(directory, 'key.pub')]
  const known = await readWhole(pub, FILE_BYTES_MAX)
  const cosigner = cosignatureSigner(name, (await readKey(pem)) ?? (await makeKey(pem, known !== null)))
  const line = `${formatVerifierKey(cosigner.key)}\n`
  if (known === null) await writeFileDurably(pub, line)
  else if (known.toString() !== line) throw damaged(pub, 'it is not the verifier key of "key.pem" and this name')
  return cosigner
}

async function readKey(path: string): Promise<KeyObject | null> {
  const pem = await readWhole(path, FILE_BYTES_MAX)
  try {
    return pem === null ? null : createPrivateKey(pem)
  } catch {
    // Its words might quote the key
    throw damaged(path, 'it is no private key')
  }
}

async function makeKey(path: string, wasThere: boolean): Promise<KeyObject> {
  if (wasThere) throw damaged(path, 'the private key is gone, and logs trust its public key')
  const { privateKey } = generateKeyPairSync('ed25519')
  await writeFileDurably(path, privateKey.export({ type: 'pkcs8', format: 'pem' }) as string)
  return privateKey
}

function damaged(path: string, problem: string): WitnessError {
  return new WitnessError('WITNESS_DAMAGED', `Cannot use "${path}": ${problem}`, {
    hint: 'Restore the directory from a backup, or begin a new witness in an empty one, under another name',
  })
}
