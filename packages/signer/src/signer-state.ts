// SPDX-License-Identifier: Apache-2.0
import { join } from 'node:path'
import { HASH_BYTES, type TreeHead } from '@sallyport/audit-log'
import { readWhole, writeFileDurably } from '@sallyport/store'
import type { EpochMessage } from './contract.ts'
import { SignerError } from './signer-error.ts'

/** A key every day for some years. */
const STATE_BYTES_MAX = 4 * 2 ** 20

/** What a signer must never forget. */
export interface SignerState {
  readonly origin: string
  /** The tree that was signed last, or would have been but for a crash. */
  readonly latest: TreeHead | null
  /** At least one; the last one is that of today. */
  readonly epochs: readonly EpochMessage[]
  /** Verifier key of the private one that is kept for the next rotation; null: none is prepared. */
  readonly next: string | null
}

/** In the directory of a signer. */
export function statePath(directory: string): string {
  return join(directory, 'signer.json')
}

export async function writeSignerState(path: string, { origin, latest, epochs, next }: SignerState): Promise<void> {
  const head = latest === null ? null : { size: latest.size, root: Buffer.from(latest.root).toString('base64') }
  await writeFileDurably(path, `${JSON.stringify({ origin, latest: head, epochs, next }, null, 2)}\n`, `${path}.new`)
}

/** Null where there is none. @throws SignerError SIGNER_DAMAGED */
export async function readSignerState(path: string): Promise<SignerState | null> {
  const bytes = await readWhole(path, STATE_BYTES_MAX)
  if (bytes === null) return null
  const state = parseSignerState(bytes.toString())
  if (state === null) throw new SignerError('SIGNER_DAMAGED', `Cannot use "${path}": it is not what a signer writes`)
  return state
}

function parseSignerState(text: string): SignerState | null {
  try {
    // A signer before there were prepared keys wrote no `next`
    const { origin, latest, epochs, next = null } = JSON.parse(text) as Record<string, unknown>
    if (typeof origin !== 'string' || !Array.isArray(epochs) || epochs.length === 0 || !epochs.every(isEpoch)) return null
    const head = latest === null ? null : parseHead(latest)
    return head === undefined || !(next === null || typeof next === 'string') ? null : { origin, latest: head, epochs, next }
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return null
    throw error
  }
}

export function isEpoch(value: unknown): value is EpochMessage {
  const { verifierKey, firstSize, lastSize, seal, rotation } = value as Record<string, unknown>
  const isToday = lastSize === null && seal === null
  if (!isSize(firstSize) || !(isToday || (isSize(lastSize) && typeof seal === 'string'))) return false
  return typeof verifierKey === 'string' && (rotation === null || typeof rotation === 'string')
}

/** Undefined when it is no head: as it stands in files and messages. */
export function parseHead(value: unknown): TreeHead | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { size, root } = value as Record<string, unknown>
  const hash = typeof root === 'string' ? parseHashText(root) : undefined
  return isSize(size) && hash !== undefined ? { size, root: hash } : undefined
}

export function parseHashText(text: string): Uint8Array | undefined {
  const bytes = Buffer.from(text, 'base64')
  return bytes.byteLength === HASH_BYTES && bytes.toString('base64') === text ? bytes : undefined
}

export function isSize(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}
