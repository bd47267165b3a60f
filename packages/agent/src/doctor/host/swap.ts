// SPDX-License-Identifier: Apache-2.0
import { posix } from 'node:path'
import type { HostFinding } from '../../contract.ts'
import { found } from './finding.ts'
import type { HostView } from './host-view.ts'

const NAMED = { group: 'memory', name: 'swap' } as const

/** Jobs get none. The memory of the supervisor, which has held secrets, can reach it. */
export function swap(view: HostView): HostFinding {
  const areas = (view.text('/proc/swaps') ?? '')
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.split(/\s+/)[0] ?? '')
  if (areas.length === 0) return found('swap', NAMED, { state: 'ok', text: 'none', fix: null })
  const open = areas.filter((area) => !isSafe(view, area))
  if (open.length === 0) return found('swap', NAMED, { state: 'ok', text: `${areas.join(', ')}: encrypted, or in memory`, fix: null })
  const fix = `swapoff ${open.join(' ')}, or encrypt it with a key made at each boot (crypttab: swap … /dev/urandom swap)`
  return found('swap', NAMED, { state: 'warning', text: `${open.join(', ')}: not known to be encrypted`, fix })
}

/** The device mapper's name for what cryptsetup made begins with `CRYPT-`; zram is compressed memory. */
function isSafe(view: HostView, area: string): boolean {
  const name = posix.basename(area.startsWith('/dev/mapper/') ? (view.link(area) ?? area) : area)
  return name.startsWith('zram') || (view.text(`/sys/block/${name}/dm/uuid`) ?? '').startsWith('CRYPT-')
}
