// SPDX-License-Identifier: Apache-2.0
import type { SandboxTraits } from '../contract.ts'

/** runc and crun: the job's system calls are the host kernel's, and so is what is known of them. */
export const SHARED_KERNEL: SandboxTraits = {
  kernel: 'shared',
  attributesSteps: 'each-packet',
  attributesPrograms: true,
  hasHostPids: true,
  leftovers: 'run-on',
  memoryLimitEnds: 'process',
  tellsPidsLimit: true,
}

/** gVisor: the sandbox's own kernel answers, and the host sees a few processes of the runtime, whatever runs in it. */
export const OWN_KERNEL: SandboxTraits = {
  kernel: 'own',
  attributesSteps: 'by-turn',
  attributesPrograms: false,
  hasHostPids: false,
  leftovers: 'end-with-step',
  memoryLimitEnds: 'sandbox',
  tellsPidsLimit: false,
}
