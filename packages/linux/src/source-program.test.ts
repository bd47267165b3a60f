// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { enableCompileCache } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { programWords } from './source-program.ts'

test('a bundle is run as it is', () => {
  assert.deepEqual(programWords('file:///opt/dist/sallyport.cjs', 'signer.cjs'), ['/opt/dist/signer.cjs'])
})

test('sources are run with what this process keeps of compiled ones, and without its environment', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-source-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  writeFileSync(
    join(directory, 'main.ts'),
    "import { getCompileCacheDir } from 'node:module'\nconsole.log(getCompileCacheDir() as string)\n",
  )
  // In a runner of ours there is one already, and it stays
  enableCompileCache(join(directory, 'a "cache" %41'))
  const words = programWords(pathToFileURL(join(directory, 'own.ts')).href, 'x.cjs')
  const { stdout, stderr } = spawnSync(process.execPath, ['--no-warnings', ...words], { env: {}, encoding: 'utf8' })
  const kept = stdout.trim()
  assert.notEqual(kept, 'undefined', stderr)
  assert.ok(readdirSync(kept).length > 0, stderr)
})
