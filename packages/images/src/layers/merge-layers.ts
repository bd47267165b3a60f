// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { ImagesError } from '../images-error.ts'
import type { ImageLimits } from '../limits.ts'
import type { ExpectedEntry } from '../store/tree-entry.ts'
import { type FileNode, ImageTree, type TreeNode } from './image-tree.ts'
import { assertLayerDigest, type LayerFile, readLayer, type UnpackedCount } from './layer-source.ts'
import { TarReader } from './tar-reader.ts'
import { padding, TAR_END, tarHeader } from './tar-writer.ts'

/** First pass: what the layers make. Every byte of them has been hashed, packed and unpacked, when this answers. @throws ImagesError IMAGE_REFUSED */
export async function readTree(layers: readonly LayerFile[], limits: ImageLimits, signal: AbortSignal): Promise<ImageTree> {
  const tree = new ImageTree(limits)
  const count: UnpackedCount = { bytes: 0, bytesMax: limits.unpackedBytesMax }
  for (const layer of layers) {
    await assertLayerDigest(layer, signal)
    tree.beginLayer()
    const reader = new TarReader(readLayer(layer, count, signal))
    for (let entry = await reader.next(); entry !== null; entry = await reader.next()) tree.apply(entry)
  }
  return tree
}

export interface MergedLayer {
  /** What has to be there once it is unpacked. */
  readonly entries: readonly ExpectedEntry[]
  /** Of the archive. */
  readonly digest: string
  readonly bytes: number
}

interface Plan {
  readonly entries: Map<TreeNode, Omit<ExpectedEntry, 'path'>>
  /** Names of each file; the first is written as a file, the others as links to it. */
  readonly names: Map<FileNode, string[]>
  readonly paths: { readonly path: string; readonly node: TreeNode }[]
}

/**
 * Second pass: writes what the layers make as one archive without whiteouts, long names, attributes or anything else that two readers could understand differently: directories first, then links, files, and their
 * other names. What the unpacker gets is of our writing to the last byte but the content of files.
 */
export async function mergeLayers(
  tree: ImageTree,
  layers: readonly LayerFile[],
  out: FileHandle,
  signal: AbortSignal,
): Promise<MergedLayer> {
  const plan = planOf(tree)
  const archive = new Archive(out)
  for (const { path, node } of plan.paths)
    if (node.type === 'directory') await archive.add(tarHeader({ ...written(node, `./${path}${path === '' ? '' : '/'}`), type: '5' }))
  for (const { path, node } of plan.paths)
    if (node.type === 'link') await archive.add(tarHeader({ ...written(node, `./${path}`), type: '2', link: node.target }))
  for (const [number, layer] of layers.entries()) await copyFiles(plan, { layer, number }, archive, signal)
  for (const [node, [first = '', ...others]] of plan.names)
    for (const other of others) await archive.add(tarHeader({ ...written(node, `./${other}`), type: '1', link: `./${first}` }))
  await archive.add(TAR_END)
  await archive.flush()
  const entries = plan.paths.map(({ path, node }) => ({ path, ...expected(plan, node) }))
  return { entries, digest: archive.digest(), bytes: archive.bytes }
}

function planOf(tree: ImageTree): Plan {
  const plan: Plan = { entries: new Map(), names: new Map(), paths: [...tree.walk()] }
  for (const { path, node } of plan.paths) {
    const { mode, uid, gid } = node
    const content = node.type === 'link' ? node.target : ''
    // Nothing sets the mode of a link, and nothing reads it.
    if (!plan.entries.has(node))
      plan.entries.set(node, { type: node.type, mode: node.type === 'link' ? 0o777 : mode, uid, gid, size: sizeOf(node), content })
    if (node.type === 'file') plan.names.set(node, [...(plan.names.get(node) ?? []), path])
  }
  return plan
}

function sizeOf(node: TreeNode): number {
  return node.type === 'file' ? node.size : node.type === 'link' ? node.target.length : 0
}

function written({ mode, uid, gid, mtime }: TreeNode, name: string) {
  return { name, link: '', mode, uid, gid, mtime, size: 0 }
}

function expected(plan: Plan, node: TreeNode): Omit<ExpectedEntry, 'path'> {
  const entry = plan.entries.get(node)
  if (entry === undefined) throw new TypeError('a node without a plan')
  return entry
}

/** The files of one layer that no later one hides. */
async function copyFiles(
  plan: Plan,
  { layer, number }: { readonly layer: LayerFile; readonly number: number },
  archive: Archive,
  signal: AbortSignal,
): Promise<void> {
  const wanted = new Map<number, FileNode>()
  for (const node of plan.names.keys()) if (node.layer === number) wanted.set(node.ordinal, node)
  if (wanted.size === 0) return
  const reader = new TarReader(readLayer(layer, { bytes: 0, bytesMax: Number.MAX_SAFE_INTEGER }, signal))
  for (let entry = await reader.next(); entry !== null; entry = await reader.next()) {
    const node = wanted.get(entry.ordinal)
    if (node === undefined) continue
    const [path = ''] = plan.names.get(node) ?? []
    const hash = createHash('sha256')
    await archive.add(tarHeader({ ...written(node, `./${path}`), type: '0', size: node.size }))
    for await (const part of reader.content()) {
      hash.update(part)
      await archive.add(part)
    }
    await archive.add(padding(node.size))
    plan.entries.set(node, { ...expected(plan, node), content: hash.digest('hex') })
    wanted.delete(entry.ordinal)
  }
  if (wanted.size > 0) throw ImagesError.refused('digest', 'a layer changed while it was read')
}

const FLUSH_BYTES = 2 ** 20

/** A file that is written once, in order, and hashed on the way. */
class Archive {
  readonly #out: FileHandle
  readonly #hash = createHash('sha256')
  #parts: Buffer[] = []
  #pending = 0
  bytes = 0

  constructor(out: FileHandle) {
    this.#out = out
  }

  async add(part: Buffer): Promise<void> {
    if (part.length === 0) return
    // The reader's buffers stay as they are, so that they need no copy.
    this.#parts.push(part)
    this.#pending += part.length
    if (this.#pending >= FLUSH_BYTES) await this.flush()
  }

  async flush(): Promise<void> {
    const bytes = Buffer.concat(this.#parts)
    this.#parts = []
    this.#pending = 0
    this.#hash.update(bytes)
    await this.#out.appendFile(bytes)
    this.bytes += bytes.length
  }

  digest(): string {
    return `sha256:${this.#hash.digest('hex')}`
  }
}
