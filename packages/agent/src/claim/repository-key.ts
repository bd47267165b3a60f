// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto'
import type { Repository } from './repository.spawn.ts'

/** Names files about one repository. A clone elsewhere is the same repository; without a remote only the directory tells them apart. */
export function repositoryKey({ slug, root }: Pick<Repository, 'slug' | 'root'>): string {
  const name = slug.startsWith('local/') ? `directory ${root}` : `repository ${slug}`
  return createHash('sha256').update(name).digest('hex').slice(0, 32)
}
