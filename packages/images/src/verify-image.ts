// SPDX-License-Identifier: Apache-2.0
import { join } from 'node:path'
import { writeFileDurably } from '@sallyport/store'
import type { ImageVerification } from './contract.ts'
import { compareTree } from './store/compare-tree.ts'
import { type OpenedImage, readEntries } from './store/image-directory.ts'
import { ENTRIES } from './store/image-files.ts'
import type { ImageState } from './store/record.ts'
import { formatEntry, type SealedEntry, sortEntries } from './store/tree-entry.ts'

export interface VerifySettings {
  readonly signal: AbortSignal
  /** Replaces the state, under its lock. */
  readonly change: (next: (state: ImageState) => ImageState) => Promise<void>
}

/** Reads all of a tree; what it found stays on record. @throws ImagesError IMAGE_TAMPERED when what it compares with is not what was written */
export async function verifyImage(opened: OpenedImage, { signal, change }: VerifySettings): Promise<ImageVerification> {
  const startedMs = performance.now()
  const expected = await readEntries(opened)
  const { differences, seen } = await compareTree(opened.image.root, expected, signal)
  const isIntact = differences.length === 0
  const verifiedAt = new Date().toISOString()
  // Every byte is as imported: then so is a copy on another disk, and a start may go by what the kernel says of that one.
  if (isIntact) await sealAnew(opened, expected, seen)
  await change((state) => (isIntact ? { ...state, verifiedAt, damage: null } : { ...state, damage: differences }))
  const { digest, bytes, files } = opened.image
  return { digest, isIntact, differences, bytes, files, verifiedAt, durationMs: Math.round(performance.now() - startedMs) }
}

async function sealAnew({ directory }: OpenedImage, before: readonly SealedEntry[], seen: readonly SealedEntry[]): Promise<void> {
  const lines = (entries: readonly SealedEntry[]): Buffer => Buffer.from(entries.map(formatEntry).join(''), 'latin1')
  const now = lines(sortEntries(seen))
  if (!now.equals(lines(before))) await writeFileDurably(join(directory, ENTRIES), now)
}
