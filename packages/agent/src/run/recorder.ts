// SPDX-License-Identifier: Apache-2.0
import type { Durable, RunEvent } from '@sallyport/core'
import type { SecretSet } from '@sallyport/redaction'
import type { RunRecord } from '@sallyport/store'
import type { RunLog } from '../audit/run-log.ts'
import { redactFacts } from './redact-facts.ts'

/** The journal and the log, behind the redactor: names, messages and outputs in events may hold a secret as well as a job's output does. */
export class Recorder {
  readonly #record: RunRecord
  readonly #secrets: SecretSet
  #last: Promise<Durable> | null = null
  #failed: unknown = null
  readonly #log: Pick<RunLog, 'added' | 'durable'>
  /** How many events the log has to have before anything goes on. */
  #handedOver = 0

  /** `log` is given every event by the record. */
  constructor(record: RunRecord, secrets: SecretSet, log: Pick<RunLog, 'added' | 'durable'>) {
    this.#record = record
    this.#secrets = secrets
    this.#log = log
  }

  add(event: RunEvent): void {
    const data = { ...(this.redact(event.data) as Readonly<Record<string, unknown>>), ...nameOfSecret(event) }
    const appended = this.#record.append({ ...event, data })
    this.#last = appended
    if (handsOverSecrets(event)) this.#handedOver = this.#log.added
    appended.catch((error: unknown) => {
      this.#failed ??= error
    })
  }

  /** Everything added so far is on stable storage. @throws StoreError when it cannot be: the caller must not go on. */
  async settle(): Promise<void> {
    await this.#last
    if (this.#failed !== null) throw this.#failed
  }

  /**
   * Before a step starts: the same, and where secrets are handed over, that stands in the log.
   * @throws StoreError; AgentError AUDIT_LOG_UNWRITABLE, also when the log could not be written before; AUDIT_POLICY_INVALID, LEASE_UNWITNESSED.
   */
  async handOver(): Promise<void> {
    await Promise.all([this.settle(), this.#log.durable(this.#handedOver)])
  }

  /** The same data with every secret in it masked; names of ours stay. */
  redact(value: unknown): unknown {
    return redactFacts(this.#secrets, value)
  }
}

/** It comes from the repository's files: no job masks what the log is asked by. */
function nameOfSecret({ type, data: { name } }: RunEvent): { readonly name?: string } {
  return type.startsWith('secret.') && typeof name === 'string' ? { name } : {}
}

/** A step that names some gets them when this is on record; so do whoever asked for a token, and a server that is sent an artifact. */
function handsOverSecrets({ type, data }: RunEvent): boolean {
  return (
    type === 'secret.granted' ||
    type === 'identity.minted' ||
    type === 'publish.allowed' ||
    (type === 'step.started' && Array.isArray(data['secrets']) && data['secrets'].length > 0)
  )
}
