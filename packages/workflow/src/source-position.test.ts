// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { type Document, parseDocument, type Scalar, stringify } from 'yaml'
import { LineTable, offsetInScalarSource } from './source-position.ts'

function scalarOf(text: string): { readonly source: string; readonly value: string } {
  const document: Document.Parsed = parseDocument(text)
  const node = document.get('a', true) as Scalar
  const [start = 0, end = 0] = node.range ?? []
  return { source: text.slice(start, end), value: String(node.value) }
}

function charAtMark(text: string): string {
  const { source, value } = scalarOf(text)
  return source.slice(offsetInScalarSource(source, value, value.indexOf('@')))
}

describe('a character of a scalar', () => {
  it('is found in the file in every style of writing it', () => {
    const styles = [
      'a: x @y',
      "a: 'it''s @y'",
      'a: "\\"\\x41\\u00e9 \\n\\t @y"',
      'a: |\n    one\n      two @y',
      'a: >-\n  one\n  two\n\n  @y',
      'a: one\n  two\n\n  @y',
    ]
    for (const style of styles) assert.match(charAtMark(style), /^@y["']?\s*$/, style)
  })

  it('is found wherever a YAML writer breaks and escapes the text', () => {
    const piece = fc.constantFrom('word', ' ', '\n', "'", '"', '\\', '\t', '#', ': ', '{', 'é', '- ')
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 30 }),
        fc.array(piece, { maxLength: 10 }),
        fc.integer({ min: 20, max: 60 }),
        (before, after, lineWidth) => {
          const text = stringify({ a: `${before.join('')}@${after.join('')}` }, { lineWidth })
          assert.ok(charAtMark(text).startsWith('@'), text)
        },
      ),
      { numRuns: 500 },
    )
  })
})

describe('a line table', () => {
  it('gives the line and column of each offset', () => {
    const lines = new LineTable('f', 'ab\n\nc')
    const places = [0, 1, 2, 3, 4].map((offset) => lines.position(offset)).map(({ line, column }) => [line, column])
    assert.deepEqual(places, [
      [1, 1],
      [1, 2],
      [1, 3],
      [2, 1],
      [3, 1],
    ])
  })
})
