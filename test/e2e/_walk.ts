// SPDX-License-Identifier: Apache-2.0
// A page that is followed to the letter: each block of commands is run, and the lines of the block after it have to come.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'

const TIME_LIMIT_MS = 60_000

export interface Step {
  readonly commands: string
  /** Lines that come in this order; `…` stands for anything within one. */
  readonly prints: readonly string[]
}

export function readSteps(text: string): Step[] {
  const blocks = [...text.matchAll(/^```(sh|text)\n([\s\S]*?)^```$/gm)].map(([, kind = '', body = '']) => ({ kind, body }))
  return blocks.flatMap(({ kind, body }, index) => {
    const next = blocks[index + 1]
    return kind === 'sh' ? [{ commands: body, prints: next?.kind === 'text' ? next.body.trimEnd().split('\n') : [] }] : []
  })
}

export interface WalkPlaces {
  /** Kept from step to step: the directory `work` in it, and the variable RUN. */
  readonly directory: string
  readonly programs: string
}

/** What the commands of a step print, on both streams. */
export function follow({ commands }: Step, { directory, programs }: WalkPlaces): string {
  const variables = `${directory}/.variables`
  const script = `exec 2>&1\n[ ! -f ${variables} ] || . ${variables}\n${commands}\nset | grep -E '^RUN=' > ${variables} || true\n`
  const { stdout, error } = spawnSync('bash', ['-c', script], {
    cwd: `${directory}/work`,
    env: { PATH: `${programs}:${process.env['PATH']}`, HOME: directory, LC_ALL: 'C.UTF-8' },
    encoding: 'utf8',
    timeout: TIME_LIMIT_MS,
  })
  assert.equal(error, undefined)
  return stdout
}

export function assertPrints(output: string, lines: readonly string[]): void {
  const found = output.split('\n').map((line) => line.trimEnd())
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
