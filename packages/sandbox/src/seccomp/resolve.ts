// SPDX-License-Identifier: Apache-2.0
import type { Architecture, ArgumentSwitch, Decision, SeccompProfile } from './model.ts'
import { SYSCALLS_ARM64 } from './syscall-table.arm64.ts'
import { SYSCALLS_X64 } from './syscall-table.x64.ts'

export const SYSCALLS: Readonly<Record<Architecture, Readonly<Record<string, number>>>> = { x64: SYSCALLS_X64, arm64: SYSCALLS_ARM64 }

/**
 * The decision of every call of the profile that the architecture has, by name.
 * @throws TypeError for a name that no table knows (a typing error would silently refuse a call), one in two groups, or a switch that
 * cannot be compiled.
 */
export function resolveProfile(profile: SeccompProfile, architecture: Architecture): ReadonlyMap<string, Decision> {
  const table = SYSCALLS[architecture]
  const seen = new Set<string>()
  const decisions = new Map<string, Decision>()
  for (const [name, decision] of decisionsOf(profile)) {
    if (!Object.values(SYSCALLS).some((known) => Object.hasOwn(known, name)))
      throw new TypeError(`Unknown system call "${name}" in the profile`)
    if (seen.has(name)) throw new TypeError(`System call "${name}" stands in the profile twice`)
    seen.add(name)
    if (typeof decision !== 'string') assertSwitch(name, decision, [])
    if (Object.hasOwn(table, name)) decisions.set(name, decision)
  }
  return decisions
}

function* decisionsOf(profile: SeccompProfile): Generator<[string, Decision]> {
  for (const { calls } of profile.allow) for (const name of calls) yield [name, 'allow']
  for (const { calls, decision } of profile.conditional) for (const name of calls) yield [name, decision]
  for (const { calls, errno } of profile.refuse) for (const name of calls) yield [name, errno]
}

function assertSwitch(name: string, node: ArgumentSwitch, above: readonly number[]): void {
  const values = node.cases.flatMap((each) => each.values)
  if (values.length === 0) throw new TypeError(`A switch of "${name}" has no value`)
  if (new Set(values).size !== values.length) throw new TypeError(`A switch of "${name}" has a value twice`)
  if (node.mask !== BigInt.asUintN(64, node.mask)) throw new TypeError(`A mask of "${name}" has more than 64 bits`)
  if (values.some((value) => (value & node.mask) !== value)) throw new TypeError(`A value of "${name}" has bits outside its mask`)
  if (above.includes(node.argument)) throw new TypeError(`Argument ${node.argument} of "${name}" is looked at twice on one path`)
  for (const next of [...node.cases.map((each) => each.then), node.otherwise]) {
    if (typeof next !== 'string') assertSwitch(name, next, [...above, node.argument])
  }
}
