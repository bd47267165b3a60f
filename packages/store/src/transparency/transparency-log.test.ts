// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { appendFileSync, existsSync, globSync, mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import {
  CompactRange,
  decodeEntries,
  entriesPath,
  leafHash,
  openNote,
  parseCheckpoint,
  parseNote,
  rootAt,
  TileHashes,
  tilePath,
  tilesOf,
} from '@sallyport/audit-log'
import { makeTemporaryDirectory } from '../_temporary-directory.ts'
import { StoreError } from '../store-error.ts'
import { MemorySigner } from './_memory-signer.ts'
import type { CheckpointCosigner, TransparencyLog } from './contract.ts'
import { directoryTileSource } from './directory-tile-source.ts'
import { openTransparencyLog } from './open-log.ts'

interface Setting {
  readonly directory: string
  readonly signer: MemorySigner
  open(cosigner?: CheckpointCosigner | null): Promise<TransparencyLog>
}

function setUp(t: TestContext): Setting {
  const directory = join(makeTemporaryDirectory(t), 'audit')
  const signer = new MemorySigner()
  return { directory, signer, open: (cosigner = null) => openTransparencyLog(directory, { signer, cosigner, lockWaitMs: 0 }) }
}

function entry(index: number): Uint8Array {
  return Buffer.from(`{"n":${index},"text":"${'x'.repeat(index % 50)}"}`)
}

function entries(first: number, count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, index) => entry(first + index))
}

async function appendMany(log: TransparencyLog, count: number, atATime: number): Promise<void> {
  for (let first = log.size, end = first + count; first < end; first += atATime)
    await log.append(entries(first, Math.min(atATime, end - first)))
}

/** Re-hashes every entry that the published checkpoint covers, and compares with its root and with every tile. */
async function assertWhole({ directory, signer }: Setting, size: number): Promise<void> {
  const source = directoryTileSource(join(directory, 'log'))
  const note = parseNote((await source.read('checkpoint')) ?? new Uint8Array())
  openNote(note, [signer.verifier])
  const checkpoint = parseCheckpoint(note.text)
  assert.equal(checkpoint.size, size)
  const range = new CompactRange()
  for (const tile of tilesOf(size)) {
    const bytes = await source.read(tilePath(tile))
    assert.equal(bytes?.byteLength, tile.width * 32, tilePath(tile))
    if (tile.level > 0) continue
    const bundle = decodeEntries((await source.read(entriesPath(tile))) ?? new Uint8Array())
    assert.equal(bundle.length, tile.width)
    for (const [at, bytes] of bundle.entries()) {
      assert.deepEqual(Buffer.from(bytes), entry(tile.index * 256 + at))
      range.append(leafHash(bytes))
    }
  }
  assert.deepEqual(range.root(), checkpoint.root)
  assert.deepEqual(await rootAt(new TileHashes(source, size), size), checkpoint.root)
}

function rejectsWith(code: string, promise: Promise<unknown>): Promise<void> {
  return assert.rejects(promise, (error) => error instanceof StoreError && error.code === code)
}

for (const [count, atATime] of [
  [1, 1],
  [255, 7],
  [256, 256],
  [257, 1],
  [70_000, 1000],
] as const) {
  test(`${count} entries, ${atATime} at a time, are a tree of tlog-tiles`, async (t) => {
    const setting = setUp(t)
    {
      await using log = await setting.open()
      await appendMany(log, count, atATime)
      await log.publish()
    }
    await assertWhole(setting, count)
    assert.deepEqual(globSync('{pending,scratch}/*', { cwd: setting.directory }), [])
  })
}

test('an append tells where its entries stand, in the order of the calls', async (t) => {
  await using log = await setUp(t).open()
  const all = await Promise.all([log.append(entries(0, 3)), log.append(entries(3, 1)), log.append(entries(4, 300))])
  assert.deepEqual(all, [
    { first: 0, last: 2 },
    { first: 3, last: 3 },
    { first: 4, last: 303 },
  ])
})

test('readers see nothing before it is published, and the published one while more is appended', async (t) => {
  const setting = setUp(t)
  await using log = await setting.open()
  await appendMany(log, 300, 100)
  assert.equal(log.published?.size, undefined)
  assert.equal(existsSync(join(setting.directory, 'log/checkpoint')), false)
  assert.equal((await log.publish()).size, 300)
  await appendMany(log, 100, 100)
  await assertWhole(setting, 300)
  assert.equal(log.published?.size, 300)
  await log.publish()
  await assertWhole(setting, 400)
})

