// SPDX-License-Identifier: Apache-2.0
import { join } from 'node:path'
import { AgentError } from '../agent-error.ts'

/** `log`: its directory. */
export function holdsChanged(log: string): AgentError {
  return new AgentError('AUDIT_HOLDS_CHANGED', `Cannot use "${join(log, 'holds.json')}": it is not what the log says is held`, {
    hint: 'See what was placed and released: sallyport audit show --type hold.placed, and hold.released. Put back the file from a backup',
  })
}
