// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { AccessError } from './access-error.ts'
import { parseAccessFile } from './access-file.ts'
import { canonicalAsk } from './canonical-ask.ts'
import { asksOf } from './describe.ts'
import { parseOperatorFile } from './operator-file.ts'

const seeds = [
  'version: 1\nimage: host\nlimits: { cpu: 2, memory: 4GiB }\negress: [a.test:443, "*.b.test"]\njobs:\n  build:\n    egress:\n      - { host: git.test, methods: [GET], path: /acme/** }\n    steps: { publish: { egress: ["[::1]:22"] } }\n',
  'version: 1\negress:\n  allow: ["*.a.test", { cidr: 10.0.0.0/8, port: 5432 }]\n  private: [10.0.0.0/8]\n  nameServers: ["[::1]:53"]\n  hosts: { a.test: 10.0.0.1 }\n',
]
const scrap = fc.constantFrom(
  '{',
  '}',
  '[',
  ']',
  ':',
  ',',
  '"',
  "'",
  '*',
  '&',
  '!',
  '|',
  '>',
  '-',
  '%',
  '@',
  '\n',
  '  ',
  '#',
  '\0',
  '\u202e',
  '1e999',
  '0x',
  '---',
  '?',
  '<<',
  'é',
)
const mutation = fc.record({ at: fc.nat(400), remove: fc.nat(8), insert: fc.array(scrap, { maxLength: 4 }) })
const mutated = fc
  .tuple(fc.constantFrom(...seeds), fc.array(mutation, { maxLength: 6 }))
  .map(([seed, mutations]) =>
    mutations.reduce(
      (text, { at, remove, insert }) =>
        text.slice(0, at % text.length || 1) + insert.join('') + text.slice((at % text.length || 1) + remove),
      seed,
    ),
  )
const noise = fc.array(fc.oneof(scrap, fc.string({ maxLength: 5 })), { maxLength: 60 }).map((parts) => parts.join(''))

describe('a file of any bytes', () => {
  it('is read, or refused with places in it: nothing else happens', async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(mutated, noise), async (text) => {
        for (const parse of [parseAccessFile, parseOperatorFile]) {
          const error = await parse('f', text).then(
            () => null,
            (thrown: unknown) => thrown,
          )
          if (error === null) continue
          assert.ok(error instanceof AccessError, String(error))
          const lines = text.split('\n').length
          for (const { at, message } of error.problems) {
            assert.ok(at.line >= 1 && at.line <= lines + 1 && at.column >= 1, `${at.line}:${at.column} of ${JSON.stringify(text)}`)
            assert.doesNotMatch(message, /[\u0000-\u001f\u202e]/)
          }
        }
      }),
      { numRuns: 1500 },
    )
  })

  it('that is taken can be shown and hashed, but for presets', async () => {
    await fc.assert(
      fc.asyncProperty(mutated, async (text) => {
        const file = await parseAccessFile('f', text).catch(() => null)
        if (file === null) return
        for (const ask of asksOf(file)) assert.doesNotMatch(ask.text, /[\u0000-\u001f\u202e]/)
        assert.equal((JSON.parse(canonicalAsk(file)) as { version?: unknown }).version, 1)
      }),
      { numRuns: 500 },
    )
  })
})
