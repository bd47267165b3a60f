// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import fc from 'fast-check'
import type { PutEntry } from '../contract.ts'
import { ByteReader } from './byte-reader.ts'
import { putFrames, readFileAnswer, readListing, readRequest } from './file-frames.ts'

const code =
  (expected: string) =>
  (error: unknown): boolean =>
    (error as { code?: string }).code === expected

function readerOf(...parts: readonly Uint8Array[]): ByteReader {
  return new ByteReader(Readable.from(parts.map((part) => Buffer.from(part))))
}

interface Listed {
  readonly type: string
  readonly path: Uint8Array
  readonly size?: bigint
  readonly mode?: number
  /** What the header claims instead of the true size. */
  readonly pathBytes?: number
}

function listFrame({ type, path, size = 0n, mode = 0o644, pathBytes = path.length }: Listed): Buffer {
  const header = Buffer.alloc(25)
  header.write(type, 0, 'latin1')
  header.writeUInt32LE(mode, 1)
  header.writeBigUInt64LE(size, 5)
  header.writeBigUInt64LE(1234n, 13)
  header.writeUInt32LE(pathBytes, 21)
  return Buffer.concat([header, path])
}

const END = listFrame({ type: 'E', path: Buffer.alloc(0) })
const named = (path: string): Listed => ({ type: 'f', path: Buffer.from(path) })

async function framesOf(...entries: readonly PutEntry[]): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(putFrames(entries)))
}

test('each entry goes in as a header, its path and its content, and an end', async () => {
  const frames = await framesOf(
    { type: 'directory', path: 'd', mode: 0o755 },
    { type: 'file', path: 'd/f', mode: 0o640, size: 3, content: Buffer.from('abc') },
    { type: 'symlink', path: 'l', target: 'd/f' },
  )
  assert.equal(
    frames.toString('hex'),
    [
      '44ed010000010000000000000000000000',
      '64',
      '46a0010000030000000300000000000000',
      '642f66',
      '616263',
      '4cff010000010000000300000000000000',
      '6c',
      '642f66',
      '4500000000000000000000000000000000',
    ].join(''),
  )
})

for (const [what, content] of [
  ['shorter', 'ab'],
  ['longer', 'abcd'],
  ['empty', ''],
] as const) {
  test(`a file that is ${what} than it was is an error and not a shifted stream`, async () => {
    await assert.rejects(framesOf({ type: 'file', path: 'f', mode: 0o644, size: 3, content: Buffer.from(content) }), code('SANDBOX_INPUT'))
  })
}

test('a file that grows without end is left after its size', async () => {
  let asked = 0
  const endless = (async function* () {
    for (;;) {
      asked += 1
      yield Buffer.alloc(1000)
    }
  })()
  await assert.rejects(framesOf({ type: 'file', path: 'f', mode: 0o644, size: 2500, content: endless }), code('SANDBOX_INPUT'))
  assert.equal(asked, 3)
})

test('a path longer than the kernel takes is refused before it is sent', async () => {
  await assert.rejects(framesOf({ type: 'directory', path: 'x'.repeat(4097), mode: 0o755 }), code('SANDBOX_INPUT'))
})

test('a listing is read with its hostile numbers as numbers', async () => {
  const huge = 2n ** 64n - 1n
  const [entry] = await readListing(readerOf(listFrame({ ...named('a\nb'), size: huge, mode: 0o7777 }), END), 10)
  assert.deepEqual(entry, { path: 'a\nb', type: 'file', mode: 0o7777, size: Number(huge), changedAtNs: 1234n })
})

test('a name that is no UTF-8 is left out, and the rest is read', async () => {
  const reader = readerOf(listFrame({ type: 'f', path: Buffer.from([0xff, 0xfe]) }), listFrame(named('good')), END)
  assert.deepEqual(
    (await readListing(reader, 10)).map(({ path }) => path),
    ['good'],
  )
})

