// SPDX-License-Identifier: Apache-2.0
import { ImagesError, type RefusalReason } from '../images-error.ts'
import { type ImageLimits, OWNER_MAX } from '../limits.ts'
import { entryPath, linkTarget, say } from './entry-path.ts'
import type { TarEntry } from './tar-reader.ts'

interface Attributes {
  mode: number
  uid: number
  gid: number
  mtime: number
}

export interface DirectoryNode extends Attributes {
  readonly type: 'directory'
  readonly children: Map<string, Name>
}

/** A name in a directory. Names of one file (hard links) share its node. */
interface Name {
  readonly node: TreeNode
  /** The last layer that has an entry for it, or for something below it. */
  layer: number
}

export interface FileNode extends Attributes {
  readonly type: 'file'
  readonly size: number
  /** Where its content is: its layer, and the entry there. */
  readonly layer: number
  readonly ordinal: number
}

export interface LinkNode extends Attributes {
  readonly type: 'link'
  readonly target: string
}

export type TreeNode = DirectoryNode | FileNode | LinkNode

/** Where an entry goes. */
interface Slot {
  readonly parent: DirectoryNode
  readonly name: string
}

const WHITEOUT = '.wh.'
const OPAQUE = '.wh..wh..opq'
const IMPLIED = { mode: 0o755, uid: 0, gid: 0, mtime: 0 }
const REGULAR: readonly string[] = ['0', '\0', '7']
/** Of estargz: its table of contents, and marks. */
const STARGZ: readonly string[] = ['stargz.index.json', '.prefetch.landmark', '.no.prefetch.landmark']
const REFUSED_TYPES: Readonly<Record<string, readonly [RefusalReason, string]>> = {
  '3': ['device', 'a character device'],
  '4': ['device', 'a block device'],
  '6': ['device', 'a FIFO'],
  S: ['sparse', 'a sparse file'],
}

/**
 * What an image's layers make, as names and numbers: nothing is unpacked. Entries are applied as the specification says (OCI image-spec 1.1, "Layer"), and refused where it leaves
 * open what they mean, or where they would only make sense to somebody who wants to reach out of the tree.
 */
export class ImageTree {
  readonly root: DirectoryNode = { type: 'directory', children: new Map(), ...IMPLIED }
  readonly #limits: ImageLimits
  #entries = 0
  #attributes = 0
  #layer = -1
  /** Names that this layer's whiteouts have taken away. */
  readonly #whitedOut = new Set<string>()

  constructor(limits: ImageLimits) {
    this.#limits = limits
  }

  /** Extended attributes that were left out: file capabilities, mostly, which have no effect on a file system without set-user-id. */
  get attributesLeftOut(): number {
    return this.#attributes
  }

  beginLayer(): void {
    this.#layer += 1
    this.#whitedOut.clear()
  }

  /** @throws ImagesError IMAGE_REFUSED */
  apply(entry: TarEntry): void {
    this.#count()
    const path = entryPath(entry.name)
    const name = path.at(-1)
    if (path.length === 1 && name !== undefined && STARGZ.includes(name))
      throw ImagesError.refused('estargz', `a layer has an index of its own ("${name}"), by which other readers may see other files`)
    const whiteout = path.findIndex((component) => component.startsWith(WHITEOUT))
    if (whiteout !== -1) return this.#whiteOut(path, whiteout, entry)
    this.#attributes += entry.attributes.length
    if (name === undefined) return this.#applyRoot(entry)
    const slot: Slot = { parent: this.#parent(path), name }
    this.#place(slot, entry)
  }

  /** Every name once, directories before what is in them. */
  *walk(): Generator<{ readonly path: string; readonly node: TreeNode }> {
    const open: { path: string; node: DirectoryNode }[] = [{ path: '', node: this.root }]
    yield { path: '', node: this.root }
    for (let current = open.pop(); current !== undefined; current = open.pop()) {
      for (const [name, { node }] of current.node.children) {
        const path = current.path === '' ? name : `${current.path}/${name}`
        yield { path, node }
        if (node.type === 'directory') open.push({ path, node })
      }
    }
  }

  /** The node at a path that goes through directories only, or null. */
  at(path: string): TreeNode | null {
    let node: TreeNode | undefined = this.root
    for (const name of path.split('/').filter((component) => component !== '')) {
      if (node?.type !== 'directory') return null
      node = node.children.get(name)?.node
    }
    return node ?? null
  }

  #count(): void {
    this.#entries += 1
    if (this.#entries > this.#limits.entriesMax)
      throw ImagesError.refused('entries', `it has more than ${this.#limits.entriesMax} files and directories (entriesMax)`)
  }

  #applyRoot(entry: TarEntry): void {
    if (entry.type !== '5') throw ImagesError.refused('path', 'its root is no directory')
    Object.assign(this.root, attributesOf(entry))
  }

