// SPDX-License-Identifier: Apache-2.0
// docs/audit.md, followed to the letter: each command of its walk is run, and what the page says it prints has to come.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { buildVerifier } from '../audit/_go-verifier.ts'

const root = join(import.meta.dirname, '../..')
const directory = mkdtempSync(join(tmpdir(), 'sallyport-audit-'))
after(() => rmSync(directory, { recursive: true, force: true }))

const TIME_LIMIT_MS = 60_000

interface Step {
  readonly commands: string
  /** Lines that come in this order; `…` stands for anything within one. */
  readonly prints: readonly string[]
}

function readSteps(text: string): Step[] {
  const blocks = [...text.matchAll(/^```(sh|text)\n([\s\S]*?)^```$/gm)].map(([, kind = '', body = '']) => ({ kind, body }))
  return blocks.flatMap(({ kind, body }, index) => {
    const next = blocks[index + 1]
    return kind === 'sh' ? [{ commands: body, prints: next?.kind === 'text' ? next.body.trimEnd().split('\n') : [] }] : []
  })
}

/** All commands of the page share a directory and their variables. */
function follow({ commands }: Step, programs: string): string {
  const variables = join(directory, '.variables')
  const script = `exec 2>&1\n[ ! -f ${variables} ] || . ${variables}\n${commands}\nset | grep -E '^RUN=' > ${variables} || true\n`
  const { stdout, error } = spawnSync('bash', ['-c', script], {
    cwd: join(directory, 'work'),
    env: { PATH: `${programs}:${process.env['PATH']}`, HOME: directory, LC_ALL: 'C.UTF-8' },
    encoding: 'utf8',
    timeout: TIME_LIMIT_MS,
  })
  assert.equal(error, undefined)
  return stdout
}

function assertPrints(output: string, lines: readonly string[]): void {
  const found = output.split('\n')
  let at = 0
  for (const line of lines) {
    const index = found.findIndex((candidate, place) => place >= at && isLike(candidate, line))
    assert.notEqual(index, -1, `the page says that it prints ${JSON.stringify(line)}, and it prints:\n${output}`)
    at = index + 1
  }
}

function isLike(candidate: string, line: string): boolean {
  const [first = '', ...rest] = line.split('…')
  if (!candidate.startsWith(first)) return false
  let at = first.length
  for (const [index, part] of rest.entries()) {
    const isLast = index === rest.length - 1
    const place = isLast && part !== '' ? candidate.lastIndexOf(part) : candidate.indexOf(part, at)
    if (place < at) return false
    at = isLast && part === '' ? candidate.length : place + part.length
  }
  return at === candidate.length
}

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
    test(`$ ${step.commands.trimEnd().split('\n').join(' ⏎ ')}`, () => {
      const output = follow(step, programs)
      const stdout = output.split('\n').map((line) => line.trimEnd())
      assertPrints(stdout.join('\n'), step.prints)
    })
})