test('an empty log can be published', async (t) => {
  const setting = setUp(t)
  await using log = await setting.open()
  await log.publish()
  await assertWhole(setting, 0)
})

test('publications that are asked for during one are one', async (t) => {
  const { signer, open } = setUp(t)
  await using log = await open()
  await appendMany(log, 3, 3)
  await Promise.all([log.publish(), log.publish(), log.publish()])
  assert.equal(signer.signed.length, 1)
  await Promise.all([log.publish(), Promise.resolve().then(() => log.publish())])
  assert.ok(signer.signed.length <= 3)
})

test('the log goes on where it ended, with any edge', async (t) => {
  const setting = setUp(t)
  let size = 0
  for (const count of [1, 254, 1, 1, 300, 65_000, 36]) {
    await using log = await setting.open()
    assert.equal(log.size, size)
    await appendMany(log, count, 500)
    size += count
    await log.publish()
    await assertWhole(setting, size)
  }
})

test('entries that no checkpoint covered are in the next one', async (t) => {
  const setting = setUp(t)
  {
    await using log = await setting.open()
    await appendMany(log, 300, 10)
  }
  await using log = await setting.open()
  assert.equal(log.size, 300)
  await log.publish()
  await assertWhole(setting, 300)
})

test('partial tiles go when the full one is there, and not before', async (t) => {
  const setting = setUp(t)
  await using log = await setting.open()
  const partials = (): string[] => globSync('log/**/*.p/*', { cwd: setting.directory }).toSorted()
  await appendMany(log, 100, 100)
  await log.publish()
  await appendMany(log, 100, 100)
  await log.publish()
  assert.deepEqual(partials(), ['log/tile/0/000.p/100', 'log/tile/0/000.p/200', 'log/tile/entries/000.p/100', 'log/tile/entries/000.p/200'])
  await appendMany(log, 56, 56)
  await log.publish()
  assert.deepEqual(partials(), ['log/tile/1/000.p/1'])
  await assertWhole(setting, 256)
})

test('a second writer is refused, in this process and in another, until the first one is done', async (t) => {
  const { directory, open } = setUp(t)
  const code = `
    import { openTransparencyLog } from ${JSON.stringify(join(import.meta.dirname, 'open-log.ts'))}
    import { MemorySigner } from ${JSON.stringify(join(import.meta.dirname, '_memory-signer.ts'))}
    try {
      await openTransparencyLog(${JSON.stringify(directory)}, { signer: new MemorySigner(), cosigner: null, lockWaitMs: 100 })
      process.stdout.write('opened')
    } catch (error) { process.stdout.write(error.code) }`
  const other = async (): Promise<string> =>
    (await promisify(execFile)(process.execPath, ['--input-type=module-typescript', '-e', code])).stdout
  {
    await using _log = await open()
    await rejectsWith('LOG_LOCKED', open())
    assert.equal(await other(), 'LOG_LOCKED')
  }
  assert.equal(await other(), 'opened')
})

test('writers that wait take turns', async (t) => {
  const { directory, signer } = setUp(t)
  const appendOne = async (): Promise<void> => {
    await using log = await openTransparencyLog(directory, { signer, cosigner: null, lockWaitMs: 10_000 })
    await log.append([entry(log.size)])
    await log.publish()
  }
  await Promise.all(Array.from({ length: 8 }, appendOne))
  await assertWhole({ directory, signer, open: () => Promise.reject(new Error('not here')) }, 8)
})

test('a log that is closed takes nothing, and closing it makes durable what was appended before', async (t) => {
  const setting = setUp(t)
  const log = await setting.open()
  const appended = log.append(entries(0, 3))
  const closed = log[Symbol.asyncDispose]()
  await rejectsWith('STORE_CLOSED', log.append(entries(3, 1)))
  await rejectsWith('STORE_CLOSED', log.publish())
  assert.deepEqual(await appended, { first: 0, last: 2 })
  await closed
  await log[Symbol.asyncDispose]()
  await using again = await setting.open()
  assert.equal(again.size, 3)
})

