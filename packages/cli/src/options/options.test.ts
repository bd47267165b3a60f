// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { makeFile, makeTemporaryDirectory } from '../_harness.ts'
import { parseDotenv } from './dotenv.ts'
import { readInputFile } from './input-file.ts'
import { parseEnv, parseKeyValues } from './key-value.ts'
import { LIMIT_KEYS, parseLimits } from './limits.ts'
import { nearest } from './nearest.ts'
import { readPayload } from './payload.ts'
import { readDeliveries, readSecrets } from './secrets.ts'
import { parseIsolation, parseJobs, parseSource } from './shared.ts'

const noSecrets = { read: () => undefined }

test('limits are read with their units', () => {
  assert.deepEqual(parseLimits(['cpu=1.5', 'memory=1GiB', 'pids=64', 'disk=2g', 'inodes=1000', 'files=256', 'time=1h30m', 'output=10MB']), {
    cpu: 1.5,
    memoryBytes: 2 ** 30,
    memorySwapBytes: 2 ** 30,
    pids: 64,
    diskBytes: 2 ** 31,
    diskInodes: 1000,
    openFiles: 256,
    timeMs: 5_400_000,
    outputBytes: 10_000_000,
  })
})

for (const text of [
  'memory=',
  'memory=1XB',
  'memory=-1',
  'memory=1',
  'cpu=0',
  'cpu=two',
  'cpu=1e3',
  'pids=1.5',
  'pids=1',
  'time=5',
  'time=0s',
  'files=1e9',
  'memory=9999TiB',
  'toString=1',
  'memory',
]) {
  test(`--limit ${text} is refused with what would be right`, () => {
    assert.throws(() => parseLimits([text]), { code: 'USAGE', hint: /--limit|limits are|Did you mean|NAME=VALUE/ })
  })
}

test('every limit has an example that it accepts itself', () => {
  for (const key of LIMIT_KEYS) {
    const example = (() => {
      try {
        parseLimits([`${key}=?`])
      } catch (error) {
        return /--limit (\S+=\S+)$/.exec((error as { hint: string }).hint)?.[1] ?? ''
      }
      return ''
    })()
    assert.equal(Object.keys(parseLimits([example])).length > 0, true, example)
  }
})

test('names and values are split at the first equals sign', () => {
  assert.deepEqual(parseKeyValues('--var', ['a=b=c', 'empty=']), { a: 'b=c', empty: '' })
  assert.deepEqual(parseKeyValues('--var', ['__proto__=x']), Object.fromEntries([['__proto__', 'x']]))
  for (const text of ['a', '=b', '']) assert.throws(() => parseKeyValues('--var', [text]), { code: 'USAGE' }, text)
  assert.throws(() => parseKeyValues('--var', ['a=1', 'a=2']), { code: 'USAGE' })
  for (const text of ['A-B=1', '1A=1', 'A B=1']) assert.throws(() => parseEnv('--env', [text]), { code: 'USAGE' }, text)
})

test('a slip of the keyboard is recognised, another word is not', () => {
  assert.equal(nearest('memroy', LIMIT_KEYS), 'memory')
  assert.equal(nearest('exce', ['exec', 'expr']), 'exec')
  assert.equal(nearest('mem', LIMIT_KEYS), 'memory')
  assert.equal(nearest('ex', ['exec', 'expr']), null)
  assert.equal(nearest('kubernetes', LIMIT_KEYS), null)
})

test('isolation kinds of later releases are refused by name', () => {
  for (const kind of ['oci', 'gvisor', 'auto', 'runc', 'crun']) assert.equal(parseIsolation(kind), kind)
  assert.throws(() => parseIsolation('microvm'), { code: 'NOT_IN_RELEASE' })
  assert.throws(() => parseIsolation('none'), { code: 'USAGE' })
  assert.equal(parseSource('read-only'), 'read-only')
  assert.throws(() => parseSource('writable'), { code: 'USAGE' })
})

test('--jobs is a whole number from 1', () => {
  assert.equal(parseJobs('3'), 3)
  for (const text of ['0', '-1', '1.5', 'x', '']) assert.throws(() => parseJobs(text), { code: 'USAGE' }, text)
})

const DOTENV = `# comment
PLAIN=value # comment
export EXPORTED = spaced value
HASH=a#b
SINGLE='raw \\n $x # "' # comment
DOUBLE="line\\nbreak \\"quoted\\" \\$x"
KEY="-----BEGIN-----
abc
-----END-----"
EMPTY=
`

test('a dotenv file is read with its quotes, comments and values of many lines', () => {
  const values = Object.fromEntries(parseDotenv('f', DOTENV.replaceAll('\n', '\r\n')).map(({ name, value }) => [name, value]))
  assert.deepEqual(values, {
    PLAIN: 'value',
    EXPORTED: 'spaced value',
    HASH: 'a#b',
    SINGLE: 'raw \\n $x # "',
    DOUBLE: 'line\nbreak "quoted" $x',
    KEY: '-----BEGIN-----\nabc\n-----END-----',
    EMPTY: '',
  })
})

