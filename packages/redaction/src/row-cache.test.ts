// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { test } from 'node:test'
import { FormSet } from './_form-set.ts'
import { maskNaively } from './_naive.ts'
import { deriveForms } from './forms.ts'
import { RowCache } from './row-cache.ts'

test('rows are given up for new ones only after many lookups went without', () => {
  const cache = new RowCache()
  cache.widen(20_000)
  const rows = Array.from({ length: 20_000 }, (_, state) => cache.row(state))
  const room = rows.indexOf(0)
  assert.equal(rows[0], 1)
  assert.equal(cache.row(room - 1), rows[room - 1])
  let lookups = 0
  while (cache.row(room) === 0) lookups += 1
  assert.ok(lookups > 500_000)
  assert.equal(cache.rowOf[room - 1], 0)
  assert.equal(cache.row(0), 1)
})

test('forms with more than 128 distinct bytes are masked like others', () => {
  const values = [
    'αβγδεζηθικλμνξοπρστυφχψω',
    'абвгдежзийклмнопрстуфхцчшщъыьэюя',
    'ąćęłńóśźżğışöüçñ',
    '漢字仮名交じり文の秘密',
    '🔑🗝️🔐🔏🔒',
    'plain ~}|{`_^]\\[@?>=<;:/.-,+*)(\'&%$#"!',
  ]
  const set = new FormSet()
  // Some of each kind: all of them would take the naive search minutes.
  const forms = values.flatMap((value) => deriveForms(value).filter((_, index) => index < 4 || index % 9 === 0))
  set.add(forms)
  assert.ok(new Set(Buffer.concat(forms)).size > 128)
  const text = Buffer.concat(forms.flatMap((form) => [form, Buffer.from(' αβγ '), form.subarray(0, -1), Buffer.from('\n')]))
  const stream = set.createStream()
  assert.deepEqual(Buffer.concat([stream.write(text), stream.end()]), maskNaively(text, forms))
})
