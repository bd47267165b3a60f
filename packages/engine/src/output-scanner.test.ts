// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { COMMAND_LINE_BYTES_MAX, createOutputScanner, type ScannedItem } from './output-scanner.ts'

type Command = Extract<ScannedItem, { kind: 'command' }>

function scan(...chunks: readonly string[]): readonly ScannedItem[] {
  const scanner = createOutputScanner()
  return [...chunks.flatMap((chunk) => [...scanner.push(Buffer.from(chunk))]), ...scanner.end()]
}

function commands(items: readonly ScannedItem[]): readonly Command[] {
  return items.filter((item) => item.kind === 'command')
}

function summary(items: readonly ScannedItem[]): readonly (readonly [string, unknown, string])[] {
  return commands(items).map(({ name, properties, value }) => [name, { ...properties }, value] as const)
}

function text(items: readonly ScannedItem[]): string {
  return Buffer.concat(items.flatMap((item) => (item.kind === 'output' ? [item.bytes] : []))).toString()
}

function everything(items: readonly ScannedItem[]): Buffer {
  return Buffer.concat(items.map((item) => (item.kind === 'output' ? item.bytes : item.line)))
}

test('a command at the start of a line is separated from the output around it', () => {
  const items = scan('before\n::error file=a.js,line=3::it broke\nafter\n')
  assert.deepEqual(summary(items), [['error', { file: 'a.js', line: '3' }, 'it broke']])
  assert.equal(text(items), 'before\nafter\n')
})

test('the older form with ##[ is understood too', () => {
  assert.deepEqual(summary(scan('##[warning file=a;title=b%3Bc]careful\n')), [['warning', { file: 'a', title: 'b;c' }, 'careful']])
})

test('blanks before a command, and a carriage return as line end, are accepted as GitHub does', () => {
  assert.deepEqual(summary(scan(' \t::add-mask::one\r\n50%\r::add-mask::two\n')), [
    ['add-mask', {}, 'one'],
    ['add-mask', {}, 'two'],
  ])
})

test('percent codes are decoded once, more of them in properties than in values', () => {
  const items = scan('::notice title=a%3Ab%2Cc%25::x%0Ay%3A%250A\n')
  assert.deepEqual(summary(items), [['notice', { title: 'a:b,c%' }, 'x\ny%3A%0A']])
})

test('command names know no case', () => {
  assert.deepEqual(summary(scan('::ADD-Mask::x\n')), [['add-mask', {}, 'x']])
})

test('what only looks like a command is plain output', () => {
  for (const line of [
    'a ::error::x\n',
    '::nonsense::x\n',
    '::error\n',
    '##[nonsense]x\n',
    '##[error\n',
    ':: error::x\n',
    '::__proto__::x\n',
  ]) {
    const items = scan(line)
    assert.deepEqual(commands(items), [], line)
    assert.equal(text(items), line)
  }
})

test('refused commands of old are given as commands, so that the agent can say so', () => {
  assert.deepEqual(
    commands(scan('::set-env name=A::1\n::add-path::/x\n')).map(({ name }) => name),
    ['set-env', 'add-path'],
  )
})

test('between stop-commands and its token nothing is a command', () => {
  const items = scan('::stop-commands::tok\n::error::one\n::tok ::\n::tok::\n::error::two\n')
  assert.deepEqual(summary(items), [
    ['stop-commands', {}, 'tok'],
    ['error', {}, 'two'],
  ])
  assert.equal(text(items), '::error::one\n::tok ::\n::tok::\n')
})

test('a stop token that is empty, a command name or unprintable stops nothing', () => {
  for (const token of ['', 'error', 'a b', 'a::b', '%0A']) {
    assert.deepEqual(summary(scan(`::stop-commands::${token}\n::error::x\n`)), [['error', {}, 'x']], token)
  }
})

test('echo on shows the lines of commands that change state, and off hides them', () => {
  const shown = (items: readonly ScannedItem[]): readonly boolean[] => commands(items).map(({ echo }) => echo)
  assert.deepEqual(
    shown(scan('::set-output name=a::1\n::echo::on\n::set-output name=a::1\n::add-mask::x\n::echo::off\n::set-output name=a::1\n')),
    [false, true, true, false, true, false],
  )
})

test('a command split anywhere over chunks is the same command', () => {
  const line = '  ::error file=a::b\r\nnext'
  for (let at = 0; at <= line.length; at += 1) {
    const items = scan(line.slice(0, at), line.slice(at))
    assert.deepEqual(summary(items), [['error', { file: 'a' }, 'b']], `split at ${at}`)
    assert.equal(text(items), '  next', `split at ${at}`)
  }
})

test('output that cannot become a command is not held back', () => {
  for (const start of ['progress 10', 'x:', 'x::', '::nope', '::errors', '#!', '##', '##[nope', '   ', 'a\n  ', '::error nope'].entries()) {
    const [index, chunk] = start
    const scanner = createOutputScanner()
    const given = text(scanner.push(Buffer.from(chunk)))
    const mayHold = chunk === '##' || chunk === '::error nope'
    assert.equal(given, mayHold ? '' : chunk, `case ${index}`)
  }
})

test('a partial command at the end of the output is a command when it is whole, and output otherwise', () => {
  assert.deepEqual(summary(scan('::error::no newline')), [['error', {}, 'no newline']])
  assert.equal(text(scan('::err')), '::err')
})

test('a command line over the limit is plain output, whole or in pieces', () => {
  const huge = `::error::${'x'.repeat(COMMAND_LINE_BYTES_MAX)}\n`
  assert.equal(text(scan(huge)), huge)
  const pieces = huge.match(/.{1,1000}\n?/gs) ?? []
  assert.equal(text(scan(...pieces)), huge)
  assert.deepEqual(summary(scan(...pieces, '::error::x\n')), [['error', {}, 'x']])
})

const fragment = fc.oneof(
  fc.constantFrom(
    '::',
    '##[',
    ':',
    '#',
    ']',
    '\n',
    '\r',
    '\r\n',
    ' ',
    'error',
    'stop-commands',
    'tok',
    'echo',
    'on',
    '=',
    ',',
    '%0A',
    'é',
    '\0',
  ),
  fc.string({ maxLength: 5 }),
)

test('for any output and any chunks: nothing is lost, and the commands do not depend on the chunks', () => {
  fc.assert(
    fc.property(fc.array(fragment, { maxLength: 40 }), fc.array(fc.nat(60), { maxLength: 12 }), (parts, cuts) => {
      const whole = Buffer.from(parts.join(''))
      const scanner = createOutputScanner()
      const items: ScannedItem[] = []
      let from = 0
      for (const size of cuts) {
        items.push(...scanner.push(whole.subarray(from, from + size)))
        from = Math.min(whole.length, from + size)
      }
      items.push(...scanner.push(whole.subarray(from)), ...scanner.end())
      assert.deepEqual(everything(items), whole)
      const atOnce = createOutputScanner()
      assert.deepEqual(summary(items), summary([...atOnce.push(whole), ...atOnce.end()]))
    }),
    { numRuns: 3000 },
  )
})
