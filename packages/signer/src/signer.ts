// SPDX-License-Identifier: Apache-2.0
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import {
  ed25519Signer,
  emptyRoot,
  equalHashes,
  formatCheckpoint,
  formatNote,
  formatRotation,
  formatVerifierKey,
  type Growth,
  type NoteSigner,
  type TreeHead,
  verifyConsistency,
} from '@sallyport/audit-log'
import { KeyFiles } from '@sallyport/key-process'
import { lockExclusively, makePrivateDirectory, syncDirectory } from '@sallyport/store'
import type { EpochMessage } from './contract.ts'
import { SignerError } from './signer-error.ts'
import { readSignerState, type SignerState, statePath, writeSignerState } from './signer-state.ts'

/** Its supervisor may have ended just now, and it with it. */
const LOCK_WAIT_MS = 2000

/**
 * The log's key, and its first witness: it remembers the tree before it signs it, and signs nothing that is not proven to grow from
 * what it remembers. Calls must not overlap. After anything but SIGNER_REFUSED was thrown, what stands on the disk is unknown: open again.
 */
export class Signer implements AsyncDisposable {
  readonly #lock: FileHandle
  readonly #directory: string
  readonly #keys: KeyFiles
  #state: SignerState
  #signer: NoteSigner
  /** Of the prepared key. */
  #next: NoteSigner | null
  /** Whether this process has seen the state to the disk: what was found may be the last words of one that crashed. */
  #isDurable = false

  private constructor(directory: string, { lock, state, signer, next }: OpenedState & { readonly lock: FileHandle }) {
    this.#directory = directory
    this.#keys = keyFiles(directory)
    this.#lock = lock
    this.#state = state
    this.#signer = signer
    this.#next = next
  }

  /**
   * The signer of `directory`, which makes its first key there when there is nothing.
   * @throws SignerError SIGNER_LOCKED, SIGNER_DAMAGED
   */
  static async open(directory: string, origin: string): Promise<Signer> {
    await makePrivateDirectory(directory)
    const lock = await lockExclusively(join(directory, 'lock'), LOCK_WAIT_MS)
    if (lock === null)
      throw new SignerError('SIGNER_LOCKED', `Cannot use the keys in "${directory}": another signer does`, {
        hint: 'A log has one signer: end the process that writes to the log, or wait until it is done',
      })
    try {
      return new Signer(directory, { lock, ...(await openState(directory, origin)) })
    } catch (error) {
      await lock.close()
      throw error
    }
  }

  get latest(): TreeHead | null {
    return this.#state.latest
  }

  get epochs(): readonly EpochMessage[] {
    return this.#state.epochs
  }

