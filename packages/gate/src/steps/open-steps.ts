// SPDX-License-Identifier: Apache-2.0
import { setMaxListeners } from 'node:events'
import type { FromGate, StepDoors, Substitution } from '../contract.ts'
import type { Meter, MeteredDoor, OpenStep } from '../ports.ts'
import type { Budgets } from './budgets.ts'
import { DoorMeter } from './door-meter.ts'
import { DoorReport } from './door-report.ts'

/** `OpenStep`, with what only the gate's own parts need. */
export interface Step extends OpenStep {
  readonly report: DoorReport
  /** Ended with the step, beside its signal: signals get slow with thousands of listeners. */
  readonly endings: Set<() => void>
  meter(door: MeteredDoor): Meter
}

/** The steps whose doors are open, by the address that their packets come from. */
export class OpenSteps {
  readonly #budgets: Budgets
  readonly #say: (message: FromGate) => void
  readonly #bySource = new Map<string, { readonly step: Step; readonly abort: AbortController; readonly substitutions: Substitution[] }>()

  constructor(budgets: Budgets, say: (message: FromGate) => void) {
    this.#budgets = budgets
    this.#say = say
  }

  /** @throws TypeError when its source or name is in use: two steps could not be told apart. */
  open(doors: StepDoors): Step {
    for (const { step } of this.#bySource.values()) {
      if (step.doors.source === doors.source || step.doors.step === doors.step) throw new TypeError('a step that is open already')
    }
    const abort = new AbortController()
    setMaxListeners(0, abort.signal)
    const report = new DoorReport(doors.step, this.#say)
    const meter = (door: MeteredDoor): Meter => new DoorMeter(door, this.#budgets, report)
    // The doors' own list: it is read anew for each request.
    const substitutions = [...doors.substitutions]
    const step: Step = { doors: { ...doors, substitutions }, signal: abort.signal, report, endings: new Set(), meter }
    this.#bySource.set(doors.source, { step, abort, substitutions })
    return step
  }

  /** Null where no step's doors are open. */
  of(source: string): Step | null {
    return this.#bySource.get(source)?.step ?? null
  }

  /** False when it is not open. @throws TypeError where it awaits none: what is answered was not searched until now. */
  substitute(name: string, substitution: Substitution): boolean {
    const found = this.#bySource.values().find(({ step }) => step.doors.step === name)
    if (found === undefined) return false
    if (found.step.doors.awaitsSubstitutions !== true) throw new TypeError('a step that awaits no substitutions')
    found.substitutions.push(substitution)
    return true
  }

  /** Shuts the doors: when this returns, every connection of the step is being closed. @throws TypeError when it is not open. */
  close(name: string): Step {
    const found = this.#bySource.values().find(({ step }) => step.doors.step === name)
    if (found === undefined) throw new TypeError('a step that is not open')
    const { step, abort } = found
    this.#bySource.delete(step.doors.source)
    abort.abort()
    for (const end of step.endings) end()
    step.endings.clear()
    return step
  }
}
