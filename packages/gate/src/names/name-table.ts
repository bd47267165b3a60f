// SPDX-License-Identifier: Apache-2.0
import { relayAddress } from '@sallyport/core'
import type { StepDoors } from '../contract.ts'
import type { Names } from '../ports.ts'

/** A build asks for dozens. More is a job that writes data into names below a suffix rule. */
const NAMES_OF_STEP_MAX = 4096

/** Third octets 0 to 254 of 198.19.0.0/16 (255 is the relays'), without .0 and .255, which some software takes for a network and a broadcast. */
const HOSTS_A_BLOCK = 254
const ADDRESSES = 255 * HOSTS_A_BLOCK

interface StepNames {
  readonly addresses: Map<string, string>
  readonly names: Map<string, string>
}

/**
 * Synthetic addresses: each stands for one name, for one step. The address of a step that has ended stands for nothing and is given out again only after every
 * other one was used, so that a connection that a leftover process makes late meets a void address and not another name's.
 */
export class NameTable implements Names {
  readonly #steps = new Map<string, StepNames>()
  readonly #void: string[] = []
  #used = 0

  /** Before the step's first question; its relays' names keep their fixed addresses. Call `forget` when its doors shut. */
  open(doors: Pick<StepDoors, 'step' | 'relays'>): void {
    const addresses = new Map<string, string>()
    const names = new Map<string, string>()
    for (const { index, name } of doors.relays) {
      const address = relayAddress(index)
      // a name with two UDP ports has two relays; its first is what the name resolves to
      if (!addresses.has(name)) addresses.set(name, address)
      names.set(address, name)
    }
    this.#steps.set(doors.step, { addresses, names })
  }

  /** Null also for a step that is not open. */
  addressOf(step: string, name: string): string | null {
    const known = this.#steps.get(step)
    if (known === undefined) return null
    const given = known.addresses.get(name)
    if (given !== undefined) return given
    if (known.addresses.size >= NAMES_OF_STEP_MAX) return null
    const address = this.#take()
    if (address === null) return null
    known.addresses.set(name, address)
    known.names.set(address, name)
    return address
  }

  nameOf(step: string, address: string): string | null {
    return this.#steps.get(step)?.names.get(address) ?? null
  }

  forget(step: string): void {
    const known = this.#steps.get(step)
    if (known === undefined) return
    this.#steps.delete(step)
    for (const address of known.names.keys()) if (!address.startsWith('198.19.255.')) this.#void.push(address)
  }

  #take(): string | null {
    if (this.#used === ADDRESSES) return this.#void.shift() ?? null
    const index = this.#used
    this.#used += 1
    return `198.19.${Math.floor(index / HOSTS_A_BLOCK)}.${1 + (index % HOSTS_A_BLOCK)}`
  }
}
