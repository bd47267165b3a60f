// SPDX-License-Identifier: Apache-2.0
import type { ArtifactFile } from '../artifact-file.ts'
import { LayoutError } from './layout-error.ts'

export interface TarFile {
  readonly position: number
  readonly size: number
}

const BLOCK_BYTES = 512
const FILES_MAX = 5000
/** Types of ustar (POSIX.1-1988): a regular file in both spellings, and a directory. */
const REGULAR: readonly string[] = ['0', '\0']
const DIRECTORY = '5'

/**
 * Where each file of a tar archive lies. Untrusted: the job wrote it. Nothing is unpacked; what an image layout does not need (links, devices, extended
 * headers, long names) is refused, not skipped, because another reader could see another archive.
 *
 * @throws LayoutError
 */
export async function indexTar(artifact: ArtifactFile): Promise<ReadonlyMap<string, TarFile>> {
  const files = new Map<string, TarFile>()
  for (let position = 0; position + BLOCK_BYTES <= artifact.bytes; ) {
    const header = await artifact.read(position, BLOCK_BYTES)
    // The end: readers stop at the first empty block, so that what follows is nobody's.
    if (header.every((byte) => byte === 0)) return files
    const { name, size, type } = parseHeader(header)
    position += BLOCK_BYTES
    if (position + size > artifact.bytes) throw new LayoutError(`the archive ends within "${name}"`)
    if (REGULAR.includes(type)) {
      if (files.has(name)) throw new LayoutError(`the archive has "${name}" twice`)
      if (files.size >= FILES_MAX) throw new LayoutError(`the archive has more than ${FILES_MAX} files`)
      files.set(name, { position, size })
    } else if (type !== DIRECTORY || size !== 0)
      throw new LayoutError(`the archive has something else than files and directories: "${name}"`)
    position += Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES
  }
  throw new LayoutError('the archive has no end')
}

function parseHeader(header: Buffer): { readonly name: string; readonly size: number; readonly type: string } {
  assertChecksum(header)
  const prefix = header.toString('latin1', 257, 262) === 'ustar' ? textOf(header, 345, 155) : ''
  const name = `${prefix === '' ? '' : `${prefix}/`}${textOf(header, 0, 100)}`.replace(/^\.\//, '')
  if (!/^[A-Za-z0-9._/-]*$/.test(name) || name.startsWith('/') || name.split('/').includes('..'))
    throw new LayoutError('the archive has a name that no image layout has')
  return { name, size: octalOf(header, 124, 12), type: header.toString('latin1', 156, 157) }
}

/** POSIX: the sum of all bytes, those of the checksum taken as spaces. */
function assertChecksum(header: Buffer): void {
  let sum = 0
  for (const [index, byte] of header.entries()) sum += index >= 148 && index < 156 ? 0x20 : byte
  if (sum !== octalOf(header, 148, 8)) throw new LayoutError('it is no tar archive')
}

function textOf(header: Buffer, at: number, length: number): string {
  return header.toString('latin1', at, at + length).split('\0')[0] ?? ''
}

function octalOf(header: Buffer, at: number, length: number): number {
  const text = textOf(header, at, length).trim()
  if (!/^[0-7]{1,12}$/.test(text)) throw new LayoutError('the archive has a number that is none')
  return Number.parseInt(text, 8)
}
