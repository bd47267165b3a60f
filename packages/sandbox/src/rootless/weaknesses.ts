// SPDX-License-Identifier: Apache-2.0
import type { Limits, Weakness } from '../contract.ts'
import { SandboxError } from '../sandbox-error.ts'
import type { OwnCgroup } from './own-cgroup.ts'
import { IDS_OF_JOB } from './subordinate-ids.ts'

const SCOPE = 'systemd-run --user --scope -p Delegate=yes sallyport …'
const DELEGATION =
  'as root, once: mkdir -p /etc/systemd/system/user@.service.d && printf "[Service]\\nDelegate=cpu cpuset io memory pids\\n" > /etc/systemd/system/user@.service.d/delegate.conf && systemctl daemon-reload, then log in anew'

/** What a job without root is promised less than one of root, in the order in which it matters. What is not in it is the same, and is proven by the same self-check. */
export function weaknessesOf(cgroup: OwnCgroup | null): readonly Weakness[] {
  return [...limitWeaknesses(cgroup), ...(cgroup === null ? [NO_CGROUP] : []), ...ALWAYS]
}

function limitWeaknesses(cgroup: OwnCgroup | null): Weakness[] {
  const fix = `Start it in a cgroup of its own: ${SCOPE}; where that has no ${'memory'} controller, ${DELEGATION}`
  const lacks = (name: string): boolean => cgroup?.controllers.includes(name) !== true
  return [
    ...(lacks('memory') ? [{ name: 'memory-limit', text: 'nothing limits the memory of a job but the machine', fix } as const] : []),
    ...(lacks('cpu') ? [{ name: 'cpu-limit', text: 'nothing limits the CPU time of a job but the machine', fix } as const] : []),
    ...(lacks('memory') ? [{ name: 'gate-memory', text: "nothing limits the memory of a job's gate", fix } as const] : []),
  ]
}

const NO_CGROUP: Weakness = {
  name: 'step-cgroups',
  text: 'a step has no cgroup: what it leaves running is ended with it, so that the next one alone is what the gate hears',
  fix: `Start it in a cgroup of its own: ${SCOPE}`,
}

const NEEDS_ROOT = 'Run it with sudo'

const ALWAYS: readonly Weakness[] = [
  {
    name: 'gate-reach',
    text: 'the gate dials what its own check allows; no rule of the kernel stands behind it',
    fix: NEEDS_ROOT,
  },
  { name: 'disk-in-memory', text: "a job's disk is memory of this machine, and ends at its limit", fix: NEEDS_ROOT },
  {
    name: 'image-owners',
    text: `files of the host's /usr belong to nobody in a job and cannot be changed; it has ids 0 to ${IDS_OF_JOB - 1}`,
    fix: NEEDS_ROOT,
  },
  { name: 'secrets-in-swap', text: 'the private files of a step may be swapped out', fix: 'swapoff -a, or encrypt swap' },
  {
    name: 'same-user',
    text: 'every process of your user can read this one, its records and the key of its log',
    fix: 'Run it as a user of its own, or with sudo',
  },
]

/** By the names that `--limit` and files have for them. */
const NEEDED: readonly (readonly [limit: keyof Limits, controller: string, name: string])[] = [
  ['memoryBytes', 'memory', 'memory'],
  ['memorySwapBytes', 'memory', 'memory-swap'],
  ['cpu', 'cpu', 'cpu'],
]

/** A limit that somebody asked for is kept or refused. @throws SandboxError SANDBOX_UNSUPPORTED naming it. */
export function assertLimitsKept(asked: readonly (keyof Limits)[], cgroup: OwnCgroup | null): void {
  const broken = NEEDED.find(([limit, controller]) => asked.includes(limit) && cgroup?.controllers.includes(controller) !== true)
  if (broken === undefined) return
  const [, controller, name] = broken
  throw new SandboxError(
    'SANDBOX_UNSUPPORTED',
    `Cannot build a sandbox: the limit "${name}" was asked for, and nothing can keep it here without root`,
    {
      hint: `It takes a cgroup with the controller "${controller}". ${limitWeaknesses(null)[0]?.fix ?? ''}`,
      details: { limit: name },
    },
  )
}
