// SPDX-License-Identifier: Apache-2.0
import { messageOf, SallyportError } from '@sallyport/core'
import { createSecretSet } from '@sallyport/redaction'
import { AgentError } from '../agent-error.ts'
import type { RunOptions } from '../contract.ts'
import { maskSecrets } from '../run/mask-secrets.ts'
import { redactFacts } from '../run/redact-facts.ts'
import { openOperatorLog } from './operator-log.ts'

/** What was decided against, or cannot be guaranteed. A mistyped option is neither. */
const DECISIONS: readonly string[] = ['NOT_TRUSTED', 'OBSERVE_FORBIDDEN', 'OPERATOR_FILE_REFUSED', 'SANDBOX_UNSUPPORTED']

export type RunAttempt = Pick<RunOptions, 'stateDirectory' | 'secrets'>

/**
 * A run that is refused before it starts has no record, and is no source of the log. The decision is an entry of the operator's: whoever asks again and
 * again for what nobody approves is to be seen.
 *
 * @param facts What was to run.
 * @throws AgentError AUDIT_LOG_UNWRITABLE, with the reason of the refusal in its message
 */
export async function recordRefusal(thrown: unknown, attempt: RunAttempt, facts: Readonly<Record<string, unknown>>): Promise<void> {
  if (!(thrown instanceof SallyportError) || !DECISIONS.includes(thrown.code)) return
  const { code, message, details } = thrown
  const secrets = createSecretSet()
  maskSecrets(secrets, attempt.secrets)
  const data = { ...facts, code, message, asks: details['asks'] ?? null }
  const log = openOperatorLog(attempt.stateDirectory)
  try {
    await log.record('run.refused', redactFacts(secrets, data) as typeof data)
    await log.close()
  } catch (error) {
    throw new AgentError('AUDIT_LOG_UNWRITABLE', `${message}; and that cannot be written to the log: ${messageOf(error)}`, {
      cause: error,
      ...(thrown.hint !== undefined && { hint: thrown.hint }),
    })
  }
}
