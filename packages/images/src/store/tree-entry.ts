// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto'

/** One name of a tree, as an image says that it is. */
export interface ExpectedEntry {
  /** Below the root, which is the empty one. Bytes are characters. */
  readonly path: string
  readonly type: 'directory' | 'file' | 'link'
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** Of a link: bytes of its target. Of a directory: 0. */
  readonly size: number
  /** SHA-256 of a file, hexadecimal; target of a link, bytes as characters. */
  readonly content: string
}

/** The same, and by what the kernel would show a change without reading it. */
export interface SealedEntry extends ExpectedEntry {
  readonly inode: string
  readonly mtimeNs: string
  /** No call sets it: whoever writes, changes a mode, an owner or a name, moves it to the present. */
  readonly ctimeNs: string
}

const LETTERS = { directory: 'd', file: 'f', link: 'l' } as const
const TYPES: Readonly<Record<string, ExpectedEntry['type']>> = { d: 'directory', f: 'file', l: 'link' }

/** Directories first, from the root down, so that the beginning of the list is the way to everything else; then by name. */
export function sortEntries<Entry extends ExpectedEntry>(entries: readonly Entry[]): readonly Entry[] {
  const depthOf = ({ type, path }: Entry): number =>
    type === 'directory' ? (path === '' ? 0 : path.split('/').length) : Number.POSITIVE_INFINITY
  const keyed = entries.map((entry) => ({ entry, depth: depthOf(entry) }))
  keyed.sort((a, b) => (a.depth === b.depth ? compare(a.entry.path, b.entry.path) : a.depth < b.depth ? -1 : 1))
  return keyed.map(({ entry }) => entry)
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** Neither paths nor targets have control characters (`entryPath`, `linkTarget`). */
export function formatEntry({ path, type, mode, uid, gid, size, content, inode, mtimeNs, ctimeNs }: SealedEntry): string {
  return `${LETTERS[type]}\t${mode.toString(8)}\t${uid}\t${gid}\t${size}\t${content}\t${inode}\t${mtimeNs}\t${ctimeNs}\t${path}\n`
}

/** Null for what is no line of such a list. */
export function parseEntry(line: string): SealedEntry | null {
  const [letter = '', mode = '', uid = '', gid = '', size = '', content = '', inode = '', mtimeNs = '', ctimeNs = '', path, ...more] =
    line.split('\t')
  const type = TYPES[letter]
  if (type === undefined || path === undefined || more.length > 0) return null
  return {
    path,
    type,
    mode: Number.parseInt(mode, 8),
    uid: Number(uid),
    gid: Number(gid),
    size: Number(size),
    content,
    inode,
    mtimeNs,
    ctimeNs,
  }
}

/** SHA-256 over a sorted list, without what belongs to one disk. */
export function hashTree(entries: readonly ExpectedEntry[]): string {
  const hash = createHash('sha256')
  for (const { path, type, mode, uid, gid, size, content } of entries)
    hash.update(`${LETTERS[type]}\t${mode.toString(8)}\t${uid}\t${gid}\t${size}\t${content}\t${path}\n`, 'latin1')
  return hash.digest('hex')
}
