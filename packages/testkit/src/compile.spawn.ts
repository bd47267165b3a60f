// SPDX-License-Identifier: Apache-2.0
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)
const sources = dirname(fileURLToPath(import.meta.url))

/** Builds the attack programs (`attack ID…`, see `attacks/main.c`), once for each content of their sources; the static binary's path. */
export function buildAttacks(): Promise<string> {
  return compile('attacks', 'attack')
}

/** Builds the box itself; see `plain-box/plain-box.c`. */
export function buildPlainBox(): Promise<string> {
  return compile('plain-box', 'plain-box')
}

async function compile(folder: string, program: string): Promise<string> {
  const directory = join(sources, folder)
  const names = (await readdir(directory)).filter((name) => /\.[ch]$/.test(name)).sort()
  const hash = createHash('sha256')
  for (const name of names) hash.update(name).update(await readFile(join(directory, name)))
  const cache = await cacheDirectory()
  const binary = join(cache, `${program}-${hash.digest('hex').slice(0, 16)}`)
  if (await isFile(binary)) return binary
  const files = names.filter((name) => name.endsWith('.c')).map((name) => join(directory, name))
  const unfinished = `${binary}.${process.pid}`
  await run('gcc', ['-static', '-O1', '-std=gnu17', '-Wall', '-Wextra', '-Werror', '-o', unfinished, ...files])
  await rename(unfinished, binary)
  return binary
}

/** Where built programs, and what else is worth keeping between runs, lies. Of this user alone: what is found here gets executed as root. */
export async function cacheDirectory(): Promise<string> {
  const cache = join(tmpdir(), `sallyport-testkit-${process.getuid?.() ?? 0}`)
  await mkdir(cache, { recursive: true, mode: 0o700 })
  const owner = await stat(cache)
  if (owner.uid !== process.getuid?.() || (owner.mode & 0o022) !== 0) throw new Error(`Cannot use ${cache}: others may write it`)
  return cache
}

/** Text changes to sources of the helper: how a wall that is code is taken out. */
export interface SourcePatch {
  /** Below `native/src`. */
  readonly file: string
  /** Must occur exactly once. */
  readonly find: string
  readonly replace: string
}

const native = join(sources, '../../../native')

/**
 * The static helper with some of its sources changed, built once for each content; its path. What did not change is compiled once for
 * all variants: there are dozens.
 */
export async function buildHelper(patches: readonly SourcePatch[]): Promise<string> {
  const texts = await patchedSources(patches)
  const headers = [...texts].filter(([name]) => name.endsWith('.h'))
  const objects = [...texts]
    .filter(([name]) => name.endsWith('.c'))
    .map(([name, text]) => ({ name, text, object: `helper-${name}-${digest([...headers, [name, text]])}.o` }))
  const cache = await cacheDirectory()
  const binary = join(cache, `helper-${digest(objects.map(({ name, object }) => [name, object]))}`)
  if (await isFile(binary)) return binary
  const directory = await mkdtemp(join(cache, 'build-'))
  try {
    for (const [name, text] of texts) await writeFile(join(directory, name), text)
    for (const { name, object } of objects) {
      if (await isFile(join(cache, object))) continue
      await run('gcc', [...HELPER_FLAGS, '-c', '-o', object, name], { cwd: directory })
      await rename(join(directory, object), join(cache, object))
    }
    await run('gcc', ['-static', '-o', 'helper', ...objects.map(({ object }) => join(cache, object))], { cwd: directory })
    await rename(join(directory, 'helper'), binary)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
  return binary
}

/** As native/Makefile, without what is about warnings, hardening and reproducible bytes. */
const HELPER_FLAGS = ['-O1', '-std=gnu11', '-D_GNU_SOURCE']

function digest(parts: readonly (readonly [name: string, text: string])[]): string {
  const hash = createHash('sha256')
  for (const [name, text] of parts) hash.update(`${name}\0${text}\0`)
  return hash.digest('hex').slice(0, 16)
}

async function patchedSources(patches: readonly SourcePatch[]): Promise<ReadonlyMap<string, string>> {
  const texts = new Map<string, string>()
  for (const name of (await readdir(join(native, 'src'))).sort()) texts.set(name, await readFile(join(native, 'src', name), 'utf8'))
  for (const { file, find, replace } of patches) {
    const parts = texts.get(file)?.split(find) ?? []
    if (parts.length !== 2)
      throw new Error(`Cannot take the wall out of native/src/${file}: this occurs ${parts.length - 1} times, not once: ${find}`)
    texts.set(file, parts.join(replace))
  }
  return texts
}

async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (info) => info.isFile(),
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return false
      throw error
    },
  )
}
