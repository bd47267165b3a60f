// SPDX-License-Identifier: Apache-2.0
import type { RuleSet } from '@sallyport/access'
import { JOB_NETWORK } from '@sallyport/core'
import type { StepDoors } from '@sallyport/gate'
import { SandboxError } from '@sallyport/sandbox'

/**
 * Datagrams have no connection whose destination the gate could ask for: each (name, port) that a step asks for by UDP has a socket of its own.
 * Whether every set allows it is the gate's to decide.
 *
 * @throws SandboxError SANDBOX_INPUT when the step asks for more than there are.
 */
export function relaysOf(sets: readonly RuleSet[]): StepDoors['relays'] {
  const wanted = new Map<string, { name: string; port: number }>()
  for (const { name, port } of udpDestinations(sets)) {
    wanted.set(`${name}:${port}`, { name, port })
    if (wanted.size > JOB_NETWORK.relaysMax) {
      throw new SandboxError(
        'SANDBOX_INPUT',
        `Cannot open the doors of the step: it asks for more than ${JOB_NETWORK.relaysMax} UDP destinations`,
        { hint: 'Name fewer hosts and ports with "protocol: udp", or give them to the steps that need them' },
      )
    }
  }
  return [...wanted.values()].map((destination, index) => ({ index, ...destination }))
}

function* udpDestinations(sets: readonly RuleSet[]): Generator<{ name: string; port: number }> {
  for (const { author, rules } of sets) {
    if (author !== 'request') continue
    for (const { protocol, to, ports } of rules) {
      if (protocol !== 'udp' || to.kind !== 'name' || to.pattern.kind !== 'exact') continue
      for (const { first, last } of ports) for (let port = first; port <= last; port++) yield { name: to.pattern.name, port }
    }
  }
}
