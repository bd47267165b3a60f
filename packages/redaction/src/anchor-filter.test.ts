// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { test } from 'node:test'
import { createRandom } from './_naive.ts'
import { AnchorFilter } from './anchor-filter.ts'
import { rawText } from './raw-text.ts'

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz0123456789'

function word(random: (limit: number) => number, length: number): string {
  return Array.from({ length }, () => ALPHABET[random(ALPHABET.length)]).join('')
}

function filterOf(spellings: readonly string[]): AnchorFilter {
  const filter = new AnchorFilter()
  for (const spelling of spellings) filter.add(Buffer.from(spelling))
  return filter
}

/** All anchors in a text whose first byte is `lead` bytes behind an aligned one. */
function anchorsIn(filter: AnchorFilter, text: string, lead: number): number[] {
  const memory = new Uint8Array(text.length + lead)
  memory.set(Buffer.from(text, 'latin1'), lead)
  const raw = rawText(memory.subarray(lead))
  const places: number[] = []
  for (let at = filter.next(raw, 0); at < text.length; at = filter.next(raw, at + 1)) places.push(at)
  return places
}

/** By the definition: where one of the first two blocks of a spelling stands, whatever its letter case. */
function blocksIn(spellings: readonly string[], text: string): number[] {
  const size = Math.max(5, Math.min(8, ...spellings.map((spelling) => Math.min(16, spelling.length) >> 1)))
  const blocks = new Set(spellings.flatMap((spelling) => [spelling.slice(0, size), spelling.slice(size, 2 * size)]))
  return Array.from({ length: text.length }, (_, at) => at).filter((at) => blocks.has(text.slice(at, at + size).toLowerCase()))
}

for (const [name, shortest] of [
  ['eight bytes, read by words', 16],
  ['seven', 14],
  ['six', 12],
  ['five', 10],
] as const) {
  test(`every block is found, at every place and alignment: blocks of ${name}`, () => {
    for (let seed = 0; seed < 40; seed += 1) {
      const random = createRandom(seed)
      const spellings = Array.from({ length: 1 + random(30) }, (_, index) => word(random, index === 0 ? shortest : 16 + random(9)))
      const filter = filterOf(spellings)
      const parts = Array.from({ length: 30 }, () => {
        const spelling = spellings[random(spellings.length)] as string
        const from = random(9)
        return word(random, random(40)) + (random(2) === 0 ? spelling.toUpperCase() : spelling).slice(from, from + random(20))
      })
      const text = parts.join('')
      for (const lead of [0, 1, 2, 3]) {
        const found = new Set(anchorsIn(filter, text, lead))
        for (const place of blocksIn(spellings, text)) assert.ok(found.has(place), `seed ${seed}, lead ${lead}, place ${place}`)
      }
    }
  })
}

test('a text without a block has no anchor, but for a chance', () => {
  const random = createRandom(1)
  const filter = filterOf(Array.from({ length: 2000 }, () => word(random, 24)))
  assert.ok(anchorsIn(filter, word(random, 200_000), 0).length <= 2)
})

test('the shortest texts are read to their end', () => {
  const filter = filterOf(['abcdefgh12345678'])
  for (let length = 0; length < 24; length += 1) {
    for (const lead of [0, 1, 2, 3]) {
      assert.deepEqual(anchorsIn(filter, 'x'.repeat(length), lead), [])
      assert.ok(anchorsIn(filter, `${'x'.repeat(length)}abcdefgh`, lead).includes(length), `${length} ${lead}`)
    }
  }
})
