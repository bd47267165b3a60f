// SPDX-License-Identifier: Apache-2.0
import { gunzipSync } from 'node:zlib'
import type { HostFinding } from '../../contract.ts'
import { found } from './finding.ts'
import type { HostView } from './host-view.ts'
import { compareVersions } from './version-order.ts'

interface Escape {
  readonly cve: string
  /** First releases with the fix, one for each line of releases, oldest first. */
  readonly fixed: readonly string[]
  /** Whether a job of Sallyport could use it; else it is a warning. */
  readonly reachesJobs: boolean
  readonly source: string
}

/** What lets a container out through its runtime. The sources say which releases have the fix. */
const RUNC: readonly Escape[] = [
  { cve: 'CVE-2019-5736', fixed: ['1.0.0-rc7'], reachesJobs: true, source: 'https://www.openwall.com/lists/oss-security/2019/02/11/2' },
  {
    cve: 'CVE-2024-21626',
    fixed: ['1.1.12'],
    reachesJobs: true,
    source: 'https://github.com/opencontainers/runc/security/advisories/GHSA-xr7r-f8xq-vfvv',
  },
  // Races in `runc create` and `exec` against code in the container: here none of a job exists before `create` has ended, and steps are not started by runc.
  ...(['CVE-2025-31133', 'CVE-2025-52565', 'CVE-2025-52881'] as const).map((cve) => ({
    cve,
    fixed: ['1.2.8', '1.3.3', '1.4.0-rc.3'],
    reachesJobs: false,
    source: 'https://seclists.org/oss-sec/2025/q4/138',
  })),
]

/** crun has never had a release with the flaw of 2019 since 0.3; those of 2025 do not work against it (https://github.com/containers/crun/issues/1906, /615). */
const CRUN: readonly Escape[] = [
  { cve: 'CVE-2019-5736', fixed: ['0.3'], reachesJobs: true, source: 'https://github.com/containers/crun/issues/615' },
]

export interface RuntimeVersion {
  readonly name: string
  /** What the program says of itself; null when it is not installed. */
  readonly version: string | null
}

export function runtimeVersions(view: HostView, runtimes: readonly RuntimeVersion[]): readonly HostFinding[] {
  return runtimes.flatMap(({ name, version }) => (version === null ? [] : [runtimeFinding(view, name, version)]))
}

function runtimeFinding(view: HostView, name: string, said: string): HostFinding {
  const named = { group: 'container runtimes', name } as const
  const version = /(\d+(?:\.\d+)+(?:-rc\.?\d+)?)/.exec(said)?.[1]
  const known = name === 'runc' ? RUNC : name === 'crun' ? CRUN : null
  if (known === null || version === undefined)
    return found(`runtime:${name}`, named, {
      state: 'unknown',
      text: `${said.slice(0, 100)}: nobody has told this check about it`,
      fix: null,
    })
  const changes = packageChanges(view, name)
  const open = known.filter(({ cve, fixed }) => !hasFix(version, fixed) && !changes.includes(cve))
  const text = `${version}${changes === '' ? '' : ', a package of the distribution'}`
  if (open.length === 0)
    return found(`runtime:${name}`, named, { state: 'ok', text: `${text}: ${known.map(({ cve }) => cve).join(', ')} repaired`, fix: null })
  const state = open.some(({ reachesJobs }) => reachesJobs) ? 'missing' : 'warning'
  const unknown = changes === '' ? '' : ", as far as the package's changelog tells"
  const sources = [...new Set(open.map(({ source }) => source))].join(' ')
  const first = [...new Set(open.flatMap(({ fixed }) => fixed))].join(', ')
  return found(`runtime:${name}`, named, {
    state,
    text: `${text}: ${open.map(({ cve }) => cve).join(', ')} not repaired${unknown}${state === 'missing' ? '' : '; races that no code of a job can take part in'}`,
    fix: `apt-get install --only-upgrade ${name}, or a release with the fix (${first}): ${sources}`,
  })
}

/** The newest line of releases has it from its first fixed one on; an older line from its own. */
function hasFix(version: string, fixed: readonly string[]): boolean {
  const line = (text: string): string => text.split('.').slice(0, 2).join('.')
  const own = fixed.find((first) => line(first) === line(version))
  return compareVersions(version, own ?? fixed.at(-1) ?? '') >= 0
}

const CHANGELOG_BYTES_MAX = 8 << 20

/**
 * Distributions repair without a new upstream version. The changelog that came with the package names each repair (Debian policy 12.7); empty where no package
 * is installed, or its changelog is left out.
 */
function packageChanges(view: HostView, name: string): string {
  const packed = view.bytes(`/usr/share/doc/${name}/changelog.Debian.gz`)
  if (packed === null) return ''
  try {
    return gunzipSync(packed, { maxOutputLength: CHANGELOG_BYTES_MAX }).toString('utf8')
  } catch (error) {
    // Too long, or no gzip: then nothing is known of repairs.
    if (error instanceof Error && 'code' in error) return ''
    throw error
  }
}
