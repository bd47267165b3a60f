// SPDX-License-Identifier: Apache-2.0
import { type Decision, decideName, type Refusal } from '@sallyport/access'
import { JOB_NETWORK } from '@sallyport/core'
import type { Names, OpenStep } from '../ports.ts'
import type { NameJudge, NameVerdict } from './answer.ts'

/** A build resolves a name or two a connection; a burst is a parallel download of many packages. */
const QUESTIONS_A_SECOND = 200
const QUESTIONS_BURST = 1000
/** More different names than this are no misspelt rule: somebody writes data into names. */
const REFUSED_NAMES_MAX = 256

/** What one step has asked so far: its judge, its rate, and the bound of what is reported about it. */
export class StepQuestions implements NameJudge {
  readonly #step: OpenStep
  readonly #names: Names
  readonly #refused = new Set<string>()
  readonly #alerted = new Set<string>()
  #tokens = QUESTIONS_BURST
  #filledAt: number

  constructor(step: OpenStep, names: Names, nowMs: number) {
    this.#step = step
    this.#names = names
    this.#filledAt = nowMs
  }

  /** False beyond the rate: the question gets no answer. `nowMs`: of a clock that never goes back. */
  admit(nowMs: number): boolean {
    this.#tokens = Math.min(QUESTIONS_BURST, this.#tokens + ((nowMs - this.#filledAt) * QUESTIONS_A_SECOND) / 1000)
    this.#filledAt = nowMs
    if (this.#tokens < 1) {
      this.#alertOnce(`more than ${QUESTIONS_A_SECOND} DNS questions a second`)
      return false
    }
    this.#tokens -= 1
    return true
  }

  judge(name: string): NameVerdict {
    const { doors, report } = this.#step
    const refusal = this.#isOfTokens(name) ? null : refusalOf(decideName(doors.sets, name))
    if (refusal !== null) {
      if (this.#isReported(name)) report.refused(refusal)
      return { kind: 'refused', reason: inBand(refusal) }
    }
    const address = this.#names.addressOf(doors.step, name)
    if (address !== null) return { kind: 'address', address }
    this.#alertOnce('more different allowed names than a step may have')
    return { kind: 'exhausted' }
  }

  #isOfTokens(name: string): boolean {
    return this.#step.doors.asksTokens === true && name === JOB_NETWORK.tokenHost
  }

  nameOf(address: string): string | null {
    return this.#names.nameOf(this.#step.doors.step, address)
  }

  refuseMalformed({ target, reason }: { readonly target: string; readonly reason: string }): void {
    if (this.#isReported(target)) this.#step.report.refused({ code: 'malformed', target, reason, rule: null, remedy: null })
  }

  #isReported(name: string): boolean {
    if (this.#refused.has(name)) return true
    if (this.#refused.size >= REFUSED_NAMES_MAX) {
      this.#alertOnce(`more than ${REFUSED_NAMES_MAX} different refused names`)
      return false
    }
    this.#refused.add(name)
    return true
  }

  #alertOnce(detail: string): void {
    if (this.#alerted.has(detail)) return
    this.#alerted.add(detail)
    this.#step.report.alert('name-flood', detail, null)
  }
}

function refusalOf(decision: Decision): Refusal | null {
  return decision.allowed ? null : decision.refusal
}

function inBand({ reason, remedy }: Refusal): string {
  return remedy === null ? reason : `${reason}; ${remedy}`
}
