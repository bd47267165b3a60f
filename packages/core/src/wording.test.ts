// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { editDistance, nearest, quote, suggest } from './wording.ts'

describe('a suggestion', () => {
  it('names the candidate that is one typing error away, whatever its case and dashes', () => {
    assert.equal(nearest('biuld', ['test', 'build']), 'build')
    assert.equal(nearest('runs_on', ['needs', 'runs-on']), 'runs-on')
    assert.equal(nearest('Setup', ['deploy']), null)
  })

  it('lists what is possible when nothing is near', () => {
    assert.equal(suggest('xyz', ['build', 'test'], 'jobs'), 'jobs: build, test')
    assert.equal(suggest('xyz', [], 'jobs'), null)
  })

  it('measures distances like a plain table of all edits', () => {
    const word = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 6 })
    fc.assert(
      fc.property(word, word, (left, right) => {
        const distance = editDistance(left, right, 10)
        assert.equal(distance, editDistance(right, left, 10))
        assert.equal(distance === 0, left === right)
        assert.ok(distance <= Math.max(left.length, right.length))
        assert.ok(distance >= Math.abs(left.length - right.length))
      }),
    )
  })
})

describe('text of a file inside of a message', () => {
  it('cannot move the cursor, hide or turn around what stands beside it', () => {
    assert.equal(quote('a\u001b[2Kb\u202ec\n'), '"a\\u001b[2Kb\\u202ec\\u000a"')
  })

  it('is cut to a length that a person reads', () => {
    assert.equal(quote('x'.repeat(1000)).length, 83)
  })
})
