// SPDX-License-Identifier: Apache-2.0
import { execFile } from 'node:child_process'
import { lstatSync, readFileSync, statSync } from 'node:fs'
import { symlink, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { ScratchDirectory } from '../scratch-directory.spawn.ts'

/** Where git works. Given to it outright, so that it never looks for a repository by itself, in a directory that anybody may write. */
export interface GitPlace {
  readonly gitDirectory: string
  readonly workTree: string
}

/**
 * Runs git with nothing of the caller's environment, and with no configuration but that of the git directory, which must be ours: see
 * {@link openGitView}. Resolves with stdout.
 */
export async function git(place: GitPlace, args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)('git', [...args], {
    cwd: place.workTree,
    maxBuffer: 256 << 20,
    env: {
      PATH: '/usr/local/bin:/usr/bin:/bin',
      HOME: '/nonexistent',
      GIT_DIR: place.gitDirectory,
      GIT_WORK_TREE: place.workTree,
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_CONFIG_GLOBAL: '/dev/null',
      GIT_ATTR_NOSYSTEM: '1',
      GIT_ALLOW_PROTOCOL: 'file',
      GIT_NO_LAZY_FETCH: '1',
      GIT_TERMINAL_PROMPT: '0',
      GIT_OPTIONAL_LOCKS: '0',
      LC_ALL: 'C',
    },
  })
  return stdout
}

/** A repository's own content under a configuration of ours. */
export interface GitView extends GitPlace, AsyncDisposable {
  /** `sha1` or `sha256`. */
  readonly objectFormat: string
  /** One value of the repository's configuration, as data; null when it has none. */
  setting(name: string): Promise<string | null>
  /** All values of its configuration, as data, whose full name matches an extended regular expression. */
  settings(pattern: string): Promise<readonly string[]>
}

const LINKED = ['objects', 'refs', 'packed-refs', 'shallow', 'info', 'reftable'] as const

/**
 * Git runs on the host, as whoever started us, over a repository that may be somebody else's; and a repository's configuration can name
 * programs: to verify a signature that `log` shows, to fetch an object that a partial clone lacks, and more with each release of git. A list of
 * settings to switch off is never complete. So git gets a directory of ours, with our configuration and no hooks, that links to the
 * repository's objects, refs and index.
 *
 * @throws Error when there is no git directory that can be read.
 */
export async function openGitView(root: string): Promise<GitView> {
  const own = gitDirectoryOf(root)
  const common = commonDirectoryOf(own)
  const scratch = await ScratchDirectory.create('git')
  const gitDirectory = scratch.path
  const dispose = (): Promise<void> => scratch[Symbol.asyncDispose]()
  try {
    for (const name of LINKED) await linkPresent(join(common, name), join(gitDirectory, name))
    await linkPresent(join(own, 'index'), join(gitDirectory, 'index'))
    await writeFile(join(gitDirectory, 'HEAD'), readSmallFile(join(own, 'HEAD')))
    await writeFile(join(gitDirectory, 'config'), '')
    const place = { gitDirectory, workTree: root }
    const setting = (name: string): Promise<string | null> => readSetting(place, join(common, 'config'), name)
    const objectFormat = (await setting('extensions.objectFormat')) === 'sha256' ? 'sha256' : 'sha1'
    await writeFile(join(gitDirectory, 'config'), viewConfig(objectFormat, await setting('extensions.refStorage')))
    const settings = (pattern: string): Promise<readonly string[]> => readSettings(place, join(common, 'config'), pattern)
    return { ...place, objectFormat, setting, settings, [Symbol.asyncDispose]: dispose }
  } catch (error) {
    await dispose()
    throw error
  }
}

/** `.git`, or what it says: `gitdir: PATH` in a linked worktree or a submodule. */
function gitDirectoryOf(root: string): string {
  const path = join(root, '.git')
  if (statSync(path).isDirectory()) return path
  const [, target] = /^gitdir: (.+?)\n*$/.exec(readSmallFile(path)) ?? []
  if (target === undefined) throw new Error(`fatal: "${path}" names no git directory`)
  return resolve(root, target)
}

/** A linked worktree shares everything but HEAD and index with the main one. */
function commonDirectoryOf(own: string): string {
  const file = join(own, 'commondir')
  return lstatSync(file, { throwIfNoEntry: false }) === undefined ? own : resolve(own, readSmallFile(file).trim())
}

/** Never a FIFO or a device: opening one can block for ever. */
function readSmallFile(path: string): string {
  const stats = lstatSync(path)
  if (!stats.isFile() || stats.size > 65_536) throw new Error(`fatal: "${path}" is no file of git's`)
  return readFileSync(path, 'utf8')
}

async function linkPresent(source: string, target: string): Promise<void> {
  const stats = statSync(source, { throwIfNoEntry: false })
  if (stats?.isFile() || stats?.isDirectory()) await symlink(resolve(source), target)
}

async function readSetting(place: GitPlace, file: string, name: string): Promise<string | null> {
  return (await queryConfig(place, file, ['--get', name]))?.trim() ?? null
}

async function readSettings(place: GitPlace, file: string, pattern: string): Promise<readonly string[]> {
  const records = (await queryConfig(place, file, ['-z', '--get-regexp', pattern]))?.split('\0') ?? []
  return records.flatMap((record) => (record.includes('\n') ? [record.slice(record.indexOf('\n') + 1)] : []))
}

/** Read from the file alone: includes are not followed, and nothing in it takes effect. */
async function queryConfig(place: GitPlace, file: string, query: readonly string[]): Promise<string | null> {
  if (!lstatSync(file, { throwIfNoEntry: false })?.isFile()) return null
  try {
    return await git(place, ['config', '--file', file, '--no-includes', ...query])
  } catch {
    // Not set, or no configuration that git can read: there is a default for each.
    return null
  }
}

function viewConfig(objectFormat: string, refStorage: string | null): string {
  const extensions = [
    ...(objectFormat === 'sha1' ? [] : [`\tobjectFormat = ${objectFormat}\n`]),
    ...(refStorage?.toLowerCase() === 'reftable' ? ['\trefStorage = reftable\n'] : []),
  ]
  const version = extensions.length === 0 ? 0 : 1
  return `[core]\n\trepositoryFormatVersion = ${version}\n\tbare = false\n${extensions.length === 0 ? '' : `[extensions]\n${extensions.join('')}`}`
}
