// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto'
import { type BigIntStats, closeSync, constants, fstatSync, lstatSync, openSync, readdirSync, readlinkSync, readSync } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import type { ExpectedEntry, SealedEntry } from './tree-entry.ts'

const PART_BYTES = 2 ** 20
/** Between two looks at what else there is to do. */
const BREATH_BYTES: number = 32 * 2 ** 20
const BREATH_ENTRIES = 500

/** Something that is neither a directory, a file nor a link: no image brings it. */
export interface StrangeEntry {
  readonly path: string
  readonly type: 'other'
}

/** A path in a tree, for calls of the kernel: names are bytes. */
export function treePath(root: string, path: string): Buffer {
  return Buffer.concat([Buffer.from(root), Buffer.from(path === '' ? '' : `/${path}`, 'latin1')])
}

/** Reads a whole tree that nobody but root can reach. Directories before what is in them. */
export async function* scanTree(root: string, signal: AbortSignal): AsyncGenerator<SealedEntry | StrangeEntry> {
  const reader = new ContentReader(signal)
  const open = ['']
  yield await readEntry(root, '', reader)
  let entries = 0
  for (let directory = open.pop(); directory !== undefined; directory = open.pop()) {
    for (const name of readdirSync(treePath(root, directory), { encoding: 'latin1' })) {
      entries += 1
      if (entries % BREATH_ENTRIES === 0) await breathe(signal)
      const path = directory === '' ? name : `${directory}/${name}`
      const entry = await readEntry(root, path, reader)
      yield entry
      if (entry.type === 'directory') open.push(path)
    }
  }
}

async function readEntry(root: string, path: string, reader: ContentReader): Promise<SealedEntry | StrangeEntry> {
  const place = treePath(root, path)
  const stat = lstatSync(place, { bigint: true })
  const type = typeOf(stat)
  if (type === null) return { path, type: 'other' }
  const content = type === 'file' ? await reader.hash(place) : type === 'link' ? readlinkSync(place, { encoding: 'latin1' }) : ''
  return { path, type, ...factsOf(stat, type), content, ...sealOf(stat) }
}

export function typeOf(stat: BigIntStats): ExpectedEntry['type'] | null {
  return stat.isDirectory() ? 'directory' : stat.isFile() ? 'file' : stat.isSymbolicLink() ? 'link' : null
}

export function factsOf(stat: BigIntStats, type: ExpectedEntry['type']): Pick<ExpectedEntry, 'mode' | 'uid' | 'gid' | 'size'> {
  return {
    mode: Number(stat.mode & 0o7777n),
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    size: type === 'directory' ? 0 : Number(stat.size),
  }
}

export function sealOf(stat: BigIntStats): Pick<SealedEntry, 'inode' | 'mtimeNs' | 'ctimeNs'> {
  return { inode: String(stat.ino), mtimeNs: String(stat.mtimeNs), ctimeNs: String(stat.ctimeNs) }
}

class ContentReader {
  readonly #signal: AbortSignal
  readonly #buffer = Buffer.allocUnsafe(PART_BYTES)
  #since = 0

  constructor(signal: AbortSignal) {
    this.#signal = signal
  }

  /** Hexadecimal. What is no regular file any more is not waited for, and has no hash. */
  async hash(path: Buffer): Promise<string> {
    const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    try {
      if (!fstatSync(fd).isFile()) return ''
      const hash = createHash('sha256')
      for (;;) {
        const bytes = readSync(fd, this.#buffer, 0, PART_BYTES, null)
        if (bytes === 0) return hash.digest('hex')
        hash.update(this.#buffer.subarray(0, bytes))
        this.#since += bytes
        if (this.#since >= BREATH_BYTES) {
          this.#since = 0
          await breathe(this.#signal)
        }
      }
    } finally {
      closeSync(fd)
    }
  }
}

async function breathe(signal: AbortSignal): Promise<void> {
  await setImmediate()
  signal.throwIfAborted()
}
