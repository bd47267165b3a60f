// SPDX-License-Identifier: Apache-2.0
// All steps of a job run with one uid. What keeps a process of an earlier step from a later step's secrets is the step's own Landlock
// domain, its own mount namespace and the system call filter.
import { PLANTED_SECRET, type WallName } from '@sallyport/testkit'
import { type LeftoverRun, leftoverAgainst } from './_leftover.ts'
import { escape, type Finding, inDisposableBox } from './_suite.ts'

await inDisposableBox()

interface Case {
  readonly never: string
  readonly action: string
  readonly didGet: (run: LeftoverRun) => boolean
  readonly without: readonly (readonly WallName[])[]
}

const tookSecret = ({ loot }: LeftoverRun): boolean => loot.includes(PLANTED_SECRET)
const said = ({ loot }: LeftoverRun): boolean => loot.includes('GOT')
const domain: readonly (readonly WallName[])[] = [['step-domain']]
const shared: readonly (readonly WallName[])[] = [['step-mount-namespace']]

const cases: readonly Case[] = [
  {
    never: "an earlier step's leftover reads a later step's environment",
    action: 'grep -a LATER_TOKEN $p/environ',
    didGet: tookSecret,
    without: domain,
  },
  {
    never: "an earlier step's leftover opens a later step's memory",
    action: '{ true < $p/mem && echo GOT; }',
    didGet: said,
    without: domain,
  },
  {
    never: "an earlier step's leftover opens what a later step has open",
    action: '{ true < $p/fd/1 && echo GOT; }',
    didGet: said,
    without: domain,
  },
  {
    never: "an earlier step's leftover reads a later step's private files through its root directory",
    action: 'cat $p/root/run/sallyport/step/secret',
    didGet: tookSecret,
    without: domain,
  },
  {
    never: "an earlier step's leftover reads a later step's private files at their place",
    action: 'cat /run/sallyport/step/secret',
    didGet: tookSecret,
    without: shared,
  },
  {
    never: "an earlier step's leftover writes into a later step's environment file",
    action: 'echo EVIL=1 >> /run/sallyport/step/env',
    didGet: ({ later }) => Buffer.from(later.exit.files['env'] ?? []).includes('EVIL'),
    without: shared,
  },
  {
    never: "an earlier step's leftover signals a later step",
    action: 'kill -TERM $pid',
    didGet: ({ later }) => later.output.includes('ended with 143'),
    without: [['step-domain'], ['step-signal-scope']],
  },
  {
    never: "an earlier step's leftover traces a later step",
    action: '/tmp/attack ptrace-attach',
    didGet: ({ loot }) => loot.includes('ptrace-attach got'),
    without: [['step-domain', 'seccomp']],
  },
  {
    never: "an earlier step's leftover reads a later step's memory by the system call for it",
    action: '/tmp/attack process-vm-readv',
    didGet: ({ loot }) => loot.includes('process-vm-readv got'),
    without: [['step-domain', 'seccomp']],
  },
  {
    never: "an earlier step's leftover ends a later step by its limit of processor time",
    action: 'prlimit --pid $pid --cpu=1:1 && echo GOT',
    didGet: said,
    without: [['seccomp']],
  },
]

for (const { never, action, didGet, without } of cases) {
  escape({
    never,
    probe: async (sandbox): Promise<Finding> => {
      const run = await leftoverAgainst(sandbox, action)
      if (!run.later.output.includes('later ended')) throw new Error(`the later step did not run: ${run.later.exit.message}`)
      return { outcome: didGet(run) ? 'got' : 'refused', error: null, detail: run.loot.slice(0, 500) }
    },
    error: null,
    without,
    rows: [1, 3, 17],
  })
}
