// SPDX-License-Identifier: Apache-2.0
// age (https://age-encryption.org/v1), by its own library. It is loaded when something is opened.
import type { Decrypter } from 'age-encryption'
import { SecretsError } from '../secrets-error.ts'
import { AgePayload, headerBytesOf } from './age-payload.ts'
import type {} from './browser-types.ts'

const IDENTITY = /^AGE-SECRET-KEY-1[02-9AC-HJ-NP-Z]{58}$/
const IDENTITIES_MAX = 16
/** scrypt takes a second with it. What an attacker tries takes as long, so that a short passphrase falls all the same. */
const PASSPHRASE_BYTES_MIN = 8

/** Opens an age file chunk by chunk, and closes it again for others. Keeps its identities in memory, and cannot wipe them there: the library has copies. */
export class AgeKey {
  /** Of its first identity. */
  readonly recipient: string
  readonly #decrypter: Decrypter

  private constructor(recipient: string, decrypter: Decrypter) {
    this.recipient = recipient
    this.#decrypter = decrypter
  }

  /** `text`: an identity file, as age-keygen writes it. @throws SecretsError SECRET_KEY_INVALID */
  static async parse(text: Uint8Array, whose: string): Promise<AgeKey> {
    const lines = Buffer.from(text.buffer, text.byteOffset, text.byteLength).toString('latin1').split(/\r?\n/)
    const identities = lines.filter((line) => line !== '' && !line.startsWith('#'))
    const [first] = identities
    if (first === undefined || identities.length > IDENTITIES_MAX || !identities.every((line) => IDENTITY.test(line)))
      throw noIdentity(whose)
    const age = await import('age-encryption')
    const decrypter = new age.Decrypter()
    try {
      for (const identity of identities) decrypter.addIdentity(identity)
      return new AgeKey(await age.identityToRecipient(first), decrypter)
    } catch {
      throw noIdentity(whose) // Its words might quote the key
    }
  }

  /** Null where no identity of ours opens it, which an edited header looks like, too. @throws Error for what is no whole age file */
  open(file: Uint8Array): Promise<AgePayload | null> {
    return nullWithoutMatch(async () => new AgePayload(file, await this.#decrypter.decryptHeader(file.subarray(0, headerBytesOf(file)))))
  }
}

export async function generateIdentity(): Promise<string> {
  return (await import('age-encryption')).generateX25519Identity()
}

/** @throws SecretsError SECRET_KEY_INVALID */
export async function sealFor(recipients: readonly string[], plaintext: Uint8Array): Promise<Uint8Array> {
  const age = await import('age-encryption')
  const encrypter = new age.Encrypter()
  for (const recipient of recipients) addRecipient(encrypter, recipient)
  return encrypter.encrypt(plaintext)
}

function addRecipient(encrypter: { addRecipient(recipient: string): void }, recipient: string): void {
  try {
    // Others than X25519 need a newer age than Debian's
    if (!/^age1[02-9ac-hj-np-z]{58}$/.test(recipient)) throw new TypeError('no X25519 recipient')
    encrypter.addRecipient(recipient)
  } catch (cause) {
    throw new SecretsError('SECRET_KEY_INVALID', `Cannot encrypt for "${recipient.slice(0, 100)}": it is no X25519 recipient of age`, {
      cause,
      hint: 'age-keygen -y IDENTITY-FILE prints the recipient of an identity: age1 and 58 characters',
    })
  }
}

/** @throws SecretsError SECRET_KEY_INVALID for a passphrase that protects nothing */
export async function sealWithPassphrase(passphrase: Uint8Array, plaintext: Uint8Array): Promise<Uint8Array> {
  if (passphrase.byteLength < PASSPHRASE_BYTES_MIN)
    throw new SecretsError('SECRET_KEY_INVALID', `Cannot use a passphrase of ${passphrase.byteLength} bytes: it is guessed in no time`, {
      hint: `Take ${PASSPHRASE_BYTES_MIN} characters at the very least; five random words, or 16 random characters, hold`,
    })
  const age = await import('age-encryption')
  const encrypter = new age.Encrypter()
  encrypter.setPassphrase(textOf(passphrase))
  return encrypter.encrypt(plaintext)
}

/** Null for a wrong passphrase, which an edited header looks like, too. @throws Error for what is no whole age file */
export async function openWithPassphrase(passphrase: Uint8Array, file: Uint8Array): Promise<Buffer | null> {
  const age = await import('age-encryption')
  const decrypter = new age.Decrypter()
  decrypter.addPassphrase(textOf(passphrase))
  return nullWithoutMatch(async () => {
    const plaintext = await decrypter.decrypt(file)
    return Buffer.from(plaintext.buffer, plaintext.byteOffset, plaintext.byteLength)
  })
}

async function nullWithoutMatch<T>(open: () => Promise<T>): Promise<T | null> {
  try {
    return await open()
  } catch (error) {
    if (error instanceof Error && error.message.startsWith('no identity matched')) return null
    throw error
  }
}

function textOf(passphrase: Uint8Array): string {
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(passphrase)
}

function noIdentity(whose: string): SecretsError {
  return new SecretsError('SECRET_KEY_INVALID', `Cannot use ${whose}: it holds no identity of age`, {
    hint: 'age-keygen -o FILE makes one; its key is a line of AGE-SECRET-KEY-1 and 58 characters',
  })
}
