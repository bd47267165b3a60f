// SPDX-License-Identifier: Apache-2.0
import type { HostFinding } from '../../contract.ts'
import { found } from './finding.ts'
import type { HostView } from './host-view.ts'

const FLAWS = '/sys/devices/system/cpu/vulnerabilities'
const GROUP = 'processor'

/** What the kernel says itself about each known flaw (Documentation/admin-guide/hw-vuln of its source). */
export function processor(view: HostView): readonly HostFinding[] {
  const flaws = view.names(FLAWS).map((name) => ({ name, says: view.text(`${FLAWS}/${name}`)?.trim() ?? '' }))
  return [flawFinding(flaws), threadsFinding(view, flaws)]
}

interface Flaw {
  readonly name: string
  readonly says: string
}

function flawFinding(flaws: readonly Flaw[]): HostFinding {
  const named = { group: GROUP, name: 'mitigations of known flaws' } as const
  const open = flaws.filter(({ says }) => says.startsWith('Vulnerable') || says.includes('; Vulnerable'))
  if (flaws.length === 0) return found('cpu-flaws', named, { state: 'unknown', text: 'this kernel does not tell', fix: null })
  if (open.length === 0)
    return found('cpu-flaws', named, { state: 'ok', text: `${flaws.length} flaws: not affected, or mitigated`, fix: null })
  const text = open.map(({ name, says }) => `${name}: ${says.slice(0, 120)}`).join('; ')
  const fix =
    'install the microcode package (intel-microcode, amd64-microcode) and a current kernel, and boot without mitigations=off; in a virtual machine the host has to'
  return found('cpu-flaws', named, { state: 'warning', text, fix })
}

/** Two threads of a core share buffers: where the kernel says so, a job can read what another one's thread leaves. */
function threadsFinding(view: HostView, flaws: readonly Flaw[]): HostFinding {
  const named = { group: GROUP, name: 'threads that share a core (SMT)' } as const
  const active = view.text('/sys/devices/system/cpu/smt/active')?.trim()
  if (active === undefined) return found('smt', named, { state: 'unknown', text: 'this kernel does not tell', fix: null })
  if (active === '0') return found('smt', named, { state: 'ok', text: 'off', fix: null })
  const leaks = flaws.filter(({ says }) => /SMT (vulnerable|Host state unknown)/.test(says)).map(({ name }) => name)
  if (leaks.length === 0) return found('smt', named, { state: 'ok', text: 'on; the kernel names no flaw that needs it off', fix: null })
  const fix = 'boot with mitigations=auto,nosmt, or run one job at a time (--jobs 1)'
  return found('smt', named, { state: 'warning', text: `on, and ${leaks.join(', ')} leak between the threads`, fix })
}
