// SPDX-License-Identifier: Apache-2.0
import { SallyportError } from '@sallyport/core'

export type AuditLogErrorCode =
  /** Bytes or text are not what their format says, or pass one of its limits. */
  | 'AUDIT_LOG_MALFORMED'
  /** No trusted key has signed, or a trusted key's signature is wrong. */
  | 'AUDIT_LOG_UNSIGNED'
  /** A file of the log that has to be there is not, or has the wrong length. */
  | 'AUDIT_LOG_MISSING'
  /** An entry is not the one whose hash is in the tree, or the tree not the one that was signed. */
  | 'AUDIT_LOG_DIFFERENT'

export class AuditLogError extends SallyportError<AuditLogErrorCode> {
  override readonly name = 'AuditLogError'
}

/** For parsers: `what` is the kind of document, `problem` a clause such as `line 2 is no size`. Never holds bytes of the input. */
export function malformed(what: string, problem: string): AuditLogError {
  return new AuditLogError('AUDIT_LOG_MALFORMED', `Cannot read the ${what}: ${problem}`)
}
