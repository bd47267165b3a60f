// SPDX-License-Identifier: Apache-2.0
import type { HostFinding } from '../../contract.ts'

/** What is asked of a host, and what was found: `fix` is an exact command, or the file and line to change. */
export function found(id: string, { group, name }: Named, { state, text, fix }: Answer): HostFinding {
  return { id, group, name, state, found: text, fix: state === 'ok' ? null : fix }
}

export interface Named {
  readonly group: HostFinding['group']
  readonly name: string
}

export interface Answer {
  readonly state: HostFinding['state']
  readonly text: string
  readonly fix: string | null
}
