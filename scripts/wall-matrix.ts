// SPDX-License-Identifier: Apache-2.0
// scripts/wall-matrix.ts [--check]: docs/wall-matrix.md from what the files of test/escape say about themselves. Without --check the
// whole suite runs first, and nothing is written when a test fails.
import { spawnSync } from 'node:child_process'
import { existsSync, globSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ATTACK_ROWS } from './wall-matrix/attack-rows.ts'
import { renderMatrix, type TestFile } from './wall-matrix/render.ts'

const root = join(import.meta.dirname, '..')
const document = join(root, 'docs/wall-matrix.md')

/** All but the one that compares the document with them. */
const suite = globSync('test/escape/*.test.ts', { cwd: root })
  .filter((file) => !file.endsWith('/wall-matrix.test.ts'))
  .toSorted()

/** The files list instead of testing. */
async function listTests(): Promise<TestFile[]> {
  process.env['ESCAPE_LIST'] = '1'
  const { takeListed } = await import('../test/escape/_suite.ts')
  const files: TestFile[] = []
  for (const file of suite) {
    await import(join(root, file))
    files.push({ file, tests: takeListed() })
  }
  return files
}

function fail(message: string): never {
  process.stderr.write(`wall-matrix: ${message}\n`)
  process.exit(1)
}

const isCheck = process.argv.includes('--check')
if (!isCheck) {
  const { status } = spawnSync(process.execPath, ['scripts/test.ts', ...suite], { cwd: root, stdio: 'inherit' })
  if (status !== 0) fail('the escape suite is not green: nothing was written')
}
const text = renderMatrix(await listTests(), ATTACK_ROWS)
if (!isCheck) writeFileSync(document, text)
else if (!existsSync(document) || readFileSync(document, 'utf8') !== text)
  fail('docs/wall-matrix.md is not what the tests say: run scripts/wall-matrix.ts')
