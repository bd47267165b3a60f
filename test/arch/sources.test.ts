// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { readText, repositoryFiles } from './_repository.ts'

const spdx = 'SPDX-License-Identifier: Apache-2.0'

describe('every source file', () => {
  test('names its licence in the first line, or in the second below a #!', () => {
    const isSource = (path: string): boolean => /\.(ts|cjs|mjs|c|h|sh)$|(^|\/)Makefile$|^sallyport$|^\.ci\/run$/.test(path)
    const unmarked = repositoryFiles()
      // Examples are projects of their own, written as their people would
      .filter((path) => isSource(path) && !path.startsWith('examples/'))
      .filter((path) => !isMarked(readText(path)))
    assert.deepEqual(unmarked, [])
  })

  test('is named in kebab case', () => {
    const odd = repositoryFiles().filter((path) => /\.ts$/.test(path) && !/(^|\/)_?[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+)*\.ts$/.test(path))
    assert.deepEqual(odd, [])
  })
})

describe('the tree', () => {
  test('holds nothing that was fetched or built: packages and programs come from their registries, and stay in caches', () => {
    const foreign = /\.(?:whl|tgz|zip|jar|deb|apk|rpm|gem|crate|so|o|a|exe|pyc|tar(?:\.[a-z0-9]+)?)$/
    assert.deepEqual(
      repositoryFiles().filter((path) => foreign.test(path)),
      [],
    )
  })
})

describe('the licence check', () => {
  test('refuses a file without a header, and one whose header comes late', () => {
    assert.equal(isMarked('export {}\n'), false)
    assert.equal(isMarked(`export {}\n// ${spdx}\n`), false)
    assert.equal(isMarked(`#!/bin/sh\n# ${spdx}\n`), true)
  })
})

function isMarked(text: string): boolean {
  const [first = '', second = ''] = text.split('\n', 2)
  return (first.startsWith('#!') ? second : first).includes(spdx)
}
