// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, it } from 'node:test'
import { formatProblem, type Problem } from '@sallyport/core'
import { loadWorkflowParser, type WorkflowParser } from './load-workflow-parser.ts'
import { WorkflowError } from './problem.ts'

/** Each file says in its own comments what is wrong with it: `# expect LINE:COLUMN KIND beginning of the message`. */
const folder = join(import.meta.dirname, '../test-data')

interface Expectation {
  readonly place: string
  readonly kind: string
  readonly text: string
}

function expectations(content: string): Expectation[] {
  return [...content.matchAll(/^# expect (\d+:\d+) (invalid|unsupported) (.+)$/gm)]
    .map(([, place = '', kind = '', text = '']) => ({ place, kind, text }))
    .toSorted((a, b) => place(a.place) - place(b.place))
}

function place(text: string): number {
  const [line = 0, column = 0] = text.split(':').map(Number)
  return line * 10_000 + column
}

function problemsOf(parse: () => unknown): readonly Problem[] {
  try {
    parse()
  } catch (error) {
    if (error instanceof WorkflowError) return error.problems
    throw error
  }
  return []
}

describe('a file with mistakes', () => {
  let parser: WorkflowParser
  before(async () => {
    parser = await loadWorkflowParser()
  })

  for (const kind of ['invalid-workflows', 'invalid-actions'] as const) {
    for (const name of readdirSync(join(folder, kind))) {
      it(`gets each of them named at its place: ${kind}/${name}`, () => {
        const content = readFileSync(join(folder, kind, name), 'utf8')
        const expected = expectations(content)
        const parse = kind === 'invalid-workflows' ? parser.parseWorkflow : parser.parseAction
        const found = problemsOf(() => parse(name, content))
        const shown = found.map((problem) => `${formatProblem(problem)} [${problem.kind}]`).join('\n')
        assert.ok(expected.length > 0, 'the file expects nothing')
        assert.equal(found.length, expected.length, shown)
        for (const [index, { place: at, kind: expectedKind, text }] of expected.entries()) {
          const problem = found[index]
          assert.ok(problem !== undefined)
          assert.ok(formatProblem(problem).startsWith(`${name}:${at}: ${text}`), `${text} was expected at ${at}; found:\n${shown}`)
          assert.equal(problem.kind, expectedKind, shown)
        }
      })
    }
  }
})
