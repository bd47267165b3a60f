// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { AgentError } from '../agent-error.ts'
import { bringScripts } from './script-arguments.ts'

const directory = mkdtempSync(join(tmpdir(), 'sallyport-scripts-'))
after(() => rmSync(directory, { recursive: true }))
const script = join(directory, 'step.sh')
writeFileSync(script, 'echo hi\n')

test('a script below the runner’s directory is brought along under a name of its own', () => {
  const { argv, files } = bringScripts(['bash', '-e', script], directory)
  assert.deepEqual(argv, ['bash', '-e', '/run/sallyport/step/2-step.sh'])
  assert.equal(Buffer.from(files[0]?.content ?? []).toString(), 'echo hi\n')
})

test('other arguments stay as they are, also when no runner is around us', () => {
  const argv = ['cat', '/etc/shadow', `${directory}-other/file`, directory, `${directory}/../x`]
  assert.deepEqual(bringScripts(argv, directory), { argv, files: [] })
  assert.deepEqual(bringScripts([script], null), { argv: [script], files: [] })
})

test('a link, a FIFO and a missing file are refused by name', () => {
  symlinkSync('/etc/shadow', join(directory, 'link'))
  assert.equal(spawnSync('mkfifo', [join(directory, 'fifo')]).status, 0)
  for (const name of ['link', 'fifo', 'absent']) {
    const path = join(directory, name)
    assert.throws(
      () => bringScripts([path], directory),
      (error: unknown) => error instanceof AgentError && error.code === 'REPOSITORY_UNREADABLE' && error.message.includes(path),
    )
  }
})
