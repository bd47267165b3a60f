// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { test } from 'node:test'
import fc from 'fast-check'
import { FormSet } from './_form-set.ts'
import { createRandom, longestStart, maskedHead, maskNaively } from './_naive.ts'
import { deriveForms } from './forms.ts'

const RUNS = process.env['SLOW'] === '1' ? 20_000 : 400

/** Few letters, so that values nest, overlap and repeat. */
const letters = (min: number, max: number): fc.Arbitrary<string> =>
  fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: min, maxLength: max }).map((parts) => parts.join(''))

const values = fc.array(fc.oneof(letters(4, 7), letters(8, 40)), { minLength: 1, maxLength: 5 })

interface Case {
  readonly values: string[]
  readonly forms: Buffer[]
  readonly chunks: Buffer[]
}

/** Texts made of pieces of forms, cut anywhere. */
const cases: fc.Arbitrary<Case> = values.chain((secrets) => {
  const forms = secrets.flatMap((secret) => deriveForms(secret))
  const piece = fc
    .tuple(fc.nat(forms.length - 1), fc.nat(80), fc.nat(80))
    .map(([form, from, size]) => (forms[form] as Buffer).subarray(from % (forms[form] as Buffer).length).subarray(0, size + 1))
  const part = fc.oneof({ weight: 3, arbitrary: piece }, { weight: 1, arbitrary: letters(0, 5).map((text) => Buffer.from(text)) })
  return fc
    .tuple(fc.array(part, { maxLength: 12 }), fc.array(fc.integer({ min: 1, max: 70 }), { minLength: 1, maxLength: 20 }))
    .map(([parts, sizes]) => ({ values: secrets, forms, chunks: cut(Buffer.concat(parts), sizes) }))
})

function cut(text: Buffer, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = []
  for (let at = 0, index = 0; at < text.length; index += 1) {
    const size = sizes[index % sizes.length] as number
    chunks.push(text.subarray(at, at + size))
    at += size
  }
  return chunks
}

function setOf(secrets: readonly string[]): FormSet {
  const set = new FormSet()
  for (const secret of secrets) set.add(deriveForms(secret))
  return set
}

test('any split of a text is masked as the whole text is, and as masking by brute force', () => {
  fc.assert(
    fc.property(cases, ({ values: secrets, forms, chunks }) => {
      const set = setOf(secrets)
      const text = Buffer.concat(chunks)
      const whole = set.createStream()
      const split = set.createStream()
      const expected = maskNaively(text, forms).toString('latin1')
      assert.equal(Buffer.concat([whole.write(text), whole.end()]).toString('latin1'), expected)
      assert.equal(Buffer.concat([...chunks.map((chunk) => split.write(chunk)), split.end()]).toString('latin1'), expected)
      assert.equal(split.maskedCount, whole.maskedCount)
      const pieces = chunks.flatMap((chunk) => split.pieces(chunk))
      assert.equal(Buffer.concat([...pieces, split.end()]).toString('latin1'), expected)
      assert.ok(pieces.every(({ length }) => length > 0))
    }),
    { numRuns: RUNS },
  )
})

test('a value that goes on from one whose mask is out already leaves no empty piece', () => {
  const stream = setOf(['kq7Zt2mX', '2mXw9Lr4']).createStream()
  const text = (pieces: readonly Uint8Array[]): string[] => pieces.map((piece) => Buffer.from(piece).toString())
  assert.deepEqual(text(stream.pieces(Buffer.from('kq7Zt2mX'))), ['***'])
  assert.deepEqual(text(stream.pieces(Buffer.from('w9Lr4'))), [])
  assert.equal(Buffer.from(stream.end()).toString(), '')
  assert.equal(stream.maskedCount, 1)
})

test('exactly the longest start of a form is held back, less what of it is masked already', () => {
  fc.assert(
    fc.property(cases, ({ values: secrets, forms, chunks }) => {
      const stream = setOf(secrets).createStream()
      let text = Buffer.alloc(0)
      let released = Buffer.alloc(0)
      for (const chunk of chunks) {
        released = Buffer.concat([released, stream.write(chunk)])
        text = Buffer.concat([text, chunk])
        const longest = longestStart(text, forms)
        assert.ok(stream.pendingBytes <= longest)
        assert.equal(stream.pendingBytes, longest - maskedHead(text, text.length - longest, forms))
        assert.ok(maskNaively(text, forms).subarray(0, released.length).equals(released))
      }
    }),
    { numRuns: RUNS },
  )
})

test('no form of a value is in the output', () => {
  fc.assert(
    fc.property(cases, ({ values: secrets, forms, chunks }) => {
      const stream = setOf(secrets).createStream()
      const output = Buffer.concat([...chunks.map((chunk) => stream.write(chunk)), stream.end()])
      for (const form of forms) assert.equal(output.indexOf(form), -1)
    }),
    { numRuns: RUNS },
  )
})

test('long texts, in which jumps and thorough reading take turns, are masked as by brute force', () => {
  for (let seed = 0; seed < RUNS / 30; seed += 1) {
    const random = createRandom(seed)
    const secrets = Array.from({ length: 1 + random(6) }, () => randomText(random, 'abcdefgh+/', 6 + random(24)))
    const forms = secrets.flatMap((secret) => deriveForms(secret))
    const parts = Array.from({ length: 300 }, () => randomPart(random, forms))
    const text = Buffer.concat(parts)
    const stream = setOf(secrets).createStream()
    const output = cut(text, [1 + random(5000), 1 + random(50)]).map((chunk) => stream.write(chunk))
    assert.equal(Buffer.concat([...output, stream.end()]).toString('latin1'), maskNaively(text, forms).toString('latin1'), `seed ${seed}`)
  }
})

function randomText(random: (limit: number) => number, alphabet: string, length: number): string {
  return Array.from({ length }, () => alphabet[random(alphabet.length)]).join('')
}

/** Calm text or, in runs of either, pieces of forms. */
function randomPart(random: (limit: number) => number, forms: readonly Buffer[]): Buffer {
  if (random(4) === 0) return Buffer.from(randomText(random, 'xyz abc\n', random(400)))
  const form = forms[random(forms.length)] as Buffer
  const from = random(3) === 0 ? random(form.length) : 0
  return form.subarray(from, from + 1 + random(random(4) === 0 ? 200 : 20))
}

test('a value that is added between two writes is masked in all bytes that were not released', () => {
  fc.assert(
    fc.property(cases, fc.nat(20), ({ values: secrets, chunks }, moment) => {
      const set = setOf(secrets.slice(1))
      const stream = set.createStream()
      const before = chunks.slice(0, moment % (chunks.length + 1))
      const after = chunks.slice(before.length)
      for (const chunk of before) stream.write(chunk)
      const held = Buffer.concat(before).subarray(Buffer.concat(before).length - stream.pendingBytes)
      set.add(deriveForms(secrets[0] as string))
      const output = Buffer.concat([...after.map((chunk) => stream.write(chunk)), stream.end()])
      const forms = secrets.flatMap((secret) => deriveForms(secret))
      for (const form of forms) assert.equal(output.indexOf(form), -1)
      if (held.length + Buffer.concat(after).length > 0) assert.equal(stream.pendingBytes, 0)
    }),
    { numRuns: RUNS },
  )
})