  /** The signed note. @throws SignerError SIGNER_REFUSED: nothing was signed, nothing is remembered. */
  async sign({ oldSize, proof, head }: Growth): Promise<Uint8Array> {
    assertGrowth(this.#state.latest, { oldSize, proof, head })
    await this.#remember({ ...this.#state, latest: head })
    return this.#checkpoint(head)
  }

  /** The verifier key that the next rotation brings in. Its private half is on the disk before anybody hears of it, and signs nothing yet. */
  async prepare(): Promise<string> {
    if (this.#next === null) {
      const key = generateKey()
      const next = ed25519Signer(this.#state.origin, key)
      await this.#keys.write(`${this.#state.epochs.length + 1}`, key)
      this.#isDurable = false
      await this.#remember({ ...this.#state, next: formatVerifierKey(next.key) })
      this.#next = next
    } else await this.#remember(this.#state)
    return formatVerifierKey(this.#next.key)
  }

  /**
   * The tree that was signed last once more, by the prepared key: no root that was not signed before, so that whoever is shown it learns nothing
   * but whether that key is known. @throws SignerError SIGNER_REFUSED
   */
  async try(): Promise<Uint8Array> {
    const { latest } = this.#state
    if (this.#next === null || latest === null) throw notPrepared()
    await this.#remember(this.#state)
    return this.#checkpoint(latest, this.#next)
  }

  /**
   * From the tree on that was signed last, the prepared key signs (or a new one, where none is). The old one signs that tree once more, which is
   * its seal, and its successor, and is destroyed. `to`: no other key than this one comes in; where it signs already, nothing is left to be done.
   *
   * @throws SignerError SIGNER_REFUSED
   */
  async rotate(to: string | null = null): Promise<void> {
    const number = this.#state.epochs.length + 1
    if (to !== null && to === this.#state.epochs.at(-1)?.verifierKey) return this.#endRotation(number - 1)
    if (to !== null && to !== this.#state.next) throw notPrepared()
    await this.prepare()
    const next = this.#next as NoteSigner
    const latest = this.#state.latest ?? { size: 0, root: emptyRoot() }
    const seal = base64(this.#checkpoint(latest))
    const rotation = base64(rotationNote(this.#state.origin, latest.size, [this.#signer, next]))
    const ended = this.#state.epochs.map((epoch) => (epoch.lastSize === null ? { ...epoch, lastSize: latest.size, seal } : epoch))
    this.#isDurable = false
    const epochs = [...ended, { ...firstEpoch(next), firstSize: latest.size, rotation }]
    await this.#remember({ ...this.#state, latest, epochs, next: null })
    this.#signer = next
    this.#next = null
    await this.#endRotation(number)
  }

  /** The state that names the new key is durable before the old one goes. */
  async #endRotation(number: number): Promise<void> {
    await this.#remember(this.#state)
    await this.#keys.keepOnly(keptKeys(number, this.#state))
  }

  #checkpoint(head: TreeHead, signer = this.#signer): Uint8Array {
    const text = formatCheckpoint({ origin: this.#state.origin, ...head, extensions: [] })
    return formatNote({ text, signatures: [signer.sign(text)] })
  }

  async #remember(state: SignerState): Promise<void> {
    if (this.#isDurable && isSameTree(state.latest, this.#state.latest)) return
    await writeSignerState(statePath(this.#directory), state)
    this.#state = state
    this.#isDurable = true
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lock.close()
  }
}

interface OpenedState {
  readonly state: SignerState
  readonly signer: NoteSigner
  readonly next: NoteSigner | null
}

/** `key-1.pem` and on: one for each epoch, of which only the last one is kept, and the one that is prepared. */
function keyFiles(directory: string): KeyFiles {
  return new KeyFiles(directory, (message) => new SignerError('SIGNER_DAMAGED', message))
}

function generateKey(): KeyObject {
  return generateKeyPairSync('ed25519').privateKey
}

function keptKeys(number: number, { next }: SignerState): string[] {
  return next === null ? [`${number}`] : [`${number}`, `${number + 1}`]
}

async function openState(directory: string, origin: string): Promise<OpenedState> {
  const keys = keyFiles(directory)
  const state = (await readSignerState(statePath(directory))) ?? (await beginState(directory, keys, origin))
  if (state.origin !== origin)
    throw new SignerError('SIGNER_DAMAGED', `Cannot use the keys in "${directory}": they are of the log "${state.origin}", not "${origin}"`)
  const number = state.epochs.length
  const key = await keys.read(`${number}`)
  if (key === null && number === 1 && state.latest === null) return beginAgain(directory, keys, origin)
  const next = state.next === null ? null : await keys.read(`${number + 1}`)
  const signer = signerOf(origin, key, state.epochs.at(-1)?.verifierKey)
  if (signer === null) throw keyMissing(directory, `the private key of today's epoch, ${number}, is not there`)
  const nextSigner = signerOf(origin, next, state.next)
  if (state.next !== null && nextSigner === null)
    throw keyMissing(directory, 'the private key that was prepared for the next epoch is not there')
  await keys.keepOnly(keptKeys(number, state))
  return { state, signer, next: nextSigner }
}

/** Null where there is no key, or another one. */
function signerOf(origin: string, key: KeyObject | null, verifierKey: string | null | undefined): NoteSigner | null {
  const signer = key === null ? null : ed25519Signer(origin, key)
  return signer !== null && formatVerifierKey(signer.key) === verifierKey ? signer : null
}

function keyMissing(directory: string, problem: string): SignerError {
  return new SignerError('SIGNER_DAMAGED', `Cannot use the keys in "${directory}": ${problem}`, {
    hint: 'Restore the directory from a backup; without the key the log cannot go on under this name',
  })
}

/** The public half first: a key without a state is one whose memory was lost, and never signs again. */
async function beginState(directory: string, keys: KeyFiles, origin: string): Promise<SignerState> {
  if (await keys.areAny())
    throw new SignerError('SIGNER_DAMAGED', `Cannot use the keys in "${directory}": what they have signed is not known any more`, {
      hint: 'Restore "signer.json" from a backup that is newer than the last checkpoint, or start a log of another name',
    })
  return (await beginAgain(directory, keys, origin)).state
}

/** Also after a crash between the two files: nothing was ever signed then. */
async function beginAgain(directory: string, keys: KeyFiles, origin: string): Promise<OpenedState> {
  const key = generateKey()
  const signer = ed25519Signer(origin, key)
  const state: SignerState = { origin, latest: null, epochs: [firstEpoch(signer)], next: null }
  await syncDirectory(dirname(resolve(directory))) // Perhaps a process made it that did not come to this.
  await writeSignerState(statePath(directory), state)
  await keys.write('1', key)
  return { state, signer, next: null }
}

function firstEpoch({ key }: NoteSigner): EpochMessage {
  return { verifierKey: formatVerifierKey(key), firstSize: 0, lastSize: null, seal: null, rotation: null }
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}

function assertGrowth(latest: TreeHead | null, { oldSize, proof, head }: Growth): void {
  const remembered = latest?.size ?? 0
  if (oldSize !== remembered) throw refused(`its proof is from ${oldSize} entries, and ${remembered} were signed last`)
  if (head.size < remembered) throw refused(`${head.size} entries are fewer than the ${remembered} that were signed`)
  if (head.size === 0 && !equalHashes(head.root, emptyRoot())) throw refused('that is not the root of an empty tree')
  // From nothing, every tree grows
  const isProven = latest === null || latest.size === 0 ? proof.length === 0 : verifyConsistency({ old: latest, head, proof })
  if (!isProven) throw refused(`${head.size} entries are not proven to begin with the ${remembered} that were signed`)
}

function refused(reason: string): SignerError {
  return new SignerError('SIGNER_REFUSED', `Cannot sign the checkpoint: ${reason}`, {
    hint: 'The log is not the one that was signed before: sallyport audit verify says what is wrong',
  })
}

function notPrepared(): SignerError {
  return new SignerError('SIGNER_REFUSED', 'Cannot change the key of the log: it is not the key that was prepared', {
    hint: 'See which one is: sallyport audit keys',
  })
}

function isSameTree(a: TreeHead | null, b: TreeHead | null): boolean {
  return a?.size === b?.size && Buffer.from(a?.root ?? []).equals(b?.root ?? new Uint8Array())
}

function rotationNote(origin: string, size: number, [old, next]: readonly [NoteSigner, NoteSigner]): Uint8Array {
  const text = formatRotation({ origin, size, oldKey: old.key, newKey: next.key })
  return formatNote({ text, signatures: [old.sign(text), next.sign(text)] })
}
