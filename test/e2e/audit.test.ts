// SPDX-License-Identifier: Apache-2.0
// docs/audit.md, followed to the letter: each command of its walk is run, and what the page says it prints has to come.
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { buildVerifier } from '../audit/_go-verifier.ts'
import { assertPrints, follow, readSteps } from './_walk.ts'

const root = join(import.meta.dirname, '../..')
const directory = mkdtempSync(join(tmpdir(), 'sallyport-audit-'))
after(() => rmSync(directory, { recursive: true, force: true }))

describe('docs/audit.md', () => {
  const steps = readSteps(readFileSync(join(root, 'docs/audit.md'), 'utf8'))
  const programs = join(directory, 'bin')

  test('has a walk with commands and what they print', () => {
    mkdirSync(join(directory, 'work'))
    mkdirSync(programs)
    symlinkSync(join(root, 'sallyport'), join(programs, 'sallyport'))
    symlinkSync(buildVerifier(), join(programs, 'log-verifier'))
    assert.equal(steps.length >= 7, true)
    assert.equal(
      steps.every(({ prints }) => prints.length > 0),
      true,
    )
  })

  for (const step of steps)
    test(`$ ${step.commands.trimEnd().split('\n').join(' ⏎ ')}`, () => assertPrints(follow(step, { directory, programs }), step.prints))
})
