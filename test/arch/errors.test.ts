// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { packageSources, readText } from './_repository.ts'
import { packageOf } from './_rules.ts'
import { readFacts } from './_source-facts.ts'

const inCode = packageSources().flatMap(({ path, errorCodes }) => errorCodes.map((code) => ({ code, owner: packageOf(path) })))

describe('docs/errors.md', () => {
  test('lists every error code of the packages, under the package that raises it, and no other', () => {
    const show = (entries: readonly { code: string; owner: string }[]): string[] =>
      entries.map(({ code, owner }) => `${owner}: ${code}`).toSorted()
    assert.deepEqual(show(documentedCodes(readText('docs/errors.md'))), show(inCode))
  })

  test('finds codes at all', () => {
    assert.ok(inCode.length > 0)
  })
})

describe('error codes', () => {
  test('are unique, so that a code names one package', () => {
    const codes = inCode.map(({ code }) => code)
    assert.deepEqual(
      codes.filter((code, index) => codes.indexOf(code) !== index),
      [],
    )
  })
})

describe('the collectors', () => {
  test('read a union with comments, and a single literal', () => {
    const facts = readFacts(
      'packages/x/src/a.ts',
      `type AErrorCode =\n  /** why */\n  | 'A_ONE'\n  | 'A_TWO'\nexport type BErrorCode = 'B'`,
    )
    assert.deepEqual(facts.errorCodes, ['A_ONE', 'A_TWO', 'B'])
  })

  test('read rows of a table below a heading with the package name', () => {
    const text = '## store\n\n| code | when |\n| --- | --- |\n| `STORE_FULL` | disk full |\n'
    assert.deepEqual(documentedCodes(text), [{ code: 'STORE_FULL', owner: 'store' }])
  })
})

/** Sections are headed by the package; each table row starts with a code. */
function documentedCodes(text: string): { code: string; owner: string }[] {
  let owner = ''
  return text.split('\n').flatMap((line) => {
    owner = /^## ([a-z-]+)$/.exec(line)?.[1] ?? owner
    const code = /^\| `([A-Z0-9_]+)` \|/.exec(line)?.[1]
    return code === undefined ? [] : [{ code, owner }]
  })
}
