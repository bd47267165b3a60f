// SPDX-License-Identifier: Apache-2.0
import type { HostFinding } from '../../contract.ts'
import { found } from './finding.ts'
import type { HostView } from './host-view.ts'
import { compareVersions } from './version-order.ts'

interface KernelEscape {
  readonly cve: string
  readonly what: string
  /** The first release with the flaw. */
  readonly since: string
  /** The first with the fix, one for each line that got it, and the line that began with it last. */
  readonly fixed: readonly string[]
}

/** Flaws that have been used to leave containers; each stands at https://nvd.nist.gov/vuln/detail/CVE, with these versions. A table is no proof: it holds what is known by name. */
const ESCAPES: readonly KernelEscape[] = [
  { cve: 'CVE-2022-0185', what: 'fs context heap overflow', since: '5.1', fixed: ['5.4.173', '5.10.93', '5.15.16', '5.16.2', '5.17'] },
  {
    cve: 'CVE-2022-0492',
    what: 'release_agent without capability',
    since: '2.6.24',
    fixed: ['4.19.229', '5.4.177', '5.10.97', '5.15.20', '5.16.6', '5.17'],
  },
  { cve: 'CVE-2022-0847', what: 'Dirty Pipe', since: '5.8', fixed: ['5.10.102', '5.15.25', '5.16.11', '5.17'] },
  { cve: 'CVE-2023-0386', what: 'overlayfs copies set-user-id files up', since: '5.11', fixed: ['5.15.91', '6.1.9', '6.2'] },
  {
    cve: 'CVE-2023-32233',
    what: 'nf_tables use after free',
    since: '3.13',
    fixed: ['5.4.243', '5.10.180', '5.15.111', '6.1.28', '6.2.15', '6.3.2', '6.4'],
  },
  {
    cve: 'CVE-2024-1086',
    what: 'nf_tables double free',
    since: '3.15',
    fixed: ['5.4.269', '5.10.210', '5.15.149', '6.1.76', '6.6.15', '6.7.3', '6.8'],
  },
]

const NAMED = { group: 'kernel', name: 'known ways out of containers' } as const

export function kernelEscapes(view: HostView): HostFinding {
  const banner = view.text('/proc/version')?.trim() ?? ''
  const version = kernelVersion(banner)
  if (version === null)
    return found('kernel-escapes', NAMED, {
      state: 'unknown',
      text: `${banner.slice(0, 120)}: a kernel whose repairs its version does not tell`,
      fix: 'look it up with your distribution',
    })
  const open = ESCAPES.filter((escape) => isOpen(version, escape))
  if (open.length === 0)
    return found('kernel-escapes', NAMED, { state: 'ok', text: `${version}: none of ${ESCAPES.length} that are known by name`, fix: null })
  const text = `${version}: ${open.map(({ cve, what }) => `${cve} (${what})`).join(', ')}`
  return found('kernel-escapes', NAMED, { state: 'missing', text, fix: 'a newer kernel: https://nvd.nist.gov/vuln/detail/ with each name' })
}

/** Debian names the upstream version in /proc/version; Ubuntu and Red Hat repair without one. */
function kernelVersion(banner: string): string | null {
  const debian = /Debian (\d+\.\d+\.\d+)/.exec(banner)?.[1]
  if (debian !== undefined) return debian
  if (/Ubuntu|Red Hat|\.el\d|SUSE|amzn/.test(banner)) return null
  return /^Linux version (\d+\.\d+(?:\.\d+)?)/.exec(banner)?.[1] ?? null
}

function isOpen(version: string, { since, fixed }: KernelEscape): boolean {
  if (compareVersions(version, since) < 0) return false
  const line = (text: string): string => text.split('.').slice(0, 2).join('.')
  const own = fixed.find((first) => line(first) === line(version))
  return compareVersions(version, own ?? fixed.at(-1) ?? '') < 0
}
