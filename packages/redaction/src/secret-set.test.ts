// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { test } from 'node:test'
import { FORM_BYTES_MAX } from './forms.ts'
import { createSecretSet, type SecretSetOptions } from './secret-set.ts'

function setOf(values: readonly string[], options: SecretSetOptions = {}): ReturnType<typeof createSecretSet> {
  const set = createSecretSet(options)
  for (const value of values) set.add(value)
  return set
}

test('a value that would mask everything is refused, and says why', () => {
  const set = createSecretSet()
  assert.deepEqual(set.add(''), { masked: false, reason: 'empty' })
  assert.deepEqual(set.add(' \n\t'), { masked: false, reason: 'empty' })
  assert.deepEqual(set.add('abc'), { masked: false, reason: 'too-short' })
  assert.deepEqual(set.add('  abc\n'), { masked: false, reason: 'too-short' })
  assert.deepEqual(set.add('kdrw'), { masked: true })
  assert.equal(set.size, 1)
  assert.equal(set.redact('kdr kdrw'), 'kdr ***')
})

test('an empty set leaves everything as it is', () => {
  const stream = createSecretSet().createStream()
  const chunk = Buffer.from('anything')
  assert.equal(stream.write(chunk), chunk)
  assert.equal(stream.pendingBytes, 0)
  assert.equal(stream.end().length, 0)
})

test('a value counts once, with or without white space around it', () => {
  const set = setOf(['hunter22', ' hunter22\n', 'hunter22'])
  assert.equal(set.size, 1)
})

test('the number of values and the bytes of their forms are bounded, and values that do not fit leave nothing behind', () => {
  const few = setOf(['first-value', 'second-value'], { valuesMax: 2 })
  assert.deepEqual(few.add('third-value'), { masked: false, reason: 'too-many' })
  assert.deepEqual(few.add('first-value'), { masked: true })
  const small = setOf(['first-value'], { formBytesMax: 9000 })
  assert.deepEqual(small.add('another value '.repeat(40)), { masked: false, reason: 'too-many' })
  assert.equal(small.redact('another value'), 'another value')
  assert.deepEqual(small.add('short-value'), { masked: true })
  assert.deepEqual(createSecretSet().add('xK7'.repeat(70_000)), { masked: false, reason: 'too-many' })
})

test('limits can be lowered, not raised', () => {
  const set = createSecretSet({ valuesMax: 1e9, formBytesMax: 1e12 })
  const results = Array.from({ length: 10_001 }, (_, index) => set.add(`v${index}`.padEnd(6, '~')).masked)
  assert.equal(results.filter(Boolean).length, 10_000)
})

test('overlapping, nested and repeated values leave no byte of any', () => {
  assert.equal(setOf(['axdkfp', 'kfpzhm']).redact('<axdkfpzhm>'), '<***>')
  assert.equal(setOf(['axaxaxax']).redact('<axaxaxaxaxax>'), '<***>')
  assert.equal(setOf(['axdkfp', 'dkfp', 'xdkf']).redact('<axdkfp><zdkfp>'), '<***><z***>')
  assert.equal(setOf(['former', 'second']).redact('<formersecond>'), '<***>')
})

test('matches tells whether any form is there', () => {
  const set = setOf(['hunter22'])
  assert.equal(set.matches(`x${Buffer.from('hunter22').toString('base64')}`), true)
  assert.equal(set.matches('hunter2'), false)
})

test('text without a value comes back as it was', () => {
  const text = 'half \ud800 pair'
  assert.equal(setOf(['hunter22']).redact(text), text)
})

test('a value that is split over writes of one byte is masked', () => {
  const stream = setOf(['hunter22']).createStream()
  const released = Array.from('my hunter22!', (letter) => Buffer.from(stream.write(Buffer.from(letter))).toString())
  assert.deepEqual(released, ['m', '', '', 'y ', '', '', '', '', '', '', '***', '!'])
  assert.equal(stream.maskedCount, 1)
})

