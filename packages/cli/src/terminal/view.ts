// SPDX-License-Identifier: Apache-2.0
import type { RunObserver } from '@sallyport/agent'

/** Shows a run while it happens. */
export interface View extends RunObserver {
  /** A line of our own, e.g. about Ctrl-C. */
  note(line: string): void
  /** Leaves the terminal as it was. Idempotent. */
  close(): void
}
