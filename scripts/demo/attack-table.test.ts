// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Attempt } from '@sallyport/testkit'
import { judge } from './attack-table.ts'
import { ATTACK_ROWS } from './attack-walls.ts'
import { secretForms } from './secret-forms.ts'

const all = (outcome: Attempt['outcome']): Map<string, Attempt> =>
  new Map(ATTACK_ROWS.map(({ id }) => [id, { id, outcome, error: null, detail: '' }]))
const faults = (plain: Map<string, Attempt>, sallyport: Map<string, Attempt>): readonly string[] =>
  judge(plain, sallyport).flatMap(({ row, fault }) => (fault === null ? [] : [row.id]))

test('a demonstration in which the box lets everything through and Sallyport nothing has no fault', () => {
  assert.deepEqual(faults(all('got'), all('refused')), [])
})

test('an attempt that Sallyport let through is a fault', () => {
  assert.deepEqual(
    faults(all('got'), new Map([...all('refused'), ['read-shadow', { id: 'read-shadow', outcome: 'got', error: null, detail: '' }]])),
    ['read-shadow'],
  )
})

test('an attempt that nobody told of is a fault', () => {
  const silent = all('refused')
  silent.delete('fork-bomb')
  assert.deepEqual(faults(all('got'), silent), ['fork-bomb'])
})

test('an important attempt that even the plain box refused is a fault, a kernel’s repair is none', () => {
  const plain = all('got')
  for (const id of ['read-proc-mem', 'dirty-pipe']) plain.set(id, { id, outcome: 'refused', error: 'EPERM', detail: '' })
  assert.deepEqual(faults(plain, all('refused')), ['read-proc-mem'])
})

test('an attempt without a row in the table is a fault', () => {
  assert.deepEqual(
    faults(all('got'), new Map([...all('refused'), ['novel', { id: 'novel', outcome: 'refused', error: null, detail: '' }]])),
    ['novel'],
  )
})

test('each form of a secret is found in what prints that form', () => {
  const secret = 'a+/"b" & 1%\\~'
  const forms = secretForms(secret)
  assert.ok(
    Buffer.from(`x${secret}`)
      .toString('base64')
      .includes(forms['print-secret-base64-shifted'] ?? '!'),
  )
  assert.equal(forms['print-secret-url'], 'a%2B%2F%22b%22%20%26%201%25%5C~')
  assert.equal(new Set(Object.values(forms)).size, 6)
})
