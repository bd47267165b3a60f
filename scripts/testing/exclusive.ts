// SPDX-License-Identifier: Apache-2.0
// Files that have the machine to themselves, because what they look at or use up is the whole machine's; kinds of which that is true of many say it in
// kinds.ts. Everything else looks only at what it started itself (test/_host.ts), and runs beside others.

/** By their path, with the reason. */
export const exclusiveFiles: Readonly<Record<string, string>> = {
  'test/e2e/host-logs.test.ts':
    "looks at the kernel's log, which leaves things out when others are killed for their memory at the same time",
  'test/fault/stale-cgroups.test.ts':
    'leaves cgroups of the lowest free id range behind, as killed keepers do, which the next sandbox of anybody removes',
}
