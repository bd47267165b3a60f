// SPDX-License-Identifier: Apache-2.0
import { SallyportError } from '@sallyport/core'

export type AgentErrorCode =
  /** The repository or a file of it cannot be read. */
  | 'REPOSITORY_UNREADABLE'
  /** No workflow file, or none that the event triggers. */
  | 'NOTHING_TO_RUN'
  /** `--job` or `--matrix` names something that no workflow has. */
  | 'JOB_UNKNOWN'
  /** An input of `workflow_dispatch` is missing, unknown or of the wrong type. */
  | 'INPUT_INVALID'
  /** A `runs-on` label that this host cannot be. */
  | 'RUNNER_UNSUPPORTED'
  /** A repository asks for an image that it may not have. */
  | 'IMAGE_NOT_ALLOWED'
  /** A certificate that the operator names for a registry cannot be read. */
  | 'IMAGE_AUTHORITY_UNREADABLE'
  /** A guarantee does not hold on this host; nothing of the job has run. */
  | 'GUARANTEE_MISSING'
  /** A log of the host that the operator requires cannot be read. */
  | 'HOST_LOG_MISSING'
  /** What `--write` was to keep cannot be kept. */
  | 'WRITE_REFUSED'
  /** Files of a job have more bytes than its disk: they are sparse. */
  | 'FILES_TOO_LARGE'
  /** Sallyport was interrupted before the end. */
  | 'INTERRUPTED'
  /** An access file asks for something that nobody on this machine has approved. */
  | 'NOT_TRUSTED'
  /** The operator's file does not allow `--egress observe`. */
  | 'OBSERVE_FORBIDDEN'
  /** `sallyport.yml`, or the file that `--access` names, cannot be read. */
  | 'ACCESS_FILE_UNREADABLE'
  /** The access file asks for something else than what was reviewed. */
  | 'ACCESS_CHANGED'
  /** The operator's file cannot be read, or others may change it. */
  | 'OPERATOR_FILE_REFUSED'
  /** `--resolve`, or a destination that was asked about, is not what it should be. */
  | 'EGRESS_INVALID'
  /** The record of approvals cannot be read or written, or others may change it. */
  | 'TRUST_UNREADABLE'
  /** What happens cannot be written to the transparency log: nothing goes on without. */
  | 'AUDIT_LOG_UNWRITABLE'
  /** The file that names the log's witnesses is none. */
  | 'AUDIT_POLICY_INVALID'
  /** Too few witnesses have cosigned the record of a hand-over: no secret was handed over. */
  | 'LEASE_UNWITNESSED'
  /** There is no transparency log where one was to be read. */
  | 'AUDIT_LOG_NOT_FOUND'
  /** Nobody has said which key a log's checkpoints are to be signed with. */
  | 'AUDIT_KEY_UNKNOWN'
  /** What `--key` names is no verifier key. */
  | 'AUDIT_KEY_INVALID'
  /** The witnesses do not know the key that was to come: the key was not changed. */
  | 'AUDIT_KEY_UNWITNESSED'
  /** The file of `--remember` is not one. */
  | 'AUDIT_MEMORY_INVALID'
  /** No entry of the log is the one that was asked for. */
  | 'AUDIT_ENTRY_NOT_FOUND'
  /** The file that says how long what is kept is none. */
  | 'AUDIT_RETENTION_INVALID'
  /** Nobody has said how long entries are kept. */
  | 'AUDIT_RETENTION_UNSET'
  /** A legal hold keeps what was to be erased. */
  | 'AUDIT_HELD'
  /** There is no legal hold of this id. */
  | 'AUDIT_HOLD_NOT_FOUND'
  /** The file of the legal holds is not what the log says. */
  | 'AUDIT_HOLDS_CHANGED'
  /** What was to be erased is of a run that goes on. */
  | 'AUDIT_RUN_ACTIVE'
  /** Another process changes what is kept of the log. */
  | 'AUDIT_CHANGE_LOCKED'
  /** A secret is granted whose value is to come from the command line, and does not. */
  | 'SECRET_NOT_GIVEN'
  /** A secret is granted that comes from a provider which the operator's file does not have. */
  | 'SECRET_PROVIDER_UNKNOWN'
  /** A manager's own audit log is not there, or cannot be followed. */
  | 'MANAGER_LOG_UNREADABLE'
  /** A step is granted identity tokens, or a provider asks for them, and the operator's file names no issuer. */
  | 'IDENTITY_NOT_CONFIGURED'
  /** What a job was to hand over is no regular file in its workspace, or too large. */
  | 'PUBLISH_FILE_INVALID'
  /** Policy does not let an artifact be published. */
  | 'PUBLISH_DENIED'
  /** A server did not take an artifact. */
  | 'PUBLISH_FAILED'
  /** A recorded run tells nothing that an access file could be made of. */
  | 'NOTHING_RECORDED'

export class AgentError extends SallyportError<AgentErrorCode> {
  override readonly name = 'AgentError'
}
