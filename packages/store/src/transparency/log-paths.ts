// SPDX-License-Identifier: Apache-2.0
import { join } from 'node:path'
import { KEYS_PATH } from '@sallyport/audit-log'

/** What stands in the directory of a log. */
export interface LogPaths {
  /** The tree that readers see. */
  readonly tree: string
  readonly checkpoint: string
  /** The keys that have signed, once one was changed. */
  readonly keys: string
  readonly lock: string
  /** Which tree is durable. */
  readonly state: string
  readonly pending: string
  /** There while nobody writes, and the last one has left in order what is pending. */
  readonly left: string
  /** What is in it is not needed any more. */
  readonly scratch: string
}

export function logPaths(directory: string): LogPaths {
  const tree = join(directory, 'log')
  return {
    tree,
    checkpoint: join(tree, 'checkpoint'),
    keys: join(tree, KEYS_PATH),
    lock: join(directory, 'lock'),
    state: join(directory, 'tree.json'),
    pending: join(directory, 'pending'),
    left: join(directory, 'left'),
    scratch: join(directory, 'scratch'),
  }
}