test('what can still become a value is held back, and nothing else', () => {
  const stream = setOf(['hunter22']).createStream()
  const write = (text: string): string => Buffer.from(stream.write(Buffer.from(text))).toString()
  assert.equal(write('progress 10%\r'), 'progress 10%\r')
  assert.equal(write('the hunt'), 'the ')
  assert.equal(stream.pendingBytes, 4)
  assert.equal(write(' is ?'), 'hunt is ?')
  assert.equal(stream.pendingBytes, 0)
  assert.equal(write('hunter'), '')
  assert.equal(Buffer.from(stream.end()).toString(), 'hunter')
  assert.equal(write('?!'), '?!', 'a stream that ended starts anew')
})

test('a mask that was released goes on when the next write shows a longer or an overlapping value', () => {
  const stream = setOf(['axdk', 'axdkfpzh', 'zhqmtw']).createStream()
  const released = ['<axdk', 'fpzh', 'qmtw', '>'].map((part) => Buffer.from(stream.write(Buffer.from(part))).toString())
  assert.deepEqual(released, ['<***', '', '', '>'])
  assert.equal(stream.maskedCount, 1)
})

test('a value added while a stream is open is masked in all that is not released yet', () => {
  const set = setOf(['hunter22-and-more'])
  const stream = set.createStream()
  assert.equal(Buffer.from(stream.write(Buffer.from('I: hunter22-and'))).toString(), 'I: ')
  set.add('nter22')
  assert.equal(Buffer.from(stream.write(Buffer.from('-less'))).toString(), 'hu***-and-less')
  set.add('-later')
  assert.equal(Buffer.from(stream.write(Buffer.from(' and -later'))).toString(), ' and ***')
})

test('a value added after text that looked like its start is masked from then on', () => {
  const set = setOf(['first-value'])
  const stream = set.createStream()
  const write = (text: string): string => Buffer.from(stream.write(Buffer.from(text))).toString()
  assert.equal(write('second f fi'), 'second f ')
  set.add('second')
  set.add('fiqz')
  assert.equal(write('qz second f fiqz.'), '*** *** f ***.')
})

test('values stay masked while others are added, whatever was printed between', () => {
  const set = createSecretSet()
  const stream = set.createStream()
  const values = Array.from({ length: 300 }, (_, index) => `x9${(index * 7919 + 10_007).toString(36)}-${index}`)
  for (const [index, value] of values.entries()) {
    set.add(value)
    const known = values.slice(0, index + 1).join(' ')
    const unknown = values.slice(index + 1).join(' ')
    const released = stream.write(Buffer.from(`${known}\n${unknown.slice(0, 40)}?\n`))
    assert.ok(
      Buffer.from(released)
        .toString()
        .startsWith(`${'*** '.repeat(index)}***\n`),
    )
  }
})

test('a stream never holds back more than a form, whatever the length of a value', () => {
  const stream = setOf(['x'.repeat(100_000)]).createStream()
  for (let write = 0; write < 200; write += 1) {
    stream.write(Buffer.from('x'.repeat(511)))
    assert.ok(stream.pendingBytes < FORM_BYTES_MAX)
  }
})

test('chunks without a value are passed on as they are, not copied', () => {
  const stream = setOf(['hunter22']).createStream()
  const chunk = Buffer.from('a line that has nothing to hide\n')
  assert.equal(stream.write(chunk), chunk)
  const cutOff = Buffer.from('another line, hunt')
  const released = stream.write(cutOff)
  assert.equal(released.buffer, cutOff.buffer)
  assert.equal(Buffer.from(released).toString(), 'another line, ')
})

test('a chunk may be reused by its owner after a write', () => {
  const stream = setOf(['hunter22']).createStream()
  const chunk = Buffer.from('hunter')
  stream.write(chunk)
  chunk.fill('x')
  assert.equal(Buffer.from(stream.write(Buffer.from('-gatherer'))).toString(), 'hunter-gatherer')
})

test('a write of any size is masked, also where it is read in parts', () => {
  const part = 1 << 24
  const text = Buffer.alloc(2 * part + 100, 'a line of ordinary output\n')
  for (const at of [0, part - 3, 2 * part - 7, text.length - 8]) text.write('hunter22', at)
  const stream = setOf(['hunter22']).createStream()
  const output = Buffer.concat([stream.write(text), stream.end()])
  assert.equal(stream.maskedCount, 4)
  assert.equal(output.length, text.length - 4 * ('hunter22'.length - '***'.length))
  assert.equal(output.indexOf('hunter'), -1)
})
