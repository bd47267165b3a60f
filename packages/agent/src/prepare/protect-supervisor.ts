// SPDX-License-Identifier: Apache-2.0

import { makeUndumpable } from '@sallyport/linux'

/** Before the first secret goes anywhere: this process holds them in its memory. One without any can be debugged. */
export function protectSupervisor(secrets: Readonly<Record<string, string>>): void {
  if (Object.keys(secrets).length > 0) makeUndumpable()
}
