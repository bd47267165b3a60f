// SPDX-License-Identifier: Apache-2.0
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { writeFileDurably } from '@sallyport/store'
import type { StoredImage } from '../contract.ts'
import { ImagesError } from '../images-error.ts'
import { type ImageLimits, MANIFEST_BYTES_MAX } from '../limits.ts'
import { parseImageConfig } from '../manifest/image-config.ts'
import { parseManifest } from '../manifest/manifest.ts'
import { digestOf } from '../manifest/parse-json.ts'
import { CONFIG, ENTRIES, MANIFEST, RECORD, STATE, TREE } from './image-files.ts'
import { type ImageRecord, type ImageState, parseRecord, parseState } from './record.ts'
import { hashTree, parseEntry, type SealedEntry } from './tree-entry.ts'

export interface OpenedImage {
  readonly directory: string
  readonly record: ImageRecord
  readonly state: ImageState
  readonly image: StoredImage
}

/** Null where there is none. What its configuration says is proven by its digest, each time. @throws ImagesError IMAGE_TAMPERED */
export function openImage(directory: string, digest: string, limits: ImageLimits): OpenedImage | null {
  const manifestBytes = readFileOrNull(join(directory, MANIFEST))
  if (manifestBytes === null && readFileOrNull(join(directory, RECORD)) === null) return null
  const record = parseRecord(parse(readFileOrNull(join(directory, RECORD))))
  const state = parseState(parse(readFileOrNull(join(directory, STATE))))
  const configBytes = readFileOrNull(join(directory, CONFIG))
  if (record === null || state === null || manifestBytes === null || configBytes === null || record.digest !== digest)
    throw tampered(digest, 'its record is not one that was written here')
  if (digestOf(manifestBytes) !== digest) throw tampered(digest, 'its manifest has been changed')
  const manifest = parseManifest(manifestBytes, limits)
  if (manifest.kind !== 'manifest' || digestOf(configBytes) !== manifest.config.digest)
    throw tampered(digest, 'its config has been changed')
  const { config } = parseImageConfig(configBytes, manifest.layers.length)
  const { bytes, files, importedAt } = record
  const reference = state.references[0] ?? digest
  const image = { reference, digest, root: join(directory, TREE), config, bytes, files, importedAt, verifiedAt: state.verifiedAt }
  return { directory, record, state, image }
}

/** @throws ImagesError IMAGE_TAMPERED */
export async function readEntries({ directory, record }: OpenedImage): Promise<readonly SealedEntry[]> {
  const lines = (await readFile(join(directory, ENTRIES), 'latin1')).split('\n').filter((line) => line !== '')
  const entries = lines.map(parseEntry).filter((entry) => entry !== null)
  if (entries.length !== lines.length || hashTree(entries) !== record.treeHash)
    throw tampered(record.digest, 'the list of its entries is not the one of its import')
  return entries
}

/** Under the lock of states. */
export async function writeState({ directory }: Pick<OpenedImage, 'directory'>, state: ImageState): Promise<void> {
  await writeFileDurably(join(directory, STATE), `${JSON.stringify(state)}\n`)
}

export function tampered(digest: string, why: string): ImagesError {
  return new ImagesError('IMAGE_TAMPERED', `The image ${digest} is not what was imported: ${why}`, {
    details: { digest },
    hint: 'No job starts on it. Keep what you want to look at; "sallyport image verify" lists what differs, "sallyport image gc" removes it, and the next pull brings it anew',
  })
}

function parse(bytes: Buffer | null): unknown {
  try {
    return bytes === null ? null : JSON.parse(bytes.toString())
  } catch {
    return null // As if it were not there: the caller says so.
  }
}

function readFileOrNull(path: string): Buffer | null {
  let fd: number
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw new ImagesError('IMAGE_STORE_FAILED', `Cannot read "${path}"`, { cause: error })
  }
  try {
    const { size } = fstatSync(fd)
    if (size > MANIFEST_BYTES_MAX) return Buffer.alloc(0)
    const bytes = Buffer.alloc(size)
    return bytes.subarray(0, readSync(fd, bytes, 0, size, 0))
  } finally {
    closeSync(fd)
  }
}
