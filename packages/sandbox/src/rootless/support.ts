// SPDX-License-Identifier: Apache-2.0
import { type OuterNamespace, readOuterNamespace } from '@sallyport/linux'
import { claimOwnCgroup, type OwnCgroup } from './own-cgroup.ts'
import { slotLockDirectory } from './slot-locks.spawn.ts'

/** What an ordinary user's sandboxes are built with, in place of root's. */
export interface RootlessSupport {
  readonly outer: OuterNamespace
  readonly locks: string
  /** Null: there are no cgroups for jobs. */
  readonly cgroup: OwnCgroup | null
}

/** Null for root. @throws SandboxError SANDBOX_UNSUPPORTED. */
export function inspectRootless(): RootlessSupport | null {
  const outer = readOuterNamespace()
  return outer === null ? null : { outer, locks: slotLockDirectory(outer.userId), cgroup: claimOwnCgroup() }
}
