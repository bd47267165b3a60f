// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { readFacts, type SourceFacts } from './_source-facts.ts'

export const root: string = join(import.meta.dirname, '../..')

/** Files that git tracks, and new ones that it does not ignore: what a commit could hold. */
export function repositoryFiles(): string[] {
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: root, encoding: 'utf8' })
  return listed.split('\0').filter((path) => path !== '' && existsSync(join(root, path)))
}

export function readText(path: string): string {
  return readFileSync(join(root, path), 'utf8')
}

export function packageSources(): SourceFacts[] {
  return repositoryFiles()
    .filter((path) => /^packages\/[^/]+\/src\/.*\.ts$/.test(path))
    .map((path) => readFacts(path, readText(path)))
}
