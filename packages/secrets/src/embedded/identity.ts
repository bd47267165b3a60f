// SPDX-License-Identifier: Apache-2.0
import { readFile } from 'node:fs/promises'
import { openFile, readWhole, StoreError, writeFileDurably } from '@sallyport/store'
import { SecretsError } from '../secrets-error.ts'
import { AgeKey, generateIdentity, openWithPassphrase, sealWithPassphrase } from './age-key.ts'
import type { StorePlaces } from './store-places.ts'

const IDENTITY_BYTES_MAX = 16 * 1024

/** What opens a store. Bytes are wiped by whoever made them. */
export type Unlock =
  /** The identity that lies beside the store. */
  | { readonly kind: 'own' }
  /** The passphrase of the identity that lies beside the store. */
  | { readonly kind: 'passphrase'; readonly passphrase: Uint8Array }
  /** An identity file somewhere else, absolute. */
  | { readonly kind: 'file'; readonly path: string }
  /** The text of an identity file, e.g. out of a descriptor. */
  | { readonly kind: 'identity'; readonly text: Uint8Array }

/** How the identity beside a store is kept: as it is, under a passphrase, or somewhere else. */
export async function ownIdentityKind({ identity, sealedIdentity }: StorePlaces): Promise<'plain' | 'sealed' | 'elsewhere'> {
  if ((await readWhole(identity, IDENTITY_BYTES_MAX)) !== null) return 'plain'
  return (await readWhole(sealedIdentity, IDENTITY_BYTES_MAX)) === null ? 'elsewhere' : 'sealed'
}

/** @throws SecretsError SECRET_KEY_UNSAFE, SECRET_KEY_INVALID, SECRET_STORE_WRONG_KEY */
export async function unlockKey(places: StorePlaces, unlock: Unlock): Promise<AgeKey> {
  switch (unlock.kind) {
    case 'identity':
      return AgeKey.parse(unlock.text, 'the identity that was given')
    case 'file':
      return keyOf(await readPrivate(unlock.path), unlock.path)
    case 'passphrase':
      return openSealed(places.sealedIdentity, unlock.passphrase)
    case 'own':
      return keyOf(await readPrivate(places.identity), places.identity)
  }
}

/** Makes the identity of a new store and its file. One that is there already, because an earlier attempt ended here, is used. */
export async function makeIdentity(places: StorePlaces, passphrase: Uint8Array | null): Promise<AgeKey> {
  const kind = await ownIdentityKind(places)
  if (kind === 'elsewhere') {
    const identity = Buffer.from(`# An identity of age: whoever has it can read store.age\n${await generateIdentity()}\n`)
    if (passphrase === null) await writeFileDurably(places.identity, identity)
    else await writeFileDurably(places.sealedIdentity, await sealWithPassphrase(passphrase, identity))
    identity.fill(0)
  }
  return unlockKey(places, passphrase === null ? { kind: 'own' } : { kind: 'passphrase', passphrase })
}

async function keyOf(text: Buffer, path: string): Promise<AgeKey> {
  try {
    return await AgeKey.parse(text, `"${path}"`)
  } finally {
    text.fill(0)
  }
}

async function openSealed(path: string, passphrase: Uint8Array): Promise<AgeKey> {
  const sealed = await readPrivate(path)
  const text = await openWithPassphrase(passphrase, sealed).catch((cause: unknown) => {
    throw new SecretsError('SECRET_STORE_DAMAGED', `Cannot use "${path}": it is not a whole age file`, {
      cause,
      hint: 'Bring its copy back: without it nobody can open the store',
    })
  })
  if (text !== null) return keyOf(text, path)
  throw new SecretsError('SECRET_STORE_WRONG_KEY', `Cannot open "${path}": the passphrase is another one, or its head was edited`)
}

/** A file that nobody else can read. @throws SecretsError SECRET_KEY_UNSAFE, SECRET_STORE_WRONG_KEY */
async function readPrivate(path: string): Promise<Buffer> {
  try {
    await using handle = await openFile(path)
    const { uid, mode, size } = await handle.stat()
    const owner = process.geteuid?.() ?? uid
    if ((uid !== owner && uid !== 0) || (mode & 0o077) !== 0) throw unsafe(path, mode)
    if (size > IDENTITY_BYTES_MAX) throw new SecretsError('SECRET_KEY_INVALID', `Cannot use "${path}": ${size} bytes are no identity`)
    return await readFile(handle)
  } catch (error) {
    if (error instanceof SecretsError) throw error
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw StoreError.from(`Cannot read "${path}"`, error)
    throw new SecretsError('SECRET_STORE_WRONG_KEY', `Cannot open the store: there is no identity in "${path}"`, {
      hint: 'Name it, where it is kept elsewhere: --identity FILE, --identity-fd N; or its passphrase: --passphrase-fd N',
    })
  }
}

function unsafe(path: string, mode: number): SecretsError {
  return new SecretsError(
    'SECRET_KEY_UNSAFE',
    `Cannot use the identity in "${path}": with mode ${(mode & 0o777).toString(8)}, or with its owner, others can read it`,
    { hint: `Others may have read it: chmod 600 "${path}", and where they were there, replace the secrets of the store` },
  )
}
