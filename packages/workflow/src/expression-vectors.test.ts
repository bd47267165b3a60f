// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { evaluateExpression } from './evaluate-expression.ts'
import type { Json } from './json.ts'
import { WorkflowError } from './problem.ts'

const folder = join(import.meta.dirname, '../../../../shared/vectors/expressions')
const CASES = 1020

/** Cases that come out differently here on purpose, each with its reason. One that passes has to leave the list. */
const DIFFERENT: Readonly<Record<string, string>> = {
  'syntax-errors.json memory-errors 0':
    'GitHub stops after about 1 MB of memory; the limit here is 10 MiB of text, so that outputs of a full megabyte can still be formatted',
}

interface VectorCase {
  readonly expr: string
  readonly contexts?: { readonly [name: string]: Json }
  readonly result?: { readonly kind: string; readonly value: Json }
  readonly err?: { readonly kind: string; readonly value: string }
}

function check({ expr, contexts = {}, result, err }: VectorCase): void {
  if (err !== undefined) {
    assert.throws(() => evaluateExpression(expr, contexts), WorkflowError)
    return
  }
  assert.ok(result !== undefined)
  assert.deepEqual(withoutNegativeZero(evaluateExpression(expr, contexts)), withoutNegativeZero(result.value))
}

/** JSON files differ in whether they keep the sign of zero; no expression can tell the two apart. */
function withoutNegativeZero(value: Json): Json {
  return Object.is(value, -0) ? 0 : value
}

const isMissing = !existsSync(folder)
const skip = isMissing ? 'the vectors of ../shared/vectors/expressions are not on this machine' : false

describe("GitHub's own cases of the expression language", { skip }, () => {
  let count = 0
  for (const file of isMissing ? [] : readdirSync(folder).toSorted()) {
    const groups = JSON.parse(readFileSync(join(folder, file), 'utf8')) as Record<string, VectorCase[]>
    const cases = Object.entries(groups).flatMap(([group, list]) =>
      list.map((vector, index) => ({ name: `${file} ${group} ${index}`, vector })),
    )
    count += cases.length
    it(`come out as in ${file}`, () => {
      for (const { name, vector } of cases) {
        if (name in DIFFERENT) assert.throws(() => check(vector), `${name} passes now: take it from the list`)
        else assert.doesNotThrow(() => check(vector), `${name}: ${vector.expr}`)
      }
    })
  }

  it('are all there', () => {
    assert.equal(count, CASES)
  })
})
