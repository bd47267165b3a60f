// SPDX-License-Identifier: Apache-2.0
import {
  type AccessFile,
  decidePublish,
  type GrantFacts,
  type OperatorFile,
  PUBLISH_DEFAULT,
  type PublishDecision,
  type PublishEntry,
} from '@sallyport/access'
import { readAuthorities } from '../access/authorities.ts'

export interface RunPublishingParts {
  /** As far as it was approved; null where there is none. */
  readonly file: AccessFile | null
  readonly operator: OperatorFile | null
  readonly facts: GrantFacts
}

/** What the jobs of one run may have published. */
export class RunPublishing {
  readonly #parts: RunPublishingParts

  constructor(parts: RunPublishingParts) {
    this.#parts = parts
  }

  /** Ids of those that hand something over. */
  get jobs(): readonly string[] {
    return (this.#parts.file?.jobs ?? []).filter(({ publish }) => publish.length > 0).map(({ id }) => id)
  }

  entriesOf(job: string): readonly PublishEntry[] {
    return this.#parts.file?.jobs.find(({ id }) => id === job)?.publish ?? []
  }

  /** Of all artifacts of one job. */
  get bytesMax(): number {
    return (this.#parts.operator?.publish ?? PUBLISH_DEFAULT).bytesMax
  }

  decide(entry: PublishEntry): PublishDecision {
    const { file, operator, facts } = this.#parts
    if (file === null) throw new TypeError('an artifact that no file names')
    return decidePublish({ file, operator, entry, facts })
  }

  /** Whom servers are verified against; null: whom Node trusts. @throws AgentError OPERATOR_FILE_REFUSED */
  async authorities(): Promise<string | null> {
    const files = this.#parts.operator?.egress.authorities ?? []
    return files.length === 0 ? null : readAuthorities(files)
  }
}
