// SPDX-License-Identifier: Apache-2.0
// Whoever knows a recipient can write what we decrypt: a content is hostile until it was decoded.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { StoreContent, StoredSecret } from './store-content.ts'
import { decodeContent, encodeContent } from './store-format.ts'

const bytes = fc.uint8Array({ minLength: 1, maxLength: 40 }).map((value) => Buffer.from(value))
const fields = fc
  .uniqueArray(fc.tuple(fc.stringMatching(/^[A-Za-z0-9_.-]{1,20}$/), bytes), { minLength: 1, maxLength: 4, selector: ([name]) => name })
  .map((entries) => new Map(entries))
const time = fc.nat(2 ** 31)
const recipe = fc
  .record({
    generate: fc.option(fc.nat(1000)),
    hook: fc.option(fc.string({ maxLength: 20 })),
    field: fc.option(fc.string({ maxLength: 5 })),
  })
  .map((made) => ({ ...made }))
const rotation = fc
  .record({
    id: fc.uuid(),
    startedAtMs: time,
    phase: fc.constantFrom('create' as const, 'install' as const, 'test' as const, 'retire' as const),
    recipe,
    candidate: fields,
  })
  .map((made) => ({ ...made, candidate: made.phase === 'install' || made.phase === 'test' ? made.candidate : null }))

const secret: fc.Arbitrary<StoredSecret> = fc
  .record({
    name: fc.stringMatching(/^[A-Za-z_]{1,10}(\/[a-z.]{1,10})?$/),
    everyMs: fc.option(time),
    recipe: fc.option(recipe),
    rotation: fc.option(rotation),
    values: fc.array(fields, { maxLength: 4 }),
  })
  .map(({ values, ...rest }) => ({
    ...rest,
    rotation: values.length === 0 ? null : rest.rotation,
    lastNumber: values.length + 3,
    removedAtMs: values.length === 0 ? 5 : null,
    versions: values.map((value, at) => ({ number: at + 2, createdAtMs: at, origin: 'set' as const, fields: value })),
  }))

const content: fc.Arbitrary<StoreContent> = fc
  .record({
    generation: fc.nat(),
    writtenAtMs: time,
    recipients: fc.array(fc.string({ maxLength: 70 }), { maxLength: 3 }),
    secrets: fc.uniqueArray(secret, { maxLength: 5, selector: ({ name }) => name }),
  })
  .map((made) => ({ ...made, secrets: new Map(made.secrets.map((each) => [each.name, each])) }))

test('a content is read back as it was', () => {
  fc.assert(
    fc.property(content, (made) => {
      const again = decodeContent(encodeContent(made))
      assert.deepEqual(again, made)
      assert.deepEqual([...again.secrets.keys()], [...made.secrets.keys()].toSorted())
    }),
  )
})

test('an edited content is refused or another content, and never anything else', () => {
  fc.assert(
    fc.property(
      content,
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 3 }),
      fc.option(fc.nat()),
      (made, edits, cut) => {
        const encoded = encodeContent(made)
        for (const [at, byte] of edits) encoded[at % encoded.byteLength] = byte
        const edited = cut === null ? encoded : encoded.subarray(0, cut % encoded.byteLength)
        try {
          decodeContent(edited)
        } catch (error) {
          assert.ok(error instanceof TypeError || error instanceof SyntaxError, String(error))
          assert.ok(!(error instanceof TypeError) || /^(it|a|versions) /.test(error.message), error.message)
        }
      },
    ),
    { numRuns: 2000 },
  )
})

/** What nobody of ours writes, by the index alone. */
const HOSTILE: readonly string[] = [
  'null',
  '[]',
  '{}',
  '{"generation":-1,"writtenAtMs":1,"recipients":[],"secrets":[]}',
  '{"generation":1e400,"writtenAtMs":1,"recipients":[],"secrets":[]}',
  '{"generation":1,"writtenAtMs":1,"recipients":["a"],"secrets":{}}',
  `{"generation":1,"writtenAtMs":1,"recipients":[${'"a",'.repeat(20)}"a"],"secrets":[]}`,
  ...[
    '{"name":"../x","lastNumber":1,"removedAtMs":1,"everyMs":null,"recipe":null,"rotation":null,"versions":[]}',
    '{"name":"A","lastNumber":1,"removedAtMs":null,"everyMs":null,"recipe":null,"rotation":null,"versions":[]}',
    '{"name":"A","lastNumber":0,"removedAtMs":null,"everyMs":null,"recipe":null,"rotation":null,"versions":[{"number":1,"createdAtMs":1,"origin":"set","fields":[["value",1]]}]}',
    '{"name":"A","lastNumber":1,"removedAtMs":null,"everyMs":null,"recipe":null,"rotation":null,"versions":[{"number":1,"createdAtMs":1,"origin":"set","fields":[["value",99]]}]}',
    '{"name":"A","lastNumber":1,"removedAtMs":null,"everyMs":null,"recipe":null,"rotation":null,"versions":[{"number":1,"createdAtMs":1,"origin":"set","fields":[["value",9007199254740991]]}]}',
    '{"name":"A","lastNumber":1,"removedAtMs":null,"everyMs":null,"recipe":null,"rotation":null,"versions":[{"number":1,"createdAtMs":1,"origin":"stolen","fields":[["value",1]]}]}',
  ].map((item) => `{"generation":1,"writtenAtMs":1,"recipients":[],"secrets":[${item}]}`),
]

test('an index that nobody of ours writes is refused', () => {
  for (const index of HOSTILE) assert.throws(() => decodeContent(Buffer.from(`sallyport-secrets/1\n${index}\nx`)), TypeError, index)
  for (const text of ['', 'x', 'sallyport-secrets/2\n{}\n', 'sallyport-secrets/1\n', 'sallyport-secrets/1\n{}'])
    assert.throws(() => decodeContent(Buffer.from(text)), TypeError, text)
})
