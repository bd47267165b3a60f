// SPDX-License-Identifier: Apache-2.0
import type { SeccompProfile } from './model.ts'

/** One line of the list of what a job cannot call. */
export interface Refusal {
  readonly calls: readonly string[]
  /** What of these calls: `always`, or the arguments in words. */
  readonly when: string
  readonly why: string
}

/** Everything that the profile refuses by name, with the reason, for the documents. */
export function refusals(profile: SeccompProfile): readonly Refusal[] {
  return [
    ...profile.refuse.map(({ calls, why }) => ({ calls, when: 'always', why })),
    ...profile.conditional.map(({ calls, refused, why }) => ({ calls, when: refused, why })),
  ]
}