  /** The directory that holds the last component; directories that no layer has named come to be. Never through a link: unpackers follow it, and readers of this tree do not. */
  #parent(path: readonly string[]): DirectoryNode {
    let directory = this.root
    for (const [index, name] of path.slice(0, -1).entries()) {
      const here = path.slice(0, index + 1)
      const next = directory.children.get(name) ?? this.#imply({ parent: directory, name }, here)
      if (next.node.type !== 'directory')
        throw ImagesError.refused('through-link', `"${say(keyOf(path))}" would go through "${say(keyOf(here))}", which is no directory`)
      next.layer = this.#layer
      directory = next.node
    }
    return directory
  }

  #imply({ parent, name }: Slot, path: readonly string[]): Name {
    this.#assertNotWhitedOut(path)
    this.#count()
    const implied: Name = { node: { type: 'directory', children: new Map(), ...IMPLIED }, layer: this.#layer }
    parent.children.set(name, implied)
    return implied
  }

  /** The order of a layer's entries means nothing: it cannot both have a name and take it away. */
  #assertNotWhitedOut(path: readonly string[]): void {
    if (this.#whitedOut.has(keyOf(path))) throw ImagesError.refused('whiteout', `one layer has "${say(keyOf(path))}" and takes it away`)
  }

  #place(slot: Slot, entry: TarEntry): void {
    const { type } = entry
    const path = say(entry.name)
    const refused = Object.hasOwn(REFUSED_TYPES, type) ? REFUSED_TYPES[type] : undefined
    if (refused !== undefined) throw ImagesError.refused(refused[0], `"${path}" is ${refused[1]}`)
    this.#assertNotWhitedOut(entryPath(entry.name))
    if (type === '5') return this.#placeDirectory(slot, entry)
    if (REGULAR.includes(type)) {
      if (entry.name.endsWith('/')) throw ImagesError.refused('malformed', `"${path}" is a file with the name of a directory`)
      return this.#placeNode(
        slot,
        { type: 'file', size: entry.size, layer: this.#layer, ordinal: entry.ordinal, ...attributesOf(entry) },
        path,
      )
    }
    if (type === '2')
      return this.#placeNode(slot, { type: 'link', target: linkTarget(entry.link, entry.name), ...attributesOf(entry) }, path)
    if (type === '1') return this.#placeHardLink(slot, entry, path)
    throw ImagesError.refused('malformed', `"${path}" is of a type that is not known ("${say(type)}")`)
  }

  #placeDirectory({ parent, name }: Slot, entry: TarEntry): void {
    const there = parent.children.get(name)
    if (there?.node.type === 'directory') {
      Object.assign(there.node, attributesOf(entry))
      there.layer = this.#layer
      return
    }
    this.#assertOnce(there, say(entry.name))
    parent.children.set(name, { node: { type: 'directory', children: new Map(), ...attributesOf(entry) }, layer: this.#layer })
  }

  #placeNode({ parent, name }: Slot, node: FileNode | LinkNode, path: string): void {
    this.#assertOnce(parent.children.get(name), path)
    parent.children.set(name, { node, layer: this.#layer })
  }

  #placeHardLink(slot: Slot, entry: TarEntry, path: string): void {
    const target = entryPath(entry.link)
    const node = this.at(target.join('/'))
    if (node?.type !== 'file' || target.length === 0)
      throw ImagesError.refused('hardlink', `"${path}" is another name of "${say(entry.link)}", which is no file of the image`)
    if (slot.parent.children.get(slot.name)?.node === node) throw ImagesError.refused('duplicate', `"${path}" is another name of itself`)
    this.#placeNode(slot, node, path)
  }

  /** Which of two entries counts differs between readers. */
  #assertOnce(there: Name | undefined, path: string): void {
    if (there === undefined || there.layer !== this.#layer) return
    throw ImagesError.refused('duplicate', `one layer has "${path}" twice, or a file and what would be below it`)
  }

  #whiteOut(path: readonly string[], index: number, entry: TarEntry): void {
    const name = path[index] ?? ''
    const isOpaque = name === OPAQUE
    const hidden = name.slice(WHITEOUT.length)
    const isWhiteout = index === path.length - 1 && REGULAR.includes(entry.type) && entry.size === 0
    if (!isWhiteout || (!isOpaque && (hidden === '' || hidden === '.' || hidden === '..' || hidden.startsWith(WHITEOUT))))
      throw ImagesError.refused('whiteout', `"${say(entry.name)}" is no whiteout that the specification knows`)
    const directory = this.#whiteoutParent(path, entry)
    if (isOpaque) return prune(directory, this.#layer)
    const there = directory.children.get(hidden)
    if (there !== undefined && there.layer === this.#layer)
      throw ImagesError.refused('whiteout', `one layer has "${say([...path.slice(0, -1), hidden].join('/'))}" and takes it away`)
    directory.children.delete(hidden)
    this.#whitedOut.add(keyOf([...path.slice(0, -1), hidden]))
  }

  #whiteoutParent(path: readonly string[], entry: TarEntry): DirectoryNode {
    try {
      return this.#parent(path)
    } catch (error) {
      if (!(error instanceof ImagesError) || error.details['reason'] !== 'through-link') throw error
      throw ImagesError.refused('whiteout', `the whiteout "${say(entry.name)}" would go through a link`)
    }
  }
}

/** An opaque directory shows nothing of the layers below its own. */
function prune(directory: DirectoryNode, layer: number): void {
  for (const [name, { node, layer: last }] of directory.children) {
    if (last < layer) directory.children.delete(name)
    else if (node.type === 'directory') prune(node, layer)
  }
}

function keyOf(path: readonly string[]): string {
  return path.join('/')
}

function attributesOf({ name, mode, uid, gid, mtime }: TarEntry): Attributes {
  for (const id of [uid, gid])
    if (id < 0 || id > OWNER_MAX)
      throw ImagesError.refused('owner', `"${say(name)}" belongs to ${id}, and a job has the ids up to ${OWNER_MAX}`)
  return { mode: mode & 0o7777, uid, gid, mtime: Math.max(0, mtime) }
}
