// SPDX-License-Identifier: Apache-2.0
import type { EffectiveAccess } from '../access/contract.ts'
import type { ExecOptions, RunOptions } from '../contract.ts'

export interface PolicyParts {
  readonly options: Pick<RunOptions | ExecOptions, 'egress'>
  readonly access: Pick<EffectiveAccess, 'digests'>
  /** SHA-256 of each workflow file, hexadecimal; null where its bytes are not known. */
  readonly workflows: Readonly<Record<string, string | null>>
}

/** What decided about a run, for its record: by digest where it is a file, in its words where it was typed. */
export function policiesOf({ options, access, workflows }: PolicyParts): Readonly<Record<string, unknown>> {
  const { request, operator } = access.digests
  const { allow, resolve } = options.egress
  return { workflows, access: request, operator, allow, resolve }
}
