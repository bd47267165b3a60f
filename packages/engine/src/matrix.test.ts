// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Json } from './contract.ts'
import { EngineError } from './errors.ts'
import { expandMatrix } from './matrix.ts'

function jobs(matrix: Json): readonly Json[] {
  return expandMatrix(matrix).map(({ values }) => values)
}

function refuses(matrix: Json, words: RegExp): void {
  assert.throws(
    () => expandMatrix(matrix),
    (thrown) => thrown instanceof EngineError && thrown.code === 'ENGINE_MATRIX_INVALID' && words.test(thrown.message),
  )
}

// The examples named "documented" are those of GitHub's page "Running variations of jobs in a workflow".

test('documented: two axes give their product, the last one turning fastest', () => {
  assert.deepEqual(jobs({ version: [10, 12, 14], os: ['ubuntu-latest', 'windows-latest'] }), [
    { version: 10, os: 'ubuntu-latest' },
    { version: 10, os: 'windows-latest' },
    { version: 12, os: 'ubuntu-latest' },
    { version: 12, os: 'windows-latest' },
    { version: 14, os: 'ubuntu-latest' },
    { version: 14, os: 'windows-latest' },
  ])
})

test('documented: include adds to combinations, overwrites what was added, never an original value, or makes new ones', () => {
  const include = [
    { color: 'green' },
    { color: 'pink', animal: 'cat' },
    { fruit: 'apple', shape: 'circle' },
    { fruit: 'banana' },
    { fruit: 'banana', animal: 'cat' },
  ]
  assert.deepEqual(jobs({ fruit: ['apple', 'pear'], animal: ['cat', 'dog'], include }), [
    { fruit: 'apple', animal: 'cat', color: 'pink', shape: 'circle' },
    { fruit: 'apple', animal: 'dog', color: 'green', shape: 'circle' },
    { fruit: 'pear', animal: 'cat', color: 'pink' },
    { fruit: 'pear', animal: 'dog', color: 'green' },
    { fruit: 'banana' },
    { fruit: 'banana', animal: 'cat' },
  ])
})

test('documented: include expands the combination of windows and 16 only', () => {
  const matrix = { os: ['windows-latest', 'ubuntu-latest'], node: [14, 16], include: [{ os: 'windows-latest', node: 16, npm: 6 }] }
  assert.deepEqual(jobs(matrix), [
    { os: 'windows-latest', node: 14 },
    { os: 'windows-latest', node: 16, npm: 6 },
    { os: 'ubuntu-latest', node: 14 },
    { os: 'ubuntu-latest', node: 16 },
  ])
})

test('documented: include adds one more combination', () => {
  const matrix = { os: ['macos-latest', 'windows-latest'], version: [12, 14], include: [{ os: 'windows-latest', version: 17 }] }
  assert.deepEqual(jobs(matrix).at(-1), { os: 'windows-latest', version: 17 })
  assert.equal(jobs(matrix).length, 5)
})

test('documented: a matrix of include alone runs each of its items', () => {
  const include = [
    { site: 'production', datacenter: 'site-a' },
    { site: 'staging', datacenter: 'site-b' },
  ]
  assert.deepEqual(jobs({ include }), include)
})

test('documented: exclude removes by partial match', () => {
  const matrix = {
    os: ['macos-latest', 'windows-latest'],
    version: [12, 14, 16],
    environment: ['staging', 'production'],
    exclude: [
      { os: 'macos-latest', version: 12, environment: 'production' },
      { os: 'windows-latest', version: 16 },
    ],
  }
  assert.equal(jobs(matrix).length, 9)
  assert.ok(!JSON.stringify(jobs(matrix)).includes('{"os":"windows-latest","version":16'))
})

test('include is applied after exclude, and can add a combination back', () => {
  assert.deepEqual(jobs({ os: ['a', 'b'], exclude: [{ os: 'a' }], include: [{ os: 'a', extra: true }] }), [
    { os: 'b' },
    { os: 'a', extra: true },
  ])
})

test('filters compare like expressions: no case, numbers as text, nested values in part', () => {
  assert.deepEqual(jobs({ node: ['14', 16], exclude: [{ node: 14 }] }), [{ node: 16 }])
  assert.deepEqual(jobs({ os: ['Linux', 'Mac'], exclude: [{ os: 'linux' }] }), [{ os: 'Mac' }])
  const pair = [
    { name: 'a', version: 1 },
    { name: 'b', version: 2 },
  ]
  assert.deepEqual(jobs({ pair, exclude: [{ pair: { name: 'a' } }] }), [{ pair: pair[1] }])
})

test('the display name shows the values of the axes, not those that include added', () => {
  const segments = expandMatrix({
    os: ['a'],
    v: [1.5, null, true, { x: 'y' }],
    include: [
      { os: 'a', npm: 6 },
      { os: 'z', npm: 7 },
    ],
  }).map((job) => job.segments)
  assert.deepEqual(segments, [['a', '1.5'], ['a'], ['a', 'true'], ['a', 'y'], ['z', '7']])
})

test('a matrix that is none is refused with the name of what is wrong', () => {
  refuses('text', /expected a mapping.*found string/)
  refuses({ os: 'linux' }, /matrix\.os: expected a sequence, found string/)
  refuses({ os: [] }, /matrix\.os: it has no values/)
  refuses({ include: 'x' }, /matrix\.include: expected a sequence of mappings, found string/)
  refuses({ include: [1] }, /matrix\.include\[0\]: expected a mapping, found number/)
  refuses({ os: ['a'], exclude: [{ arch: 'x' }] }, /"arch"/)
  refuses({ os: ['a'], exclude: [{ os: 'a' }] }, /gives no jobs/)
  refuses({}, /gives no jobs/)
})

test('more than 256 jobs are refused, and a product made to exhaust memory is refused before it is built', () => {
  const many = Array.from({ length: 257 }, (_, index) => index)
  refuses({ many }, /257 jobs, at most 256/)
  refuses({ a: many, b: many, c: many, d: many }, /more than 65536 combinations/)
  assert.equal(jobs({ many: many.slice(1) }).length, 256)
})

test('a key named __proto__ is a value like any other', () => {
  assert.deepEqual(Object.keys(jobs(JSON.parse('{"__proto__":[1,2]}'))[1] ?? {}), ['__proto__'])
})

test('any JSON either expands or is refused as an invalid matrix', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom('a', 'b', 'include', 'exclude'), fc.jsonValue()), (matrix) => {
      try {
        assert.ok(expandMatrix(matrix as Json).length > 0)
      } catch (thrown) {
        assert.ok(thrown instanceof EngineError, String(thrown))
      }
    }),
  )
})
