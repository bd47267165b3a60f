// SPDX-License-Identifier: Apache-2.0
import { randomInt } from 'node:crypto'
import { type BigIntStats, closeSync, fstatSync, lstatSync, openSync, readSync } from 'node:fs'
import { dirname } from 'node:path'
import { quote } from '@sallyport/core'
import { ImagesError } from '../images-error.ts'
import { say } from '../layers/entry-path.ts'
import { factsOf, sealOf, treePath, typeOf } from './scan-tree.ts'
import { parseEntry, type SealedEntry } from './tree-entry.ts'

/** Of the list of entries: its beginning, which is the way to everything else, and parts from anywhere, other ones each time. */
const FIRST_BYTES: number = 16 * 1024
const PART_BYTES: number = 4 * 1024
const PARTS = 6

/**
 * That nobody but this user can have reached a directory: each one on the way down to it belongs to root or to this user, nobody else may write there (a sticky directory lets nobody
 * rename what is another's), and nobody else may enter the store. A few calls, whatever the size of the image.
 *
 * @throws ImagesError IMAGE_STORE_UNSAFE
 */
export function assertUnreachable(directory: string): void {
  const own = BigInt(process.geteuid?.() ?? 0)
  for (let path = directory; ; path = dirname(path)) {
    const stat = lstatSync(path, { bigint: true })
    const isOurs = stat.uid === 0n || stat.uid === own
    const mayOthersWrite = (stat.mode & 0o022n) !== 0n && (stat.mode & 0o1000n) === 0n
    const mayOthersEnter = path === directory && (stat.mode & 0o077n) !== 0n
    if (!stat.isDirectory() || !isOurs || mayOthersWrite || mayOthersEnter)
      throw new ImagesError('IMAGE_STORE_UNSAFE', `Cannot trust the images in ${quote(directory)}: others can change ${quote(path)}`, {
        hint: 'Each directory on the way belongs to root and is writable for nobody else, and the last has mode 0700',
      })
    if (path === dirname(path)) return
  }
}

/**
 * Compares a part of a tree with what the kernel said of it at the import: inode, mode, owner, size, and the times of its last change, of which no call sets the second.
 *
 * @returns what differs, or null
 */
export function findChange(root: string, entriesFile: string): string | null {
  const fd = openSync(entriesFile, 'r')
  try {
    const size = fstatSync(fd).size
    const device = lstatSync(dirname(root), { bigint: true }).dev
    const parts = [partOf(fd, 0, FIRST_BYTES)]
    if (size > FIRST_BYTES) for (let part = 0; part < PARTS; part += 1) parts.push(partOf(fd, randomInt(size), PART_BYTES))
    for (const entry of parts.flat()) {
      const change = changeOf(root, entry, device)
      if (change !== null) return change
    }
    return parts[0]?.length === 0 ? 'the list of its entries is empty' : null
  } finally {
    closeSync(fd)
  }
}

/** The whole lines of a part. */
function partOf(fd: number, position: number, length: number): readonly SealedEntry[] {
  const buffer = Buffer.alloc(length)
  const text = buffer.toString('latin1', 0, readSync(fd, buffer, 0, length, position))
  const lines = text.slice(position === 0 ? 0 : text.indexOf('\n') + 1, text.lastIndexOf('\n')).split('\n')
  return lines.map(parseEntry).filter((entry) => entry !== null)
}

function changeOf(root: string, entry: SealedEntry, device: bigint): string | null {
  const name = `/${say(entry.path)}`
  let stat: BigIntStats
  try {
    stat = lstatSync(treePath(root, entry.path), { bigint: true })
  } catch {
    return `${name} is gone`
  }
  if (stat.dev !== device) return `something is mounted at ${name}`
  if (typeOf(stat) !== entry.type) return `${name} is no ${entry.type} any more`
  const { mode, uid, gid, size } = factsOf(stat, entry.type)
  const { inode, mtimeNs, ctimeNs } = sealOf(stat)
  const isSame =
    mode === entry.mode &&
    uid === entry.uid &&
    gid === entry.gid &&
    size === entry.size &&
    inode === entry.inode &&
    mtimeNs === entry.mtimeNs &&
    ctimeNs === entry.ctimeNs
  return isSame ? null : `${name} has been changed`
}
