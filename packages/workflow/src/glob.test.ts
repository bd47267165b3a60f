// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { globToMatcher } from './glob.ts'

const PATTERNS: readonly (readonly [string, string, boolean])[] = [
  ['**/package-lock.json', 'package-lock.json', true],
  ['**/package-lock.json', 'a/b/package-lock.json', true],
  ['**/package-lock.json', 'a/xpackage-lock.json', false],
  ['*.json', 'a.json', true],
  ['*.json', 'a/b.json', false],
  ['*', '.hidden', true],
  ['src', 'src/a/b.c', true],
  ['src/', 'src/a.c', true],
  ['src/', 'src', false],
  ['src/*', 'src/a/b.c', true],
  ['src/**', 'src/a/b.c', true],
  ['src/**/b.c', 'src/b.c', true],
  ['s?c/[ab].c', 'src/b.c', true],
  ['[!a]x', 'bx', true],
  ['[!a]x', 'ax', false],
  ['a**b/c', 'axxb/c', true],
  ['a**b/c', 'a/b/c', false],
  ['./a/./b', 'a/b', true],
  ['a\\*', 'a*', true],
  ['a\\*', 'ab', false],
  ['{a,b}', 'a', false],
  ['+(a)', 'a', false],
  ['/elsewhere/**', 'elsewhere/a', false],
  ['/w/src/*.c', 'src/a.c', true],
  ['~/a', 'a', false],
  ['# comment', '# comment', false],
  ['', 'a', false],
]

describe('a pattern of hashFiles', () => {
  it('takes the files that GitHub takes', () => {
    for (const [pattern, path, expected] of PATTERNS) assert.equal(globToMatcher([pattern], '/w')(path), expected, `${pattern} and ${path}`)
  })

  it('with ! takes files out again, in the order of the patterns, also several in one text', () => {
    const taken = (patterns: readonly string[]): string[] => ['a.c', 'lib/b.c', 'lib/c.c'].filter(globToMatcher(patterns))
    assert.deepEqual(taken(['**/*.c\n!lib\n']), ['a.c'])
    assert.deepEqual(taken(['**/*.c', '!lib', 'lib/c.c']), ['a.c', 'lib/c.c'])
    assert.deepEqual(taken(['!lib', '**/*.c']), ['a.c', 'lib/b.c', 'lib/c.c'])
    assert.deepEqual(taken(['!!lib']), ['lib/b.c', 'lib/c.c'])
  })

  it('cannot leave the workspace or be endless', () => {
    assert.throws(() => globToMatcher(['a/../../b']), /leaves the workspace/)
    assert.throws(() => globToMatcher(['a'.repeat(9000)]), /more than 8192 characters/)
  })

  it('agrees with a search that tries everything', () => {
    const part = fc.constantFrom('*', '**', 'a', 'b', 'a*', '*b*', '?', '[ab]', 'ab')
    const name = fc.constantFrom('a', 'b', 'ab', 'ba', 'abb')
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 5 }), fc.array(name, { minLength: 1, maxLength: 5 }), (parts, names) => {
        assert.equal(globToMatcher([parts.join('/')])(names.join('/')), takesSlowly(parts, names))
      }),
      { numRuns: 2000 },
    )
  })

  it('that is hostile costs no more than the product of the lengths', () => {
    const hostile = [Array(1000).fill('**').join('/'), `${'*a'.repeat(1000)}b`, Array(500).fill('*a*a').join('/')].map((pattern) => [
      pattern,
    ])
    const path = Array(100).fill('a'.repeat(40)).join('/')
    assert.deepEqual(
      hostile.map((patterns) => globToMatcher(patterns)(path)),
      [true, false, false],
    )
  })
})

/** Whether the parts take the names or a folder above them, by trying every way. */
function takesSlowly(parts: readonly string[], names: readonly string[]): boolean {
  const [part, ...rest] = parts
  if (part === undefined) return true
  if (part === '**' && takesSlowly(rest, names)) return true
  const [name, ...others] = names
  if (name === undefined) return false
  if (part === '**') return takesSlowly(parts, others)
  return nameSlowly(part, name) && takesSlowly(rest, others)
}

function nameSlowly(part: string, name: string): boolean {
  if (part === '') return name === ''
  if (part.startsWith('*')) return nameSlowly(part.slice(1), name) || (name !== '' && nameSlowly(part, name.slice(1)))
  if (part.startsWith('[ab]')) return /^[ab]/.test(name) && nameSlowly(part.slice(4), name.slice(1))
  return name !== '' && (part.startsWith('?') || part[0] === name[0]) && nameSlowly(part.slice(1), name.slice(1))
}
