// SPDX-License-Identifier: Apache-2.0
import { allBut, INT } from './argument-rules.ts'
import { type CallGroup, names, type SeccompProfile } from './model.ts'
import { JOB_PROFILE } from './profile.ts'

const SIGNALLING = names('kill tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_open')

/**
 * {@link JOB_PROFILE} for a kernel of the sandbox's own, which runs it. There the first process of a step's pid namespace is ours and has the step's uid, and gVisor
 * does not keep SIGKILL from it as Linux does: nothing may name it.
 */
export const OWN_KERNEL_PROFILE: SeccompProfile = {
  ...JOB_PROFILE,
  allow: JOB_PROFILE.allow.map(withoutSignalling),
  conditional: [
    ...JOB_PROFILE.conditional,
    {
      why: "A step's first process is what ends with the step.",
      refused: 'process 1',
      calls: SIGNALLING,
      decision: allBut(0, INT, [1n]),
    },
  ],
}

function withoutSignalling({ calls, why }: CallGroup): CallGroup {
  return { calls: calls.filter((name) => !SIGNALLING.includes(name)), why }
}
