// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { evaluateExpression } from './evaluate-expression.ts'
import type { Json } from './json.ts'
import { WorkflowError } from './problem.ts'

function messageOf(expression: string, contexts: { readonly [name: string]: Json } = {}): string {
  try {
    evaluateExpression(expression, contexts)
  } catch (error) {
    assert.ok(error instanceof WorkflowError, String(error))
    assert.equal(error.code, 'EXPRESSION_INVALID')
    return error.message
  }
  return assert.fail(`${expression} was accepted`)
}

describe('an expression', () => {
  it('finds names whatever their case, except in env', () => {
    const contexts = { github: { Event_Name: 'push' }, env: { Path: 'a', PATH: 'b' } }
    assert.equal(evaluateExpression('GitHub.event_name', contexts), 'push')
    assert.equal(evaluateExpression("format('{0}{1}{2}', env.Path, env.PATH, env.path)", contexts), 'ab')
  })

  it('gives null for what does not exist, at any depth', () => {
    assert.equal(evaluateExpression('a.b.c.d[3]', { a: {} }), null)
    assert.equal(evaluateExpression('a.__proto__.constructor', { a: {} }), null)
  })

  it('keeps names that every JavaScript object answers to', () => {
    const a = JSON.parse('{"__proto__": {"x": 1}, "constructor": 2, "toString": 3}') as Json
    assert.equal(evaluateExpression('a.__proto__.x', { a }), 1)
    assert.equal(evaluateExpression('a.constructor', { a }), 2)
    assert.deepEqual(JSON.parse(String(evaluateExpression('toJSON(a)', { a }))), a)
    assert.deepEqual(evaluateExpression('fromJSON(toJSON(a))', { a }), a)
  })

  it('names the place, the mistake and the right name', () => {
    assert.equal(messageOf("'a' == stesp.x", { steps: {} }), '<expression>:1:8: there is no context "stesp" (did you mean "steps"?)')
    assert.match(messageOf('constructor()'), /^<expression>:1:1: there is no function "constructor"/)
    assert.match(messageOf("a\n && 'b\n' && nope", { a: 1 }), /^<expression>:1:15: there is no context "nope"/)
  })

  it('reads strings with several quotes', () => {
    assert.equal(evaluateExpression("'it''s o''clock'", {}), "it's o'clock")
  })

  it('calls the functions of its caller with plain values', () => {
    const seen: Json[][] = []
    const hashFiles = (...args: Json[]): Json => {
      seen.push(args)
      return 'hash'
    }
    assert.equal(evaluateExpression("format('{0}!', hashFiles('a', github.x))", { github: { x: [1] } }, { hashFiles }), 'hash!')
    assert.deepEqual(seen, [['a', [1]]])
  })

  it('lets what a function throws pass untouched, also out of nested brackets', () => {
    const signal = Symbol('later')
    const hashFiles = (): never => {
      throw signal
    }
    for (const expression of ["hashFiles('x')", "a[b[hashFiles('x')]]", "format('{0}', a.*[hashFiles('x')])"]) {
      assert.throws(
        () => evaluateExpression(expression, { a: [], b: {} }, { hashFiles }),
        (error) => error === signal,
      )
    }
  })

  it('compares objects by identity', () => {
    assert.equal(evaluateExpression('a == a && a.b == a.b && a != fromJSON(toJSON(a))', { a: { b: [1] } }), true)
  })
})

describe('an expression over hostile values', () => {
  const large = 'x'.repeat(2 ** 20)

  it('makes at most 10 MiB of text', () => {
    assert.match(messageOf(`format('${'{0}'.repeat(11)}', a)`, { a: large }), /more than 10 MiB/)
    assert.match(messageOf('join(a, b)', { a: Array(100_000).fill(0), b: 'x'.repeat(1000) }), /more than 10 MiB/)
    assert.match(messageOf(`toJSON(fromJSON(format('[${'{0},'.repeat(9)}0]', a)))`, { a: `"${large}"` }), /more than 10 MiB/)
    const nested = Array.from({ length: 12 }).reduce<string>((inner) => `format('{0}{0}{0}{0}{0}{0}{0}{0}', ${inner})`, 'a')
    assert.match(messageOf(nested, { a: 'abc' }), /more than 10 MiB/)
  })

  it('reads a bounded amount of text and values', () => {
    assert.match(messageOf(`!contains(a, 'y')${" && !contains(a, 'y')".repeat(500)}`, { a: large }), /reads more than 256 MiB/)
    assert.match(
      messageOf(`fromJSON(a)${' && fromJSON(a)'.repeat(60)}`, { a: JSON.stringify(Array(100_000).fill(0)) }),
      /looks at more than/,
    )
  })

  it('refuses values that are nested too deeply, and chains that are too long', () => {
    assert.match(messageOf('fromJSON(a)', { a: '['.repeat(1_000_000) + ']'.repeat(1_000_000) }), /nested more than 100 levels/)
    assert.match(messageOf(`a${' == a'.repeat(4000)}`, { a: 1 }), /too deep or too large/)
    assert.match(messageOf('fromJSON(a)', { a: '{' }), /not valid JSON/)
  })

  it('gives back every JSON value through toJSON and fromJSON', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), (value) => {
        const text = JSON.stringify(value)
        assert.deepEqual(evaluateExpression('fromJSON(toJSON(fromJSON(text)))', { text }), JSON.parse(text))
      }),
    )
  })

  it('never fails in another way than with a problem of its own', () => {
    const part = fc.constantFrom(
      'a',
      '.b',
      '[0]',
      '.*',
      "['c']",
      '(',
      ')',
      ' == ',
      ' && ',
      ' || ',
      '!',
      ',',
      "'x'",
      '1',
      'format(',
      'join(',
      'toJSON(',
      'fromJSON(',
      'contains(',
      'case(',
      'true',
      "''",
      ' ',
      '"',
      '-',
    )
    const contexts = { a: { b: ['x', { c: [null, 1] }], c: 'y' } }
    fc.assert(
      fc.property(fc.array(part, { maxLength: 15 }), (parts) => {
        try {
          evaluateExpression(parts.join(''), contexts)
        } catch (error) {
          assert.ok(error instanceof WorkflowError, String(error))
        }
      }),
      { numRuns: 5000 },
    )
  })
})
