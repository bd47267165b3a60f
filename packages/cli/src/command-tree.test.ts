// SPDX-License-Identifier: Apache-2.0
// What every command takes, over the whole tree: a new command cannot miss it.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Command } from 'commander'
import { fakeContext, makeFile, runCli } from './_harness.ts'
import { commandTree } from './program.ts'

interface Named {
  readonly words: readonly string[]
  readonly command: Command
}

/** A group only names the commands below it, and takes `--help` alone: what it is to do is not known yet. */
const isGroup = ({ command }: Named): boolean => command.commands.length > 0

function below(parent: Command, words: readonly string[] = []): readonly Named[] {
  return parent.commands.flatMap((command) => {
    const named = { words: [...words, command.name()], command }
    return [named, ...below(command, named.words)]
  })
}

const all = below(await commandTree(fakeContext().context))
const leaves = all.filter((named) => !isGroup(named))

test('the tree has groups, and groups within them', () => {
  assert.ok(leaves.length > 30, String(leaves.length))
  assert.ok(all.some(({ words }) => words.length === 3))
})

for (const { words } of all) {
  test(`${words.join(' ')} --help describes it, and ends with 0`, async () => {
    const { exitCode, stdout, stderr } = await runCli([...words, '--help'])
    assert.equal(exitCode, 0, stderr)
    assert.ok(stdout.startsWith(`Usage: sallyport ${words.join(' ')}`), stdout)
    assert.match(stdout, /-h, --help {2,}print help/)
  })
}

describe('every command that does something', () => {
  for (const { words, command } of leaves) {
    test(`${words.join(' ')} takes --state DIR and --json`, () => {
      const option = (long: string) => command.options.find((each) => each.long === long && !each.hidden)
      assert.ok(option('--state')?.required, 'a directory')
      assert.ok(option('--json')?.isBoolean(), 'without a value')
    })
  }
})

test('a command that records nothing does the same whatever --state says', async (t) => {
  const secrets = ['--secrets-file', makeFile(t, 'TOKEN=hunter2-hunter2')]
  for (const [argv, stdin] of [
    [['expr'], '{"expr":"1"}\n'],
    [['redact', ...secrets], 'hunter2-hunter2'],
  ] as const) {
    const [plain, stated] = await Promise.all([runCli(argv, { stdin }), runCli([...argv, '--state', '/nowhere'], { stdin })])
    assert.deepEqual([stated.exitCode, stated.stdout], [0, plain.stdout], stated.stderr)
  }
})
