// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { isFlaw } from './host-pattern.ts'
import { keepPath, normalisePath } from './normal-path.ts'
import { exactPattern, formatPath, matchesPath, parsePathPattern } from './path-pattern.ts'

const piece = fc.constantFrom(
  ...['/', '/', '/', '.', '..', '%2e', '%2E', '%2f', '%5c', '%25', '%', '%7E', '%c3%a9', '%c0%ae', '%20', '%e2%80%a5', '%ef%bc%8e', '%3b'],
  ...[';', 'a', 'B', '~', '*', '{', '}', '?', '#', '\\', ' ', '\0', '\n', 'é', '@', ':', '=', '&', '+', '**', 'x/y', 'graphql'],
)
const rawPath = fc.array(piece, { maxLength: 12 }).map((pieces) => `/${pieces.join('')}`)

/** As servers do that are more willing than they should be: decode until nothing changes, take `\` for `/`, drop parameters and spaces, fold to ASCII. */
function asSomeServerReads(path: string): readonly string[] {
  let text = path
  for (let before = ''; before !== text; ) {
    before = text
    text = decodeURIComponent(text)
  }
  const folded = text.normalize('NFKC').replaceAll('\\', '/')
  return folded
    .split('/')
    .slice(1)
    .map((segment) => (segment.split(';')[0] ?? '').trim())
}

describe('a path in normal form', () => {
  it('stays as it is when it is brought into normal form again', () => {
    fc.assert(
      fc.property(rawPath, (raw) => {
        const first = normalisePath(raw)
        if (!first.ok) return
        assert.deepEqual(normalisePath(first.path.text + first.path.query), first)
      }),
      { numRuns: 5000 },
    )
  })

  it('has no dot segment and no empty one, whoever reads it', () => {
    fc.assert(
      fc.property(rawPath, (raw) => {
        const result = normalisePath(raw)
        if (!result.ok) return
        const read = asSomeServerReads(result.path.text)
        for (const [index, segment] of read.entries()) {
          assert.ok(segment !== '.' && segment !== '..', raw)
          assert.ok(segment !== '' || index === read.length - 1, raw)
        }
      }),
      { numRuns: 5000 },
    )
  })

  it('says the same as before: only letters, digits and marks were decoded', () => {
    fc.assert(
      fc.property(rawPath, (raw) => {
        const result = normalisePath(raw)
        const plain = raw.split('?')[0] ?? ''
        if (result.ok) assert.equal(decodeURIComponent(result.path.text), decodeURIComponent(plain))
      }),
      { numRuns: 2000 },
    )
  })
})

describe('a pattern for paths', () => {
  it('that is written for one path is read back, and matches that path and no other', () => {
    fc.assert(
      fc.property(rawPath, rawPath, (raw, rawOther) => {
        const [one, other] = [normalisePath(raw), normalisePath(rawOther)]
        if (!one.ok || !other.ok) return
        const pattern = parsePathPattern(formatPath(exactPattern(one.path)))
        assert.ok(!isFlaw(pattern), raw)
        assert.ok(matchesPath(pattern, one.path), raw)
        const isSame = one.path.text.replaceAll('*', '%2A') === other.path.text.replaceAll('*', '%2A')
        assert.equal(matchesPath(pattern, other.path), isSame)
      }),
      { numRuns: 5000 },
    )
  })

  const cases: readonly (readonly [pattern: string, path: string, matches: boolean])[] = [
    ['/acme/**', '/acme/x', true],
    ['/acme/**', '/acme/x/y/z', true],
    ['/acme/**', '/acme/', true],
    ['/acme/**', '/acme', false],
    ['/acme/**', '/acmeevil/x', false],
    ['/acme/**', '/ACME/x', false],
    ['/acme/**', '/acme;x/y', false],
    ['/acme/**', '/acme%2Fx', false],
    ['/acme/**', '/acme/@scope%2Fname', true],
    ['/**', '/', true],
    ['/**', '*', false],
    ['/acme/*/tags', '/acme/x/tags', true],
    ['/acme/*/tags', '/acme/x/y/tags', false],
    ['/acme/*/tags', '/acme/x%2Fy/tags', false],
    ['/acme/*', '/acme/', false],
    ['/repos/{owner}/x', '/repos/me/x', true],
    ['/repos/{owner}/x', '/repos/me/x/', false],
    ['/repos/{owner}/x', '/repos/x', false],
    ['/@scope%2fname', '/@scope%2Fname', true],
    ['/a', '/a?x=1', true],
    ['/%7Eme', '/~me', true],
  ]
  for (const [pattern, path, matches] of cases) {
    it(`${pattern} ${matches ? 'matches' : 'does not match'} ${path}`, () => {
      const [parsed, normal] = [parsePathPattern(pattern), normalisePath(path)]
      assert.ok(!isFlaw(parsed) && normal.ok)
      assert.equal(matchesPath(parsed, normal.path), matches)
    })
  }
})

describe('a path that is kept as it came', () => {
  it('is any that is one word of a request line, and no pattern matches it', () => {
    fc.assert(
      fc.property(rawPath, (raw) => {
        const kept = keepPath(raw)
        const isOneWord = !/[^\x21-\x7e]|#/.test(raw)
        assert.equal(kept.ok, isOneWord, raw)
        if (!kept.ok) return
        assert.equal(kept.path.text + kept.path.query, raw)
        assert.deepEqual(kept.path.segments, [])
      }),
      { numRuns: 2000 },
    )
    for (const raw of ['', 'a', '*', 'http://other.test/']) assert.equal(keepPath(raw).ok, false)
  })
})
