// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EngineError } from './errors.ts'
import { shellCommand } from './shell.ts'

function argv(shell: string | null): readonly string[] {
  return shellCommand(shell, 'echo', { directory: '/s', fallback: 'bash' }).argv
}

test('each documented shell has its documented command line', () => {
  assert.deepEqual(argv(null), ['bash', '-e', '/s/script.sh'])
  assert.deepEqual(argv('bash'), ['bash', '--noprofile', '--norc', '-eo', 'pipefail', '/s/script.sh'])
  assert.deepEqual(argv('sh'), ['sh', '-e', '/s/script.sh'])
  const [sh, c, script = '', path] = argv('python')
  assert.deepEqual([sh, c, path], ['sh', '-c', '/s/script.py'])
  assert.match(script, /exec python "\$0"; exec python3 "\$0"$/)
  assert.deepEqual(argv('pwsh'), ['pwsh', '-command', ". '/s/script.ps1'"])
})

test('a script that names no shell runs with bash, with sh where an image has no bash, and with neither not at all', () => {
  const withFallback = (fallback: 'bash' | 'sh' | null): readonly string[] => shellCommand(null, 'echo', { directory: '/s', fallback }).argv
  assert.deepEqual(withFallback('sh'), ['sh', '-e', '/s/script.sh'])
  assert.deepEqual(withFallback('bash'), ['bash', '-e', '/s/script.sh'])
  assert.throws(() => withFallback(null), { code: 'ENGINE_SHELL_INVALID' })
})

test('the script goes unchanged into the file, and into PowerShell with its documented frame', () => {
  assert.equal(shellCommand('bash', 'a $& {0}\n', { directory: '/s', fallback: 'bash' }).script.content, 'a $& {0}\n')
  const { content } = shellCommand('pwsh', 'a', { directory: '/s', fallback: 'bash' }).script
  assert.match(content, /^\$ErrorActionPreference = 'stop'\na\nif .*exit \$LASTEXITCODE/)
})

test('a custom shell is split at blanks outside of double quotes and is read by no shell', () => {
  assert.deepEqual(argv('perl {0}'), ['perl', '/s/script'])
  assert.deepEqual(argv('sallyport exec --allow "a b" -- bash -e {0}'), [
    'sallyport',
    'exec',
    '--allow',
    'a b',
    '--',
    'bash',
    '-e',
    '/s/script',
  ])
  assert.deepEqual(argv('x "" a\\"b \'c d\' ; $(e) {0}'), ['x', '', 'a"b', "'c", "d'", ';', '$(e)', '/s/script'])
})

test('a shell that cannot run here is refused by name', () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ['cmd', /"cmd": it exists on Windows only/],
    ['powershell', /Windows only/],
    ['zsh', /none of bash, sh, python, pwsh/],
    ['constructor', /none of bash/],
    ['x "{0}', /not closed/],
  ]
  for (const [shell, words] of cases) {
    assert.throws(
      () => argv(shell),
      (thrown) => thrown instanceof EngineError && thrown.code === 'ENGINE_SHELL_INVALID' && words.test(thrown.message),
    )
  }
})