test('an entry that is too long, none at all, and more than the memory takes are refused, and the log goes on', async (t) => {
  await using log = await setUp(t).open()
  await rejectsWith('EVENT_TOO_LARGE', log.append([new Uint8Array(65_536)]))
  await assert.rejects(log.append([]), TypeError)
  const large = Array.from({ length: 1500 }, () => new Uint8Array(65_535))
  const [first, second] = await Promise.allSettled([log.append(large), log.append(large)])
  assert.equal(first?.status, 'fulfilled')
  assert.equal(second?.status === 'rejected' && (second.reason as StoreError).code, 'LOG_OVERLOADED')
  assert.deepEqual(await log.append([new Uint8Array(65_535), new Uint8Array(0)]), { first: 1500, last: 1501 })
})

test('a signer that fails leaves the log as it was, and the next publication makes good', async (t) => {
  const setting = setUp(t)
  await using log = await setting.open()
  await appendMany(log, 10, 10)
  setting.signer.failure = new Error('no key today')
  await assert.rejects(log.publish(), /no key today/)
  assert.equal(log.published, null)
  await appendMany(log, 10, 10)
  setting.signer.failure = null
  await log.publish()
  await assertWhole(setting, 20)
})

test('a checkpoint that was signed and not published is followed by one that grows from it', async (t) => {
  const setting = setUp(t)
  const refusing: CheckpointCosigner = { cosign: () => Promise.reject(new Error('no witness today')) }
  {
    await using log = await setting.open(refusing)
    await appendMany(log, 10, 10)
    await assert.rejects(log.publish(), /no witness today/)
  }
  await using log = await setting.open()
  await appendMany(log, 10, 10)
  await log.publish()
  await assertWhole(setting, 20)
  assert.deepEqual(
    setting.signer.signed.map(({ size }) => size),
    [10, 20],
  )
})

test('witnesses get the note and the proof from whatever they remember; what they add is published', async (t) => {
  const setting = setUp(t)
  const asked: number[] = []
  const witness: CheckpointCosigner = {
    cosign: async (checkpoint, prove) => {
      for (const oldSize of [0, 3, 10]) asked.push((await prove(oldSize)).length)
      return Buffer.concat([checkpoint, Buffer.from('— witness.test AAAAAAA=\n')])
    },
  }
  await using log = await setting.open(witness)
  await appendMany(log, 10, 10)
  await log.publish()
  assert.deepEqual(asked, [0, 5, 0])
  assert.match(readFileSync(join(setting.directory, 'log/checkpoint'), 'utf8'), /— witness\.test/)
})

test('entries go on while a witness takes its time, also more than the pending file holds', async (t) => {
  const setting = setUp(t)
  const asked = Promise.withResolvers<void>()
  const answer = Promise.withResolvers<void>()
  const slow: CheckpointCosigner = {
    cosign: async (checkpoint, prove) => {
      asked.resolve()
      await answer.promise
      await prove(1)
      return checkpoint
    },
  }
  await using log = await setting.open(slow)
  await appendMany(log, 300, 300)
  const published = log.publish()
  await asked.promise
  for (let count = 0; count < 18; count += 1) await log.append(Array.from({ length: 64 }, () => new Uint8Array(65_000)))
  assert.equal(log.size, 300 + 18 * 64)
  answer.resolve()
  const head = await published
  assert.equal(head.size, 300)
  // Its partial tiles have full ones meanwhile, which a reader takes instead
  assert.deepEqual(await rootAt(new TileHashes(directoryTileSource(join(setting.directory, 'log')), 300), 300), head.root)
})

test('a checkpoint of another tree is not published', async (t) => {
  const setting = setUp(t)
  let stale: Uint8Array | null = null
  const confused: CheckpointCosigner = {
    cosign: async (checkpoint) => {
      stale ??= checkpoint
      return stale
    },
  }
  await using log = await setting.open(confused)
  await appendMany(log, 1, 1)
  await log.publish()
  await appendMany(log, 1, 1)
  await assert.rejects(log.publish(), TypeError)
  assert.equal(log.published?.size, 1)
})

