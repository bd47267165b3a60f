// SPDX-License-Identifier: Apache-2.0
import { isObject } from '../manifest/parse-json.ts'

/** Written once, at the import. */
export interface ImageRecord {
  readonly version: 1
  readonly digest: string
  /** SHA-256 over all entries of the tree (`hashTree`), hexadecimal. */
  readonly treeHash: string
  readonly bytes: number
  readonly files: number
  readonly importedAt: string
  /** Extended attributes that the layers have, and the tree has not. */
  readonly attributesLeftOut: number
}

/** What changes later. */
export interface ImageState {
  readonly version: 1
  /** Under which names it was pulled last: a name is one image's at a time. */
  readonly references: readonly string[]
  /** `HOST[:PORT]/REPOSITORY` from which all of it has been transferred: who may read its manifest there may have the image. */
  readonly sources: readonly string[]
  readonly verifiedAt: string | null
  /** What the first verification that failed found; no start is allowed any more. */
  readonly damage: readonly string[] | null
}

/** Null for what is none. */
export function parseRecord(value: unknown): ImageRecord | null {
  if (!isObject(value)) return null
  const { version, digest, treeHash, bytes, files, importedAt, attributesLeftOut } = value
  const isRecord =
    version === 1 &&
    typeof digest === 'string' &&
    typeof treeHash === 'string' &&
    /^[0-9a-f]{64}$/.test(treeHash) &&
    isCount(bytes) &&
    isCount(files) &&
    isCount(attributesLeftOut) &&
    isTime(importedAt)
  return isRecord ? { version, digest, treeHash, bytes, files, importedAt, attributesLeftOut } : null
}

/** Null for what is none. */
export function parseState(value: unknown): ImageState | null {
  if (!isObject(value)) return null
  const { version, references, sources, verifiedAt, damage } = value
  if (version !== 1 || !isTexts(references) || !isTexts(sources)) return null
  if ((verifiedAt !== null && !isTime(verifiedAt)) || (damage !== null && !isTexts(damage))) return null
  return { version, references, sources, verifiedAt, damage }
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

function isTime(value: unknown): value is string {
  return typeof value === 'string' && !Number.isNaN(Date.parse(value))
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((text) => typeof text === 'string')
}
