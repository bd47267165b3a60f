// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const examples = join(import.meta.dirname, '../../../examples')

/** One entry of `examples/expected.json`: how an example is run and how it ends. */
export interface Example {
  /** Its directory's name. */
  readonly name: string
  readonly about: string
  /** After `sallyport run`. */
  readonly arguments: readonly string[]
  /** Added to the environment of the run: where `--secret NAME` finds its value. */
  readonly environment: Readonly<Record<string, string>>
  readonly exitCode: number
  /** Whether `make demo` runs it. */
  readonly demo: boolean
}

export function readExamples(): readonly Example[] {
  return JSON.parse(readFileSync(join(examples, 'expected.json'), 'utf8')) as readonly Example[]
}

export function exampleNamed(name: string): Example {
  const example = readExamples().find((entry) => entry.name === name)
  if (example === undefined) throw new TypeError(`examples/expected.json has no example "${name}"`)
  return example
}

export interface ExampleCopy extends Disposable {
  readonly directory: string
}

/** A temporary copy, as a git repository with one commit, links into the rest of the house replaced by what they name. */
export function copyExample(name: string): ExampleCopy {
  const directory = mkdtempSync(join(tmpdir(), `sallyport-example-${name}-`))
  // Node's cpSync keeps links to directories below the top, whatever `dereference` says.
  execFileSync('cp', ['-RL', `${join(examples, name)}/.`, directory])
  // The settings and hooks of whoever runs this must not decide how the copy is committed.
  const git = (...words: readonly string[]): void => {
    const identity = [
      '-c',
      'user.name=Example',
      '-c',
      'user.email=example@example.test',
      '-c',
      'commit.gpgsign=false',
      '-c',
      'core.hooksPath=/dev/null',
    ]
    execFileSync('git', ['-C', directory, ...identity, ...words], { stdio: ['ignore', 'ignore', 'inherit'] })
  }
  git('init', '--quiet', '--initial-branch=main')
  git('add', '--all')
  git('commit', '--quiet', '--message=Example')
  return { directory, [Symbol.dispose]: () => rmSync(directory, { recursive: true, force: true }) }
}
