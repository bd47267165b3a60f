// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseEnvFile, parsePathFile } from './env-file.ts'
import { guardEnv } from './env-guard.ts'
import { EngineError } from './errors.ts'

function pairs(text: string): readonly (readonly [string, string])[] {
  return parseEnvFile('GITHUB_OUTPUT', text).map(({ name, value }) => [name, value] as const)
}

function refuses(run: () => unknown, words: RegExp): void {
  assert.throws(
    run,
    (thrown) => thrown instanceof EngineError && thrown.code === 'ENGINE_FILE_COMMAND_INVALID' && words.test(thrown.message),
  )
}

test('lines of name=value are read, with any further = in the value', () => {
  assert.deepEqual(pairs('a=1\n\nb=x=y\nempty=\n'), [
    ['a', '1'],
    ['b', 'x=y'],
    ['empty', ''],
  ])
})

test('a heredoc keeps its lines, its blank lines and its carriage returns', () => {
  assert.deepEqual(pairs('a<<EOF\none\r\n\n two=2\nEOF\nb=1'), [
    ['a', 'one\r\n\n two=2'],
    ['b', '1'],
  ])
  assert.deepEqual(pairs('a<<EOF\nEOF\n'), [['a', '']])
})

test('the first of = and << decides', () => {
  assert.deepEqual(pairs('a=<<b\n'), [['a', '<<b']])
  assert.deepEqual(pairs('a<<=\nx\n=\n'), [['a', 'x']])
})

test('a byte order mark at the start is no part of the first name', () => {
  assert.deepEqual(pairs('\u{feff}a=1'), [['a', '1']])
})

test('a malformed file is refused with the variable and the line', () => {
  refuses(() => pairs('a=1\nnonsense\n'), /\$GITHUB_OUTPUT, line 2: it is neither/)
  refuses(() => pairs('=1'), /line 1: the name is empty/)
  refuses(() => pairs('a=1\n<<EOF\nEOF'), /line 2: the name is empty/)
  refuses(() => pairs('a<<\nx'), /line 1: the delimiter/)
  refuses(() => pairs('x=1\na<<EOF\n1\nEOF \n'), /line 2: no later line is its closing delimiter/)
  refuses(() => pairs('a=1\nb=\0'), /line 2: it contains a NUL/)
  refuses(() => pairs(`${'n'.repeat(2000)}=1`), /2000 characters/)
  refuses(() => parsePathFile('/a\n/b\0'), /\$GITHUB_PATH, line 2/)
})

test('a message quotes nothing of the file: it can hold a secret', () => {
  refuses(() => pairs('hunter2\n'), /^(?!.*hunter2)/)
  refuses(() => pairs('a<<hunter2\n'), /^(?!.*hunter2)/)
})

test('variables that load code into later steps are refused by GITHUB_ENV, with what to do instead', () => {
  for (const name of ['NODE_OPTIONS', 'LD_PRELOAD', 'LD_AUDIT', 'BASH_ENV', 'PERL5OPT', 'RUBYOPT', 'BASH_FUNC_ls%%']) {
    refuses(() => guardEnv(parseEnvFile('GITHUB_ENV', `A=1\n${name}=x`)), new RegExp(`${name} by \\$GITHUB_ENV, line 2.*\`env:\``))
  }
})

test('reserved names of GITHUB_ENV are ignored with a warning, and the rest takes effect', () => {
  const update = guardEnv(parseEnvFile('GITHUB_ENV', 'GITHUB_SHA=x\nrunner_temp=/\nLD_LIBRARY_PATH=/opt\nENV=prod'))
  assert.deepEqual(
    update.set.map(({ name }) => name),
    ['LD_LIBRARY_PATH', 'ENV'],
  )
  assert.match(update.warning ?? '', /GITHUB_SHA, runner_temp ignored/)
  assert.match(guardEnv(parseEnvFile('GITHUB_ENV', 'GITHUB_A=\n'.repeat(1000))).warning ?? '', /^.{0,200}and 995 more ignored/)
})

test('any entries written as GitHub documents are read back', () => {
  const name = fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_-]{0,10}$/)
  const value = fc.string({ unit: fc.constantFrom('a', '=', '<<', '\n', ' ', 'é', '\r') })
  fc.assert(
    fc.property(fc.array(fc.tuple(name, value)), (entries) => {
      const text = entries.map(([key, content]) => `${key}<<-END-\n${content === '' ? '' : `${content}\n`}-END-\n`).join('')
      assert.deepEqual(
        pairs(text),
        entries.map(([key, content]) => [key, content]),
      )
    }),
  )
})

test('any text is read or refused, in time that grows with its length', () => {
  const text = fc.string({ unit: fc.constantFrom('a', '=', '<<', '\n', '\0', 'E', '\u{feff}'), maxLength: 200 })
  fc.assert(
    fc.property(text, (content) => {
      try {
        for (const { name } of parseEnvFile('GITHUB_ENV', content)) assert.ok(name !== '' && !name.includes('\0'))
      } catch (thrown) {
        assert.ok(thrown instanceof EngineError, String(thrown))
      }
    }),
    { numRuns: 2000 },
  )
  assert.equal(pairs('a=1\n'.repeat(200_000)).length, 200_000)
})
