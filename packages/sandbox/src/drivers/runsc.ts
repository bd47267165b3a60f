// SPDX-License-Identifier: Apache-2.0
/** In the order of preference: `kvm` is for hosts where nothing else starts. */
export const PLATFORMS = ['systrap', 'ptrace', 'kvm'] as const
export type Platform = (typeof PLATFORMS)[number]

/**
 * What runsc is told. What is written to files goes to the job's disk, with its limits (no overlay in memory); nobody else changes those files
 * (exclusive); no socket or pipe of the host is reached by a file; nothing is done for a job that asks by annotation.
 */
export function runscFlags(platform: Platform, hasGate: boolean): readonly string[] {
  return [
    `--platform=${platform}`,
    `--network=${hasGate ? 'sandbox' : 'none'}`,
    '--overlay2=none',
    '--file-access=exclusive',
    '--file-access-mounts=exclusive',
    '--directfs=true',
    '--host-uds=none',
    '--host-fifo=none',
    '--net-raw=false',
    '--allow-flag-override=false',
  ]
}

/** How a pool of wardens starts the helper inside: `native/src/exec-in.c`, and by it runsc where the keeper has mounted its state. */
export function insideCommand(parts: {
  readonly keeper: number
  readonly runtime: string
  readonly flags: readonly string[]
  readonly id: string
  readonly helper: string
}): readonly string[] {
  const { keeper, runtime, flags, id, helper } = parts
  const state = ['--root', '/run/sallyport/box/runtime', '--log', '/run/sallyport/box/exec-log']
  const capabilities = INSIDE_CAPABILITIES.flatMap((name) => ['--cap', name])
  const descriptors = ['--pass-fd', '3:3', '--pass-fd', '4:4']
  return ['exec-in', String(keeper), runtime, ...state, ...flags, 'exec', '--cwd', '/', ...capabilities, ...descriptors, id, helper, 'step']
}

/** To make a step's place (namespaces, mounts), to give up all that the step does not get, and what it gets. */
const INSIDE_CAPABILITIES = [
  'CAP_SYS_ADMIN',
  'CAP_SETPCAP',
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_FOWNER',
  'CAP_FSETID',
  'CAP_KILL',
  'CAP_SETGID',
  'CAP_SETUID',
]
