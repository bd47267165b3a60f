// SPDX-License-Identifier: Apache-2.0
import { mkdir, open, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { syncDirectory } from '@sallyport/store'
import { ImagesError } from './images-error.ts'
import { assertUser, assertWorkingDirectory } from './layers/image-users.ts'
import type { LayerFile } from './layers/layer-source.ts'
import { type MergedLayer, mergeLayers, readTree } from './layers/merge-layers.ts'
import { type ImageLimits, MANIFEST_BYTES_MAX } from './limits.ts'
import { type ParsedConfig, parseImageConfig } from './manifest/image-config.ts'
import { assertDigest } from './manifest/parse-json.ts'
import { readSmall } from './source/read-small.ts'
import type { ResolvedImage } from './source/resolved-image.ts'
import { compareTree } from './store/compare-tree.ts'
import { CONFIG, ENTRIES, MANIFEST, RECORD, STATE, TREE, USE } from './store/image-files.ts'
import type { ImageRecord, ImageState } from './store/record.ts'
import { formatEntry, hashTree, sortEntries } from './store/tree-entry.ts'
import { syncFileSystem } from './tools/sync.spawn.ts'
import { blobDirectory, unpackMerged } from './tools/umoci.ts'

export interface ImportSettings {
  readonly limits: ImageLimits
  /** Empty, for this import alone, on the file system of the store. */
  readonly workDirectory: string
  /** Where the image is to be. */
  readonly target: string
  readonly state: ImageState
  readonly signal: AbortSignal
  readonly say: (text: string) => void
}

/** Blobs of an image that are here, each of which has been compared with its digest. */
export interface VerifiedBlobs extends ParsedConfig {
  readonly configBytes: Buffer
  readonly layers: readonly LayerFile[]
}

/** The config, compared; and where the layers are. @throws ImagesError IMAGE_REFUSED */
export async function openBlobs({ manifest }: Pick<ResolvedImage, 'manifest'>, pathOf: (digest: string) => string): Promise<VerifiedBlobs> {
  const configBytes = await readSmall(pathOf(manifest.config.digest), MANIFEST_BYTES_MAX)
  assertDigest(configBytes, manifest.config.digest, 'its config')
  const parsed = parseImageConfig(configBytes, manifest.layers.length)
  const layers = manifest.layers.map((descriptor, index) => ({
    path: pathOf(descriptor.digest),
    descriptor,
    diffId: parsed.diffIds[index] ?? '',
  }))
  return { ...parsed, configBytes, layers }
}

/**
 * Makes an image of its blobs: judged whole before anything is unpacked, unpacked by a program that sees an archive of our writing, compared with what the layers say, made durable, and
 * then there by one rename.
 *
 * @throws ImagesError
 */
export async function importImage(resolved: ResolvedImage, blobs: VerifiedBlobs, settings: ImportSettings): Promise<void> {
  const { limits, workDirectory, target, signal, say } = settings
  say('reading the layers')
  const tree = await readTree(blobs.layers, limits, signal)
  assertWorkingDirectory(blobs.config.workingDir, tree)
  await mkdir(blobDirectory(workDirectory), { recursive: true, mode: 0o700 })
  const merged = await writeMerged(workDirectory, (out) => mergeLayers(tree, blobs.layers, out, signal))
  say(`unpacking ${merged.entries.length} files and directories`)
  const unpacked = await unpackMerged(workDirectory, merged, merged.bytes + MANIFEST_BYTES_MAX, signal)
  say('comparing them with the layers')
  await assertUser(blobs.config.user, tree, unpacked)
  const image = join(workDirectory, 'image')
  await mkdir(image, { mode: 0o700 })
  await rename(unpacked, join(image, TREE))
  const record = await sealTree(join(image, TREE), merged, resolved.digest, signal)
  await writeFile(join(image, MANIFEST), resolved.bytes, { mode: 0o600 })
  await writeFile(join(image, CONFIG), blobs.configBytes, { mode: 0o600 })
  await writeFile(join(image, RECORD), `${JSON.stringify({ ...record, attributesLeftOut: tree.attributesLeftOut })}\n`, { mode: 0o600 })
  await writeFile(join(image, STATE), `${JSON.stringify(settings.state)}\n`, { mode: 0o600 })
  await writeFile(join(image, USE), '', { mode: 0o600 })
  await rm(join(workDirectory, 'layout'), { recursive: true })
  await syncFileSystem(image)
  signal.throwIfAborted()
  await rename(image, target)
  await syncDirectory(join(target, '..'))
}

async function writeMerged(
  workDirectory: string,
  write: (out: Awaited<ReturnType<typeof open>>) => Promise<MergedLayer>,
): Promise<MergedLayer> {
  const path = join(blobDirectory(workDirectory), 'merged')
  const out = await open(path, 'wx', 0o600)
  const merged = await write(out).finally(() => out.close())
  await rename(path, join(blobDirectory(workDirectory), merged.digest.slice('sha256:'.length)))
  return merged
}

/** Reads every byte of the new tree, and keeps what the kernel says of each entry. */
async function sealTree(
  root: string,
  { entries }: MergedLayer,
  digest: string,
  signal: AbortSignal,
): Promise<Omit<ImageRecord, 'attributesLeftOut'>> {
  const { differences, seen } = await compareTree(root, entries, signal)
  if (differences.length > 0)
    throw new ImagesError('IMAGE_STORE_FAILED', `What was unpacked is not what the layers say: ${differences.slice(0, 3).join('; ')}`, {
      details: { differences },
      hint: 'This is a fault of Sallyport, of umoci or of the disk; please report it with the reference of the image',
    })
  const sorted = sortEntries(seen)
  await writeFile(join(root, '..', ENTRIES), Buffer.from(sorted.map(formatEntry).join(''), 'latin1'), { mode: 0o600 })
  return {
    version: 1,
    digest,
    treeHash: hashTree(sorted),
    bytes: sumOfFiles(sorted),
    files: sorted.length,
    importedAt: new Date().toISOString(),
  }
}

/** Names of one file count once. */
function sumOfFiles(entries: ReturnType<typeof sortEntries<Parameters<typeof formatEntry>[0]>>): number {
  const sizes = new Map(entries.filter(({ type }) => type === 'file').map(({ inode, size }) => [inode, size]))
  return [...sizes.values()].reduce((sum, size) => sum + size, 0)
}
