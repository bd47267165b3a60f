// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RefusedError } from '../ports.ts'
import { rule } from '../relay/_gate-world.ts'
import { Budgets } from './budgets.ts'

const isBudget = (error: unknown): boolean => error instanceof RefusedError && error.refusal.code === 'budget'
const NO = { bytesOut: null, bytesIn: null, bytesPerSecond: null }
const at = (budget: Partial<typeof NO> | Record<string, number>, line = 3): ReturnType<typeof rule> =>
  rule({ to: 'a.test', port: 443, budget: { ...NO, ...budget }, origin: { source: 'f', line, column: 1, text: 'a.test' } })

test('a budget is one over every connection under the rule, wherever the rule came from', () => {
  const budgets = new Budgets(null)
  const [first, second] = [budgets.account([at({ bytesOut: 10 })], 'a'), budgets.account([structuredClone(at({ bytesOut: 10 }))], 'a')]
  assert.equal(first(6, 1000), 0)
  assert.throws(() => second(5, 0), isBudget)
  assert.equal(second(4, 0), 0, 'what was refused was not taken')
  assert.throws(() => first(1, 0), isBudget)
  assert.equal(budgets.account([at({ bytesOut: 10 }, 4)], 'a')(10, 0), 0, 'another rule')
})

test('what goes out is taken from the budget of each rule, and where one is used up from none', () => {
  const budgets = new Budgets(null)
  const [request, ceiling] = [at({ bytesOut: 100 }), at({ bytesOut: 10 }, 9)]
  assert.equal(budgets.account([request, ceiling], 'a')(8, 0), 0)
  assert.throws(() => budgets.account([request, ceiling], 'a')(3, 0), isBudget)
  assert.equal(budgets.account([request], 'a')(92, 0), 0, 'what was refused was not taken')
  assert.throws(() => budgets.account([null, ceiling], 'a')(3, 0), isBudget)
})

test('what comes in has a budget of its own', () => {
  const take = new Budgets(null).account([at({ bytesIn: 10 })], 'a')
  assert.equal(take(1000, 10), 0)
  assert.throws(() => take(0, 1), isBudget)
})

test('the budget of the job is over all rules, and over what has none', () => {
  const budgets = new Budgets(10)
  assert.equal(budgets.account([null], 'a')(5, 100), 0)
  assert.throws(() => budgets.account([at({})], 'a')(6, 0), isBudget)
  assert.equal(budgets.account([at({ bytesOut: 5 })], 'a')(5, 0), 0)
  assert.throws(() => budgets.account([null], 'a')(1, 0), isBudget)
})

test('a rate lets a tenth of a second through at once, then makes wait for each byte', () => {
  let now = 1000
  const take = new Budgets(null, () => now).account([at({ bytesPerSecond: 1000 })], 'a')
  assert.equal(take(100, 0), 0)
  assert.equal(take(50, 50), 100)
  now += 100
  assert.equal(take(1, 0), 1)
  now += 60_000
  assert.equal(take(100, 0), 0, 'what was not used is not saved')
  assert.equal(take(100, 0), 100)
})
