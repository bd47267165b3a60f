// SPDX-License-Identifier: Apache-2.0
// Where servers that tests talk to are kept between runs: outside the repository, by what they were made from.
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export function cacheDirectory(): string {
  const path = join(process.env['XDG_CACHE_HOME'] ?? join(process.env['HOME'] ?? tmpdir(), '.cache'), 'sallyport-test')
  mkdirSync(path, { recursive: true })
  return path
}

/** The directory of that name, made once: whoever is killed while it is made leaves nothing that looks whole. */
export function cached(name: string, make: (directory: string) => void): string {
  const path = join(cacheDirectory(), name)
  if (existsSync(path)) return path
  const fresh = mkdtempSync(join(cacheDirectory(), `.${name}-`))
  try {
    make(fresh)
    renameSync(fresh, path)
  } finally {
    rmSync(fresh, { recursive: true, force: true })
  }
  return path
}
