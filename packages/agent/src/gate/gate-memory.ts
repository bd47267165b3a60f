// SPDX-License-Identifier: Apache-2.0
import { readdirSync, readFileSync } from 'node:fs'

/** Parents looked at until one is this process: gate, keeper, supervisor. */
const DEPTH_MAX = 8

/** Resident bytes of the gate processes that descend from this one, by their program; null when there is none, e.g. because /proc hides it. */
export function gateResidentBytes(argv: readonly string[]): number | null {
  const program = argv.join('\0')
  const sizes = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => read(pid, 'cmdline').startsWith(program) && descendsFromUs(pid))
    .map((pid) => Number(/^VmRSS:\s+(\d+) kB$/m.exec(read(pid, 'status'))?.[1] ?? 0) * 1024)
  return sizes.length === 0 ? null : Math.max(...sizes)
}

function descendsFromUs(pid: string): boolean {
  let current = pid
  for (let depth = 0; depth < DEPTH_MAX; depth++) {
    if (Number(current) === process.pid) return true
    current = /^PPid:\s+(\d+)$/m.exec(read(current, 'status'))?.[1] ?? '0'
  }
  return false
}

function read(pid: string, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    // It ended meanwhile, and is none of those that are looked for.
    return ''
  }
}
