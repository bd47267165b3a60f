// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { writeFileDurably } from '@sallyport/store'
import type { Repository } from '../claim/repository.spawn.ts'
import { repositoryKey } from '../claim/repository-key.ts'

/** A job may go to any number of names below a `*.` rule; the oldest are forgotten. */
const KEPT_MAX = 4096

/**
 * Where earlier runs of one repository went, on this machine: `STATE/egress/seen-<hash>.json`, an array of `host:port`, oldest first. Two
 * runs at a time may each forget what the other saw; then a destination counts as new once more.
 */
export class SeenDestinations {
  readonly #path: string
  readonly #seen: Set<string>
  #isChanged = false

  constructor(stateDirectory: string, repository: Pick<Repository, 'slug' | 'root'>) {
    this.#path = join(stateDirectory, 'egress', `seen-${repositoryKey(repository)}.json`)
    this.#seen = new Set(readDestinations(this.#path))
  }

  /** True the first time. `host` is hostile: it was checked by the gate, and is not longer than a name can be. */
  isFirst(host: string, port: number): boolean {
    const destination = `${host}:${port}`
    if (this.#seen.has(destination)) return false
    this.#seen.add(destination)
    this.#isChanged = true
    for (const oldest of this.#seen) {
      if (this.#seen.size <= KEPT_MAX) break
      this.#seen.delete(oldest)
    }
    return true
  }

  /** Never rejects: what is lost is told once more by the next run. */
  async save(): Promise<void> {
    if (!this.#isChanged) return
    try {
      await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 })
      await writeFileDurably(this.#path, `${JSON.stringify([...this.#seen])}\n`)
    } catch {
      // A full disk ends no run for this.
    }
  }
}

function readDestinations(path: string): string[] {
  try {
    const content: unknown = JSON.parse(readFileSync(path, 'utf8'))
    return Array.isArray(content) ? content.filter((item) => typeof item === 'string').slice(-KEPT_MAX) : []
  } catch {
    // Not there yet, or damaged: everything is new.
    return []
  }
}
