// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { matchesFilter } from './filter-pattern.ts'
import { matchTrigger, type TriggerEvent } from './match-trigger.ts'
import type { Trigger } from './plan.ts'

/** Patterns, a name, and whether GitHub's documentation says that they match. */
const PATTERNS: readonly (readonly [string, string, boolean])[] = [
  ['feature/*', 'feature/my-branch', true],
  ['feature/*', 'feature/beta-a/my-branch', false],
  ['feature/**', 'feature/beta-a/my-branch', true],
  ['main', 'main', true],
  ['main', 'mainline', false],
  ['*', 'releases', true],
  ['*', 'all/the/branches', false],
  ['**', 'all/the/branches', true],
  ['*feature', 'mona-feature', true],
  ['v2*', 'v2.9', true],
  ['v[12].[0-9]+.[0-9]+', 'v1.10.1', true],
  ['v[12].[0-9]+.[0-9]+', 'v3.1.0', false],
  ['*.jsx?', 'page.js', true],
  ['*.jsx?', 'page.jsx', true],
  ['*.jsx?', 'page.jsxx', false],
  ['**.js', 'src/js/app.js', true],
  ['docs/*', 'docs/mona/octocat.txt', false],
  ['docs/**/*.md', 'docs/README.md', true],
  ['docs/**/*.md', 'docs/a/markdown/file.md', true],
  ['**/docs/**', 'docs/hello.md', true],
  ['**/docs/**', 'space/docs/plan/space.doc', true],
  ['**/README.md', 'README.md', true],
  ['**/README.md', 'js/README.md', true],
  ['**/README.md', 'js/xREADME.md', false],
  ['**/*src/**', 'my-src/code/js/app.js', true],
  ['**/migrate-*.sql', 'db/sept/migrate-v1.sql', true],
  ['a\\*b', 'a*b', true],
  ['a\\*b', 'axb', false],
  ['a[', 'a[', true],
]

const nothing: Omit<Trigger, 'event'> = {
  branches: null,
  branchesIgnore: null,
  tags: null,
  tagsIgnore: null,
  paths: null,
  pathsIgnore: null,
  types: null,
  inputs: [],
  at: { file: 'f', line: 1, column: 1 },
}

function reasonFor(trigger: Partial<Trigger>, happened: Partial<TriggerEvent>): string | null {
  const event = { event: 'push', ref: 'refs/heads/main', changedPaths: null, ...happened }
  return matchTrigger({ triggers: [{ event: 'push', ...nothing, ...trigger }] }, event).reason
}

describe('a filter pattern', () => {
  it('matches as GitHub documents it', () => {
    for (const [pattern, name, expected] of PATTERNS) assert.equal(matchesFilter([pattern], name), expected, `${pattern} and ${name}`)
  })

  it('with ! takes names out, and a later one brings them back', () => {
    const patterns = ['releases/**', '!releases/**-alpha', 'releases/keep-alpha']
    assert.deepEqual(
      ['releases/10', 'releases/10-alpha', 'releases/keep-alpha'].map((name) => matchesFilter(patterns, name)),
      [true, false, true],
    )
  })

  it('without wildcards matches exactly itself', () => {
    const plain = fc.string({ unit: fc.constantFrom('a', 'b', '/', '-', '.'), minLength: 1, maxLength: 8 })
    fc.assert(fc.property(plain, plain, (pattern, name) => assert.equal(matchesFilter([pattern], name), pattern === name)))
  })

  it('takes no more than the product of the lengths, whatever it holds', () => {
    const name = 'a'.repeat(2000)
    assert.equal(matchesFilter([`${'a?'.repeat(500)}${'**a+'.repeat(200)}b`], name), false)
  })
})

describe('a trigger', () => {
  it('listens to its event only', () => {
    assert.match(reasonFor({}, { event: 'release' }) ?? '', /"release" is not among its triggers \(push\)/)
    assert.equal(reasonFor({}, {}), null)
  })

  it('with filters for branches ignores tags, and the other way round', () => {
    assert.equal(reasonFor({ branches: ['main'] }, {}), null)
    assert.match(reasonFor({ branches: ['main'] }, { ref: 'refs/tags/main' }) ?? '', /branches only/)
    assert.match(reasonFor({ tags: ['v*'] }, {}) ?? '', /tags only/)
    assert.equal(reasonFor({ tags: ['v*'], branches: ['x'] }, { ref: 'refs/tags/v1' }), null)
    assert.match(reasonFor({ branchesIgnore: ['ma*'] }, { ref: 'main' }) ?? '', /is ignored/)
    assert.match(reasonFor({ tagsIgnore: ['v1'] }, { ref: 'refs/tags/v1' }) ?? '', /is ignored/)
  })

  it('with filters for paths needs one path that counts; unknown paths pass, and tags are not asked', () => {
    assert.equal(reasonFor({ paths: ['src/**'] }, { changedPaths: ['README.md', 'src/a.c'] }), null)
    assert.match(reasonFor({ paths: ['src/**'] }, { changedPaths: ['README.md'] }) ?? '', /no changed path/)
    assert.match(reasonFor({ pathsIgnore: ['**.md'] }, { changedPaths: ['README.md'] }) ?? '', /all changed paths/)
    assert.equal(reasonFor({ pathsIgnore: ['**.md'] }, { changedPaths: ['README.md', 'x.c'] }), null)
    assert.equal(reasonFor({ paths: ['src/**'] }, { changedPaths: null }), null)
    assert.equal(reasonFor({ paths: ['src/**'] }, { changedPaths: ['x'], ref: 'refs/tags/v1' }), null)
  })

  it('listens to the activities that it names, or to those that GitHub takes for it', () => {
    assert.match(reasonFor({ event: 'pull_request' }, { event: 'pull_request', activity: 'closed' }) ?? '', /"closed" is not among opened/)
    assert.equal(reasonFor({ event: 'pull_request', types: ['closed'] }, { event: 'pull_request', activity: 'closed' }), null)
    assert.equal(reasonFor({ types: ['x'] }, {}), null)
  })
})
