// SPDX-License-Identifier: Apache-2.0
import type { Stats } from 'node:fs'
import { lstat, realpath } from 'node:fs/promises'
import { dirname, isAbsolute, join, relative } from 'node:path'
import { messageOf } from '@sallyport/core'
import { readOuterNamespace } from '@sallyport/linux'
import { AgentError } from '../agent-error.ts'
import { readPlainFile } from './plain-file.ts'

export interface Source {
  /** As messages name it: from the repository's root where it lies in it. */
  readonly name: string
  /** Absolute. */
  readonly path: string
  readonly text: string
}

export const ACCESS_FILE = 'sallyport.yml'
export const OPERATOR_FILE = '/etc/sallyport/config.yml'
/** Thousands of rules; a person has to read them. */
export const FILE_BYTES_MAX: number = 2 ** 20

/**
 * What the repository asks for, read once: every later question is about this text. Its content is the repository's, which may be
 * hostile; a link in its place could lead anywhere.
 *
 * @param named `--access`; null for `sallyport.yml`, which need not be there.
 * @throws AgentError ACCESS_FILE_UNREADABLE.
 */
export async function readAccessSource(repository: string, named: string | null): Promise<Source | null> {
  const path = named ?? join(repository, ACCESS_FILE)
  try {
    const file = await readPlainFile(path, { bytesMax: FILE_BYTES_MAX, followsLinks: named !== null })
    if (file !== null) return { name: shownPath(repository, path), path, text: file.text }
    if (named === null) return null
  } catch (error) {
    throw new AgentError('ACCESS_FILE_UNREADABLE', `Cannot read "${shownPath(repository, path)}": ${messageOf(error)}`, { cause: error })
  }
  throw new AgentError('ACCESS_FILE_UNREADABLE', `Cannot read "${shownPath(repository, path)}": there is no such file`)
}

function shownPath(repository: string, path: string): string {
  return isInside(repository, path) ? relative(repository, path) : path
}

/** By their names alone. */
export function isInside(directory: string, path: string): boolean {
  const inside = relative(directory, path)
  return inside !== '' && inside !== '..' && !inside.startsWith('../') && !isAbsolute(inside)
}

/**
 * The operator's file: nobody else may be able to change it, or what it forbids is forbidden to nobody.
 *
 * @param named `--config`; null for the default place, where it need not be.
 * @throws AgentError OPERATOR_FILE_REFUSED.
 */
export async function readOperatorSource(named: string | null, fallback: string = OPERATOR_FILE): Promise<Source | null> {
  const path = named ?? fallback
  try {
    const file = await readPlainFile(path, { bytesMax: FILE_BYTES_MAX, followsLinks: true })
    if (file === null) {
      if (named === null) return null
      throw new Error('there is no such file')
    }
    assertOurs(file.stats, 'it', await realpath(path))
    await assertDirectoriesOurs(path)
    return { name: path, path, text: file.text }
  } catch (error) {
    const hint =
      error instanceof UnsafeFile ? 'It and its directories belong to root or to you, and nobody else writes to them: chmod go-w' : null
    throw new AgentError('OPERATOR_FILE_REFUSED', `Cannot take "${path}" as the operator's file: ${messageOf(error)}`, {
      cause: error,
      ...(hint !== null && { hint }),
    })
  }
}

/** Somebody else could have written it. */
class UnsafeFile extends Error {}

/** Whoever can write to a directory on the way can put another file there. */
async function assertDirectoriesOurs(path: string): Promise<void> {
  for (let directory = dirname(await realpath(path)); ; directory = dirname(directory)) {
    assertOurs(await lstat(directory), `"${directory}"`, directory)
    if (directory === dirname(directory)) return
  }
}

/** In a directory with the sticky bit (`/tmp`) nobody can rename what belongs to another. */
function assertOurs(stats: Stats, what: string, path: string): void {
  const isSticky = stats.isDirectory() && (stats.mode & 0o1000) !== 0
  if (stats.uid !== 0 && stats.uid !== process.geteuid?.() && !isSystems(stats, path))
    throw new UnsafeFile(`${what} belongs to another user`)
  if ((stats.mode & 0o022) !== 0 && !isSticky) throw new UnsafeFile(`another user may write to ${what}`)
}

/** What the kernel shows for the owner that a user namespace does not know, which root is there, too. */
const UNKNOWN_ID = 65_534

/** Directories of the system that are root's on every distribution, and all in /etc. */
const OF_THE_SYSTEM = /^(\/|\/(etc|home|opt|root|srv|tmp|usr|usr\/local|var|var\/lib|var\/tmp)|\/etc\/.+)$/

/** Without root the real root is an owner that cannot be told from others: it is by the place that it is known. */
function isSystems(stats: Stats, path: string): boolean {
  return stats.uid === UNKNOWN_ID && readOuterNamespace() !== null && OF_THE_SYSTEM.test(path)
}
