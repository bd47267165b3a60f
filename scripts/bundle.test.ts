// SPDX-License-Identifier: Apache-2.0
// What a bundler does to packages that load others in ways of their own.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { build } from 'esbuild'

test('the workflow parser also works when everything is bundled into one file', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'workflow-bundle-'))
  try {
    const entry = join(folder, 'entry.mjs')
    const index = JSON.stringify(join(import.meta.dirname, '../packages/workflow/src/index.ts'))
    writeFileSync(
      entry,
      `import { parseWorkflow } from ${index}\nparseWorkflow('f', process.argv[2]).then((plan) => console.log(plan.jobs[0].id))`,
    )
    const outfile = join(folder, 'bundle.cjs')
    await build({
      entryPoints: [entry],
      outfile,
      bundle: true,
      format: 'cjs',
      platform: 'node',
      target: 'node24',
      logLevel: 'error',
    })
    const printed = execFileSync(process.execPath, [outfile, 'on: push\njobs: {only: {runs-on: x, steps: [run: make]}}'], {
      encoding: 'utf8',
    })
    assert.equal(printed, 'only\n')
  } finally {
    rmSync(folder, { recursive: true })
  }
})
