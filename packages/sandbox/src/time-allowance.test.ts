// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TimeAllowance } from './time-allowance.ts'

class Clock {
  ms = 1000

  readonly now = (): number => this.ms

  /** How much work of this length is done before the first that is not. */
  workOf(lengthMs: number, allowance: TimeAllowance): number {
    for (let done = 0; done < 10_000; done += 1) if (allowance.spend(() => (this.ms += lengthMs)) === null) return done
    return assert.fail('there is no end of it')
  }
}

test('work is done until it has taken half a second, and then a fifth of the time', () => {
  const clock = new Clock()
  const allowance = new TimeAllowance(clock.now)
  // While it is done, more of the time comes to be.
  assert.equal(clock.workOf(60, allowance), 11)
  clock.ms += 1000
  assert.ok(clock.workOf(60, allowance) <= 5)
  clock.ms += 3600e3
  assert.equal(clock.workOf(60, allowance), 11)
})

test('quick work is hardly ever refused', () => {
  const clock = new Clock()
  assert.ok(clock.workOf(1, new TimeAllowance(clock.now)) > 500)
})

test('work that fails counts as well', () => {
  const clock = new Clock()
  const allowance = new TimeAllowance(clock.now)
  const fail = (): never => {
    clock.ms += 2000
    throw new Error('failed')
  }
  assert.throws(() => allowance.spend(fail), /failed/)
  assert.equal(
    allowance.spend(() => 'done'),
    null,
  )
})