for (const [text, at] of [
  ['A=1\nnot an assignment s3cret', 'f:2'],
  ['A=1\nA=s3cret', 'f:2'],
  ['\nA="s3cret\nnever closed', 'f:2'],
  ['A="s3cret" more', 'f:1'],
  ['A=1\nB=s3\0cret', 'f:2'],
] as const) {
  test(`a broken dotenv file is refused at ${at} without repeating a value: ${JSON.stringify(text)}`, () => {
    assert.throws(
      () => parseDotenv('f', text),
      (error: Error & { code: string }) =>
        error.code === 'FILE_INVALID' && error.message.startsWith(`${at}:`) && !error.message.includes('s3'),
    )
  })
}

test('every value survives double quotes', () => {
  const value = fc.string({ unit: 'grapheme' }).filter((text) => !/[\0\r]/.test(text))
  fc.assert(
    fc.property(value, (text) => {
      const quoted = text.replace(/[\\"$]/g, '\\$&')
      assert.equal(parseDotenv('f', `A="${quoted}"`)[0]?.value, text)
    }),
  )
})

test('secrets come from the environment or from files, named in upper case', (t) => {
  const token = makeFile(t, 'abc123\n')
  const key = makeFile(t, 'line 1\nline 2\n')
  const dotenv = makeFile(t, 'from_file=1\nTOKEN=loses\n')
  const values = readSecrets(
    { secret: ['npm_token', `TOKEN=@${token}`, `KEY=@${key}`], secretsFile: [dotenv] },
    { read: (name) => (name === 'npm_token' ? 'from env' : undefined) },
  )
  assert.deepEqual(values, { FROM_FILE: '1', TOKEN: 'abc123', NPM_TOKEN: 'from env', KEY: 'line 1\nline 2\n' })
})

test('a secret on the command line is refused and not repeated', () => {
  for (const secret of ['TOKEN=hunter22', 'TOKEN=']) {
    assert.throws(
      () => readSecrets({ secret: [secret], secretsFile: [] }, noSecrets),
      (error: Error & { code: string; hint: string }) =>
        error.code === 'SECRET_ON_ARGV' && !`${error.message}${error.hint}`.includes('hunter22'),
    )
  }
})

test('a secret that is not set, named twice or badly named is refused', () => {
  const read = (secret: string[]): unknown =>
    readSecrets({ secret, secretsFile: [] }, { read: (name) => (name === 'MISSING' ? undefined : 'x') })
  assert.throws(() => read(['MISSING']), { code: 'SECRET_MISSING' })
  for (const secret of [['A', 'a'], ['1A'], ['A-B'], [''], ['GITHUB_X'], ['github_token']])
    assert.throws(() => read(secret), { code: 'USAGE' }, secret.join())
})

test('a payload is one JSON object', (t) => {
  assert.deepEqual(readPayload(makeFile(t, '{"ref":"x"}')), { ref: 'x' })
  assert.throws(() => readPayload(makeFile(t, '[1]')), { code: 'FILE_INVALID' })
  assert.throws(() => readPayload(makeFile(t, '{\n  "a": 1,\n  oops\n}')), { code: 'FILE_INVALID', message: /input:3:3: / })
})

test('only regular files of a limited size and of UTF-8 text are read, and nothing waits', (t) => {
  const input = { option: '--payload', bytesMax: 10 }
  const fifo = join(makeTemporaryDirectory(t), 'fifo')
  assert.equal(spawnSync('mkfifo', [fifo]).status, 0)
  for (const path of [fifo, '/dev/zero', '/', makeFile(t, 'x'.repeat(11)), makeFile(t, Uint8Array.of(0xff)), '/nonexistent']) {
    assert.throws(() => readInputFile(path, input), { code: 'FILE_UNREADABLE' }, path)
  }
  assert.equal(readInputFile(makeFile(t, 'x'.repeat(10)), input), 'x'.repeat(10))
})

test('--deliver says of a given secret that it is a file or a descriptor, and repeats nothing that could be a value', () => {
  const secrets = { KEY: 'k', TOKEN: 't', OTHER: 'o' }
  assert.deepEqual(readDeliveries(['key=file', 'TOKEN=fd', 'OTHER=env'], secrets), { KEY: 'file', TOKEN: 'fd' })
  assert.deepEqual(readDeliveries([], secrets), {})
  for (const text of ['KEY', 'KEY=', 'KEY=placeholder', 'KEY=hunter22', 'KEY=toString'])
    assert.throws(
      () => readDeliveries([text], secrets),
      (error: Error & { code?: string }) => error.code === 'USAGE' && !error.message.includes('hunter22'),
    )
  assert.throws(() => readDeliveries(['NONE=file'], secrets), { code: 'USAGE', hint: /--secret NONE/ })
  assert.throws(() => readDeliveries(['KEY=file', 'key=fd'], secrets), { code: 'USAGE', message: /twice/ })
  assert.throws(() => readDeliveries(['a b=file'], secrets), { code: 'USAGE' })
})