test('a log that was put back is not published again', async (t) => {
  const setting = setUp(t)
  {
    await using log = await setting.open()
    await appendMany(log, 20, 10)
    await log.publish()
  }
  rmSync(setting.directory, { recursive: true })
  await using log = await setting.open()
  await appendMany(log, 10, 10)
  await rejectsWith('LOG_ROLLED_BACK', log.publish())
})

test('files that are not what was written keep the log from going on', async (t) => {
  const spoil: Record<string, (directory: string) => void> = {
    'a tile of the edge is gone': (directory) => rmSync(join(directory, 'log/tile/0/001.p/44')),
    'a tile of the edge is another one': (directory) => writeFileSync(join(directory, 'log/tile/0/001.p/44'), Buffer.alloc(44 * 32)),
    'the last bundle is another one': (directory) => truncateSync(join(directory, 'log/tile/entries/001.p/44'), 100),
    'the state is none': (directory) => writeFileSync(join(directory, 'tree.json'), 'x'),
    'the state is gone': (directory) => rmSync(join(directory, 'tree.json')),
    'the state is another one': (directory) =>
      writeFileSync(join(directory, 'tree.json'), JSON.stringify({ size: 300, root: Buffer.alloc(32).toString('base64') })),
    'the checkpoint is none': (directory) => writeFileSync(join(directory, 'log/checkpoint'), 'x'),
    'the checkpoint is of another log': (directory) => {
      const path = join(directory, 'log/checkpoint')
      writeFileSync(path, readFileSync(path, 'utf8').replace('log.test/one', 'log.test/two'))
    },
    'the checkpoint has another root': (directory) => {
      const path = join(directory, 'log/checkpoint')
      writeFileSync(path, readFileSync(path, 'utf8').replace(/\n300\n.*\n/, `\n300\n${Buffer.alloc(32).toString('base64')}\n`))
    },
    'a directory stands in the place of pending entries': (directory) => mkdirSync(join(directory, 'pending/000000000001')),
    'a strange file is among the pending entries': (directory) => writeFileSync(join(directory, 'pending/x'), ''),
  }
  for (const [name, change] of Object.entries(spoil)) {
    const { directory, open } = setUp(t)
    {
      await using log = await open()
      await appendMany(log, 300, 100)
      await log.publish()
    }
    change(directory)
    await assert.rejects(open(), (error) => error instanceof StoreError && /^STORE_(CORRUPT|UNSAFE)$/.test(error.code), name)
  }
})

test('what a crash left of the last commit is dropped, and nothing that was acknowledged', async (t) => {
  const setting = setUp(t)
  const log = await setting.open()
  await appendMany(log, 300, 100)
  const [segment = ''] = globSync('pending/*', { cwd: setting.directory })
  const saved = readFileSync(join(setting.directory, segment))
  await log[Symbol.asyncDispose]()
  for (const torn of [0, 1, 31, 32, 33, 500]) {
    rmSync(setting.directory, { recursive: true })
    await (await setting.open())[Symbol.asyncDispose]()
    // The last commit again, of which only a part was written, and other pages of it not at all
    writeFileSync(join(setting.directory, 'pending/000000000001'), saved)
    const last = saved.lastIndexOf('SPLF')
    appendFileSync(join(setting.directory, 'pending/000000000001'), Buffer.concat([saved.subarray(last, last + torn), Buffer.alloc(100)]))
    await using again = await setting.open()
    assert.deepEqual(again.recovered, { entries: 300, tornBytes: torn + 100 })
    assert.equal(again.size, 300)
  }
})

test('a commit that is damaged before others is no crash', async (t) => {
  const setting = setUp(t)
  const log = await setting.open()
  await appendMany(log, 300, 100)
  const path = join(setting.directory, globSync('pending/*', { cwd: setting.directory })[0] ?? '')
  const saved = readFileSync(path)
  await log[Symbol.asyncDispose]()
  for (const at of [5, 100]) {
    rmSync(setting.directory, { recursive: true })
    await (await setting.open())[Symbol.asyncDispose]()
    const damaged = Buffer.from(saved)
    damaged[at] = (damaged[at] ?? 0) ^ 1
    writeFileSync(path, damaged)
    await rejectsWith('STORE_CORRUPT', setting.open())
  }
  writeFileSync(path, saved.subarray(saved.indexOf('SPLF', 1)))
  await rejectsWith('STORE_CORRUPT', setting.open())
})
