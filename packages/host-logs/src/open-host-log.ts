// SPDX-License-Identifier: Apache-2.0
import { messageOf } from '@sallyport/core'
import { openAuthLog } from './auth/auth-log.ts'
import type { HostLog, HostLogName } from './contract.ts'
import { openJournalLog } from './journal/journal-log.ts'
import type { ReadElsewhere } from './journal/select-journal.ts'
import { openKernelLog } from './kernel/kernel-log.ts'

export type OpenedHostLog = { readonly log: HostLog } | { readonly absent: string }

/** From where it stands now; or why it cannot be had here, in one clause. */
export function openHostLog(name: HostLogName, elsewhere: ReadElsewhere): OpenedHostLog {
  try {
    return { log: OPENERS[name](elsewhere) }
  } catch (error) {
    return { absent: messageOf(error) }
  }
}

const OPENERS: Readonly<Record<HostLogName, (elsewhere: ReadElsewhere) => HostLog>> = {
  kernel: () => openKernelLog(),
  auth: () => openAuthLog(),
  journal: (elsewhere) => openJournalLog(elsewhere),
}