const MALFORMED: readonly (readonly [what: string, bytes: Buffer, code: string])[] = [
  ['nothing at all', Buffer.alloc(0), 'SANDBOX_PROTOCOL'],
  ['half a header', END.subarray(0, 10), 'SANDBOX_PROTOCOL'],
  ['no end', listFrame(named('a')), 'SANDBOX_PROTOCOL'],
  ['a cut path', listFrame({ ...named('abc'), pathBytes: 10 }), 'SANDBOX_PROTOCOL'],
  ['an unknown type', Buffer.concat([listFrame({ type: 'x', path: Buffer.from('a') }), END]), 'SANDBOX_PROTOCOL'],
  [
    'the name of a property of objects for a type',
    Buffer.concat([listFrame({ type: '_', path: Buffer.from('a') }), END]),
    'SANDBOX_PROTOCOL',
  ],
  ['an empty path', Buffer.concat([listFrame(named('')), END]), 'SANDBOX_PROTOCOL'],
  ...['..', '../a', 'a/../../b', '/a', 'a//b', './a', 'a/'].map(
    (path) => [`the path "${path}"`, Buffer.concat([listFrame(named(path)), END]), 'SANDBOX_PROTOCOL'] as const,
  ),
  ['a path of 4 GiB', listFrame({ ...named('a'), pathBytes: 0xffff_ffff }), 'SANDBOX_PROTOCOL'],
  ['a path of one byte too many', listFrame({ ...named('a'), pathBytes: 4097 }), 'SANDBOX_PROTOCOL'],
  ['an end that says that there is more', listFrame({ type: 'T', path: Buffer.alloc(0) }), 'SANDBOX_INPUT'],
  ['more entries than may be', Buffer.concat([listFrame(named('a')), listFrame(named('b')), listFrame(named('c')), END]), 'SANDBOX_INPUT'],
]

for (const [what, bytes, expected] of MALFORMED) {
  test(`a listing with ${what} is an error`, async () => {
    await assert.rejects(readListing(readerOf(bytes), 2), code(expected))
  })
}

async function contentOf(...parts: readonly Uint8Array[]): Promise<string | null> {
  const content = await readFileAnswer(readerOf(...parts))
  return content === null ? null : Buffer.concat(await Array.fromAsync(content)).toString()
}

const answer = (status: string): Buffer => Buffer.concat([Buffer.from(status), Buffer.alloc(8)])
const u32 = (number: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(number)
  return bytes
}

test('a file comes out in chunks until an empty one', async () => {
  assert.equal(await contentOf(answer('F'), u32(3), Buffer.from('abc'), u32(2), Buffer.from('de'), u32(0)), 'abcde')
})

test('what is no regular file is null', async () => {
  for (const status of ['N', 'T', 'X']) assert.equal(await contentOf(answer(status)), null)
})

const BAD_ANSWERS: readonly (readonly [what: string, bytes: Buffer, code: string])[] = [
  ['an unknown status', answer('Q'), 'SANDBOX_PROTOCOL'],
  ['nothing', Buffer.alloc(0), 'SANDBOX_PROTOCOL'],
  ['a chunk of almost 4 GiB', Buffer.concat([answer('F'), u32(0xffff_fff0)]), 'SANDBOX_PROTOCOL'],
  ['a chunk that ends early', Buffer.concat([answer('F'), u32(5), Buffer.from('ab')]), 'SANDBOX_PROTOCOL'],
  ['no end', Buffer.concat([answer('F'), u32(1), Buffer.from('a')]), 'SANDBOX_PROTOCOL'],
  ['a cut at the limit', Buffer.concat([answer('F'), u32(0xffff_ffff)]), 'SANDBOX_INPUT'],
  ['a failure on the way', Buffer.concat([answer('F'), u32(0xffff_fffe)]), 'SANDBOX_INPUT'],
]

for (const [what, bytes, expected] of BAD_ANSWERS) {
  test(`a file with ${what} is an error`, async () => {
    await assert.rejects(contentOf(bytes), code(expected))
  })
}

test('a request holds the length in bytes, not in characters', () => {
  assert.equal(readRequest('ü').toString('hex'), '02000000c3bc')
})

test('a listing that is cut into any pieces is read the same', async () => {
  const path = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }).filter((text) => text.isWellFormed() && !/[./\0]/.test(text))
  await fc.assert(
    fc.asyncProperty(fc.array(path, { maxLength: 20 }), fc.array(fc.nat(60), { maxLength: 30 }), async (paths, cuts) => {
      const whole = Buffer.concat([...paths.map((text) => listFrame(named(text))), END])
      const parts: Buffer[] = []
      let at = 0
      for (const cut of cuts) {
        parts.push(whole.subarray(at, at + cut))
        at += cut
      }
      const entries = await readListing(readerOf(...parts, whole.subarray(at)), 100)
      assert.deepEqual(
        entries.map((entry) => entry.path),
        paths,
      )
    }),
    { numRuns: 100 },
  )
})

test('random bytes are a listing or a named error, and never anything else', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 400 }), async (bytes) => {
      await readListing(readerOf(bytes), 5).catch((error: unknown) => {
        if (!code('SANDBOX_PROTOCOL')(error) && !code('SANDBOX_INPUT')(error)) throw error
      })
    }),
    { numRuns: 300 },
  )
})
