// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { tableRowsIn } from './_documents.ts'
import { readText, root } from './_repository.ts'

const DOCUMENT = 'docs/log-conformance.md'
const HEADINGS = ['Notes', 'Checkpoints', 'Trees and tiles', 'Cosignatures', 'The witness', 'Proofs and policies']

/** Rows of a section, without the one that names the columns. */
function rowsUnder(heading: string): readonly string[][] {
  const [, ...sections] = readText(DOCUMENT).split(/^## /m)
  const section = sections.find((text) => text.startsWith(`${heading}\n`)) ?? assert.fail(`${DOCUMENT} has no section "${heading}"`)
  const [, ...rows] = tableRowsIn(section)
  assert.ok(rows.length > 0, heading)
  return rows
}

const pathsOf = (cell = ''): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, path = '']) => path)
const isTest = (path: string): boolean => path.endsWith('.test.ts')
const isThere = (path: string): boolean => existsSync(join(root, path))

describe(DOCUMENT, () => {
  for (const heading of HEADINGS)
    test(`names the code and the tests of each clause: ${heading}`, () => {
      const bad = rowsUnder(heading).filter(([, where, tests]) => {
        const [code, checks] = [pathsOf(where), pathsOf(tests)]
        const isCode = code.length > 0 && code.every((path) => isThere(path) && !isTest(path))
        return !(isCode && checks.length > 0 && checks.every((path) => isThere(path) && isTest(path)))
      })
      assert.deepEqual(bad, [])
    })

  test('says why, where something is otherwise', () => {
    assert.deepEqual(
      rowsUnder('Otherwise, and why').filter(([, why = '']) => why.split(' ').length < 6),
      [],
    )
  })

  test('names the tests in which others check', () => {
    assert.deepEqual(
      rowsUnder('Checked by others').filter(
        ([, , tests]) => pathsOf(tests).length === 0 || !pathsOf(tests).every((path) => isThere(path) && isTest(path)),
      ),
      [],
    )
  })
})
