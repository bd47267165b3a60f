// SPDX-License-Identifier: Apache-2.0
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Where vectors from outside stand, and why tests over them are skipped, if they are. */
export interface OutsideVectors {
  readonly folder: string
  readonly skip: string | false
}

export function outsideVectors(name: string): OutsideVectors {
  const folder = join(import.meta.dirname, '../../../../shared/vectors', name)
  return { folder, skip: existsSync(folder) ? false : `the vectors of ../shared/vectors/${name} are not on this machine` }
}

/** Every JSON file below a folder, by its path in it. */
export function readJsonFiles(folder: string): (readonly [path: string, value: unknown])[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.json'))
    .toSorted()
    .map((path) => [path, JSON.parse(readFileSync(join(folder, path), 'utf8'))])
}
