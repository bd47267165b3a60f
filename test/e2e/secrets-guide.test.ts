// SPDX-License-Identifier: Apache-2.0
// docs/secrets.md, from a .env file to the embedded store: each command of its walk is run, and what the page says it prints has to come.
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { assertPrints, follow, readSteps } from './_walk.ts'

const root = join(import.meta.dirname, '../..')
const directory = mkdtempSync(join(tmpdir(), 'sallyport-guide-'))
after(() => rmSync(directory, { recursive: true, force: true }))

const HEADING = '## From a `.env` file to the embedded store\n'

describe('docs/secrets.md', () => {
  const page = readFileSync(join(root, 'docs/secrets.md'), 'utf8')
  const steps = readSteps(page.split(/^(?=## )/m).find((section) => section.startsWith(HEADING)) ?? '')
  const programs = join(directory, 'bin')

  test('has a walk with commands and what they print', () => {
    for (const made of ['work', 'bin']) mkdirSync(join(directory, made))
    symlinkSync(join(root, 'sallyport'), join(programs, 'sallyport'))
    assert.ok(steps.length >= 8)
    for (const { commands, prints } of steps) assert.ok(prints.length > 0, commands)
  })

  for (const step of steps)
    test(`$ ${step.commands.trimEnd().split('\n').join(' ⏎ ')}`, () => assertPrints(follow(step, { directory, programs }), step.prints))
})
