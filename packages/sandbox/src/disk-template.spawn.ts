// SPDX-License-Identifier: Apache-2.0
import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, open, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { messageOf } from '@sallyport/core'
import { SandboxError } from './sandbox-error.ts'

/** Raise when the options below change, so that an older template is not used. */
const FORMAT = 3

/**
 * An empty ext4 file system of the given size and inode count, made once per size and then copied (sparse, some 100 KiB) for each
 * job. A file system of its own is what limits bytes and inodes at once, on any host: quotas would need the host's file system
 * to be prepared for them.
 */
export async function prepareDiskTemplate(directory: string, bytes: number, inodes: number): Promise<string> {
  const path = templatePath(directory, bytes, inodes)
  if (existsSync(path)) return path
  await mkdir(directory, { recursive: true, mode: 0o700 })
  // Several jobs, or supervisors, may make the same one at the same time: each its own, and the last rename wins.
  const partial = `${path}.${randomUUID()}.partial`
  try {
    const file = await open(partial, 'wx', 0o600)
    await file.truncate(bytes)
    await file.close()
    await format(partial, inodes)
    await rename(partial, path)
  } catch (error) {
    await rm(partial, { force: true })
    throw new SandboxError('SANDBOX_FAILED', `Cannot make a disk of ${bytes} bytes and ${inodes} inodes: ${messageOf(error)}`, {
      cause: error,
      hint: 'mke2fs comes with the package e2fsprogs; the state directory needs free space',
    })
  }
  return path
}

/** Where there is no file the tool has defaults of its own, the same on every host; with an empty one it has none, and makes an ext2. */
const NO_CONFIGURATION = '/nonexistent'

/** The template if it is there: looked up without waiting, since the keeper is started with the answer before anything else is loaded. */
export function findDiskTemplate(directory: string, bytes: number, inodes: number): string | null {
  const path = templatePath(directory, bytes, inodes)
  return existsSync(path) ? path : null
}

function templatePath(directory: string, bytes: number, inodes: number): string {
  return join(directory, `${bytes}-${inodes}-${FORMAT}.ext4`)
}

async function format(path: string, inodes: number): Promise<void> {
  // No journal and no copies of the superblock: the disk never outlives its job. Inode tables are never written: the whole is some 100 KiB, copied per job.
  const options = [
    '-q',
    '-F',
    '-t',
    'ext4',
    '-b',
    '4096',
    '-m',
    '0',
    // The default of 128 bytes has no room for fractions of a second: what changed within one would look unchanged, to us and to make.
    '-I',
    '256',
    '-N',
    String(inodes),
    '-O',
    '^has_journal,^resize_inode,sparse_super2',
    '-E',
    'lazy_itable_init=1,nodiscard,num_backup_sb=0,packed_meta_blocks=1',
  ]
  await promisify(execFile)('mke2fs', [...options, path], {
    env: { PATH: '/usr/sbin:/sbin:/usr/bin:/bin', MKE2FS_CONFIG: NO_CONFIGURATION },
  })
}
