// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ExpressionScope } from './evaluate-expression.ts'
import {
  evaluateCondition,
  evaluateTemplate,
  evaluateToBoolean,
  evaluateToNumber,
  evaluateToString,
  evaluateToStrings,
} from './evaluate-template.ts'
import type { ConditionPlan, TemplateNode } from './plan.ts'
import { WorkflowError } from './problem.ts'

const at = { file: 'f.yml', line: 3, column: 5 }
const literal = (value: string | number | boolean | null): TemplateNode => ({ kind: 'literal', value, at })
const expression = (text: string): TemplateNode => ({ kind: 'expression', expression: text, at })
const mapping = (...entries: [TemplateNode | string, TemplateNode][]): TemplateNode => ({
  kind: 'mapping',
  entries: entries.map(([key, value]) => ({ key: typeof key === 'string' ? literal(key) : key, value })),
  at,
})
const scope: ExpressionScope = { contexts: { github: { ref: 'main', list: [1, 2] }, vars: { EXTRA: '{"b": 2, "__proto__": 3}' } } }

describe('a template', () => {
  it('becomes plain data', () => {
    const node = mapping(
      ['a', { kind: 'sequence', items: [literal(1), expression('github.ref')], at }],
      [expression("format('k{0}', 1)"), literal(null)],
    )
    assert.deepEqual(evaluateTemplate(node, scope), { a: [1, 'main'], k1: null })
  })

  it('takes in the items of a list that an expression gives among others', () => {
    const nested: TemplateNode = { kind: 'sequence', items: [literal(8)], at }
    const node: TemplateNode = { kind: 'sequence', items: [literal(0), expression('github.list'), nested, expression('github.ref')], at }
    assert.deepEqual(evaluateTemplate(node, scope), [0, 1, 2, [8], 'main'])
  })

  it('takes in the entries of an inserted mapping, under any name', () => {
    const value = evaluateTemplate(mapping(['a', literal(1)], [expression('insert'), expression('fromJSON(vars.EXTRA)')]), scope)
    assert.deepEqual(Object.entries(value as object), [
      ['a', 1],
      ['b', 2],
      ['__proto__', 3],
    ])
    assert.equal(Object.getPrototypeOf(value), Object.prototype)
  })

  it('refuses a key that comes twice, and an insert of something else', () => {
    assert.throws(
      () => evaluateTemplate(mapping(['B', literal(1)], [expression('insert'), expression('fromJSON(vars.EXTRA)')]), scope),
      /f.yml:3:5: the key "b" is set twice/,
    )
    assert.throws(() => evaluateTemplate(mapping([expression('insert'), expression('github.list')]), scope), /insert was given a list/)
  })

  it('names the place of the node in its errors', () => {
    assert.throws(
      () => evaluateToString(expression('nope.x'), scope),
      (error) => error instanceof WorkflowError && error.problems[0]?.at === at,
    )
  })
})

describe('a value as text', () => {
  it('is written as GitHub writes it', () => {
    const texts = [literal(null), literal(true), literal(1.5), literal(-0), literal(1e21), expression('null'), expression('0.1')]
    assert.deepEqual(
      texts.map((node) => evaluateToString(node, scope)),
      ['', 'true', '1.5', '0', '1e+21', '', '0.1'],
    )
  })

  it('cannot be a list or a mapping', () => {
    assert.throws(
      () => evaluateToString(expression('github.list'), scope),
      /text was expected, not a list \(write it with toJSON or join\)/,
    )
  })

  it('keeps the names and order of env and with', () => {
    assert.deepEqual(
      [...evaluateToStrings(mapping(['b', literal(1)], ['a', expression('github.ref')]), scope)],
      [
        ['b', '1'],
        ['a', 'main'],
      ],
    )
    assert.deepEqual(
      [...evaluateToStrings(expression('fromJSON(vars.EXTRA)'), scope)],
      [
        ['b', '2'],
        ['__proto__', '3'],
      ],
    )
    assert.equal(evaluateToStrings(null, scope).size, 0)
    assert.throws(() => evaluateToStrings(expression('github.list'), scope), /a mapping of names to text/)
  })
})

describe('a boolean or number', () => {
  it('has to be one: text is not read as such', () => {
    assert.equal(evaluateToBoolean(expression("github.ref == 'main'"), scope), true)
    assert.equal(evaluateToNumber(expression("fromJSON('5')"), scope), 5)
    assert.throws(() => evaluateToBoolean(expression("'true'"), scope), /true or false was expected, not "true"/)
    assert.throws(() => evaluateToNumber(expression("'5'"), scope), /a number was expected/)
  })
})

describe('a condition', () => {
  const condition = (text: string, callsStatusFunction = false): ConditionPlan => ({ expression: text, callsStatusFunction, at })
  const after = (success: boolean): ExpressionScope => ({
    ...scope,
    functions: { success: () => success, failure: () => !success, always: () => true },
  })

  it('asks for success first, unless it asks for a status itself', () => {
    assert.equal(evaluateCondition(null, after(true)), true)
    assert.equal(evaluateCondition(null, after(false)), false)
    assert.equal(evaluateCondition(condition("github.ref == 'main'"), after(false)), false)
    assert.equal(evaluateCondition(condition("github.ref == 'main'"), after(true)), true)
    assert.equal(evaluateCondition(condition("github.ref == 'main' && failure()", true), after(false)), true)
  })

  it('holds for every value but null, false, zero and empty text', () => {
    for (const text of ["'x'", '1', 'github.list', 'github']) assert.equal(evaluateCondition(condition(text), after(true)), true, text)
    for (const text of ["''", '0', 'null', 'false', 'github.none'])
      assert.equal(evaluateCondition(condition(text), after(true)), false, text)
  })
})
