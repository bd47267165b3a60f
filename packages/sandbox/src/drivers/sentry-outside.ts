// SPDX-License-Identifier: Apache-2.0
import { readFileSync, readlinkSync } from 'node:fs'
import type { Guarantee, SelfCheckResult } from '../contract.ts'
import { ID_COUNT } from '../oci/bundle.ts'

/** The host's own namespaces that a sandbox's kernel must not be in, and what stands on that. Cgroups it shows to nobody: the job sees its own. */
const NAMESPACES: readonly (readonly [name: string, guarantee: Guarantee])[] = [
  ['user', 'user-namespace'],
  ['pid', 'pid-namespace'],
  ['mnt', 'mount-namespace'],
  ['net', 'network'],
  ['ipc', 'ipc-namespace'],
  ['uts', 'uts-namespace'],
]

/**
 * What the host's kernel says of the process that a sandbox's own kernel is: whoever takes that kernel over has this, and no more. `proc` is its directory
 * in a procfs of the host.
 */
export function lookFromOutside(proc: string, idBase: number): readonly SelfCheckResult[] {
  const status = readFileSync(`${proc}/status`, 'utf8').split('\n')
  const field = (name: string): string =>
    status
      .find((line) => line.startsWith(`${name}:`))
      ?.slice(name.length + 1)
      .trim() ?? 'unknown'
  const report = (guarantee: Guarantee, holds: boolean, evidence: string): SelfCheckResult => ({ guarantee, holds, evidence, by: 'kernel' })
  const mapped = (file: string): SelfCheckResult => {
    const map = readFileSync(`${proc}/${file}`, 'utf8').trim().split(/\s+/).join(' ')
    return report('user-namespace', map === `0 ${idBase} ${ID_COUNT}`, `${file} of the sandbox's kernel: ${map}`)
  }
  return [
    ...NAMESPACES.map(([name, guarantee]) => {
      const [its, ours] = [readlinkSync(`${proc}/ns/${name}`), readlinkSync(`/proc/self/ns/${name}`)]
      return report(guarantee, its !== ours, `the sandbox's kernel is in ${its}, the host in ${ours}`)
    }),
    mapped('uid_map'),
    mapped('gid_map'),
    report('no-new-privileges', field('NoNewPrivs') === '1', `the sandbox's kernel: NoNewPrivs ${field('NoNewPrivs')}`),
    report('seccomp', field('Seccomp') === '2', `the sandbox's kernel: Seccomp ${field('Seccomp')}`),
  ]
}
