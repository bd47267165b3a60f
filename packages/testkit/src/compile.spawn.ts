// SPDX-License-Identifier: Apache-2.0
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, rename, stat } from 'node:fs/promises'
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
  // Of this user alone: what is found here gets executed as root.
  const cache = join(tmpdir(), `sallyport-testkit-${process.getuid?.() ?? 0}`)
  await mkdir(cache, { recursive: true, mode: 0o700 })
  const owner = await stat(cache)
  if (owner.uid !== process.getuid?.() || (owner.mode & 0o022) !== 0) throw new Error(`Cannot use ${cache}: others may write it`)
  const binary = join(cache, `${program}-${hash.digest('hex').slice(0, 16)}`)
  if (await isFile(binary)) return binary
  const files = names.filter((name) => name.endsWith('.c')).map((name) => join(directory, name))
  const unfinished = `${binary}.${process.pid}`
  await run('gcc', ['-static', '-O1', '-std=gnu17', '-Wall', '-Wextra', '-Werror', '-o', unfinished, ...files])
  await rename(unfinished, binary)
  return binary
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
