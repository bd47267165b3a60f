// SPDX-License-Identifier: Apache-2.0
import { existsSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'

/** The nearest directory above that holds `.git`, as git finds it; without one the directory itself. */
export function findRepository(directory: string): string {
  for (let candidate = directory; ; candidate = dirname(candidate)) {
    if (existsSync(join(candidate, '.git'))) return candidate
    if (dirname(candidate) === candidate) return directory
  }
}

/**
 * What the user calls a workflow file: a path from where they are, or the bare name of one in `.github/workflows`.
 * A path that leads nowhere stays as it is, to be reported.
 */
export function resolveWorkflowFile(name: string, directory: string, repository: string): string {
  const path = resolve(directory, name)
  const known = join(repository, '.github/workflows', name)
  return !name.includes('/') && !existsSync(path) && existsSync(known) ? known : path
}

/** A path as it is told: from the repository's root for programs, from where the user is for people and editors. */
export function shownFromHere(file: string, directory: string): string {
  const path = resolve(findRepository(directory), file)
  return existsSync(path) ? relative(directory, path) || file : file
}
