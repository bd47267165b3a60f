// SPDX-License-Identifier: Apache-2.0
// Runs a writer (_log-writer.ts, _export-writer.ts) while strace makes one of its system calls fail, or kills it there; then looks at what it left.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { cpSync, existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import {
  type CheckpointSigner,
  CompactRange,
  decodeEntries,
  ed25519Verifier,
  entriesPath,
  formatKeys,
  type Hash,
  KEYS_PATH,
  type KeyEpoch,
  leafHash,
  openNote,
  parseCheckpoint,
  parseKeys,
  parseNote,
  parseTilePath,
  parseVerifierKey,
  type RotatedEpoch,
  type TileSource,
  tilePath,
  tilesOf,
  tileWidth,
  trustedEpochs,
} from '@sallyport/audit-log'
import { directoryTileSource, openTransparencyLog, PayloadStore, publishKeys, Spool, verifyArchive, withArchives } from '@sallyport/store'
import { build } from 'esbuild'
import { Signer } from '../../packages/signer/src/signer.ts'
import { type Operation, parseTrace } from './_lost-writes.ts'

export const ORIGIN = 'log.test/faults'
/** What the writer moves out of the log at its end. */
export const ARCHIVED = { first: 0, end: 256 }
export const SPOOL = { name: 'host/faults', bytesMax: 2 ** 20 }

/** What the writer says, before anything that it does next. */
export type Said =
  | { readonly type: 'thread'; readonly id: number }
  | { readonly type: 'appended'; readonly first: number; readonly last: number; readonly generation: string }
  | { readonly type: 'signed'; readonly size: number; readonly root: string }
  | { readonly type: 'published'; readonly size: number }
  | { readonly type: 'prepared'; readonly key: string }
  | { readonly type: 'rotated'; readonly epochs: number; readonly key: string }
  | { readonly type: 'kept' | 'erased'; readonly commitment: string; readonly bytes: number }
  | { readonly type: 'spooled' | 'lost'; readonly first: number; readonly generation: string }
  | { readonly type: 'shipped'; readonly first: number; readonly isKept: boolean; readonly generation: string }
  | { readonly type: 'exported'; readonly next: number }
  | { readonly type: 'done' }
  | { readonly type: 'failed'; readonly code: string; readonly message: string }

/** Another writer's entry at the same place is another one: a lost entry would give its size a second root. */
export function writtenEntry(generation: string, index: number): Buffer {
  return Buffer.from(JSON.stringify({ generation, index, text: 'x'.repeat(40) }))
}

/** One system call that goes wrong: the `when`-th of its name that the writer's file thread makes. */
export interface Fault {
  readonly call: string
  readonly when: number
  /** As strace writes it: `error=EIO`, `retval=0`, `signal=SIGKILL`. */
  readonly effect: string
}

/** Only those that the calls can really end with. */
const EFFECTS: Readonly<Record<string, readonly string[]>> = {
  openat: ['error=EIO', 'error=ENOSPC', 'error=EMFILE'],
  mkdir: ['error=EIO', 'error=ENOSPC'],
  pwrite64: ['error=EIO', 'error=ENOSPC', 'retval=0'],
  ftruncate: ['error=EIO'],
  fdatasync: ['error=EIO', 'error=ENOSPC'],
  fsync: ['error=EIO', 'error=ENOSPC'],
  rename: ['error=EIO', 'error=ENOSPC'],
  unlink: ['error=EIO'],
  rmdir: ['error=EIO'],
  getdents64: ['error=EIO'],
  pread64: ['error=EIO'],
  read: ['error=EIO'],
  statx: ['error=EIO'],
  close: ['error=EIO'],
}
const KILL = 'signal=SIGKILL'

/** A writer that hangs is a failure of its own. */
const WRITER_MS = 240_000

export class LogFaults implements Disposable {
  // In memory: what a disk does with what it is told to sync is not what is tried here, and hundreds of runs would wait for it.
  readonly #scratch = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'sallyport-log-faults-'))
  readonly #writer = join(this.#scratch, 'writer.cjs')
  readonly #source: string
  readonly #check: typeof assertSound
  #count = 0

  /** `check`: what has to hold of what it left and said. */
  constructor(source = '_log-writer.ts', check = assertSound) {
    this.#source = source
    this.#check = check
  }

  async prepare(): Promise<void> {
    const entryPoints = [join(import.meta.dirname, this.#source)]
    // As one file it starts in a quarter of the time
    await build({
      entryPoints,
      outfile: this.#writer,
      bundle: true,
      platform: 'node',
      target: 'node24',
      format: 'cjs',
      external: ['esbuild'],
      // As if it lay here: what was built is looked up from there
      define: { 'import.meta.url': JSON.stringify(import.meta.url), 'import.meta.dirname': '"writer"' },
      logLevel: 'error',
    })
  }

  /** An empty directory, or a copy of another one. */
  directory(template?: string): string {
    this.#count += 1
    const directory = join(this.#scratch, String(this.#count))
    if (template === undefined) mkdirSync(directory)
    else cpSync(template, directory, { recursive: true })
    return directory
  }

  /** Every fault there is in a run of the writer that begins with what stands in `template`. */
  async faults(template?: string): Promise<Fault[]> {
    const directory = this.directory(template)
    const trace = join(this.#scratch, 'trace')
    const said = await this.run(directory, 'a', ['-o', trace])
    assert.equal(said.at(-1)?.type, 'done', JSON.stringify(said.at(-1)))
    rmSync(directory, { recursive: true })
    const counts = new Map<string, number>()
    for (const [, call = ''] of readFileSync(trace, 'utf8').matchAll(/^([a-z0-9_]+)\(/gm)) counts.set(call, (counts.get(call) ?? 0) + 1)
    return [...counts].flatMap(([call, count]) => {
      const effects = EFFECTS[call] === undefined ? [] : [...EFFECTS[call], KILL]
      return Array.from({ length: count }, (_, index) => effects.map((effect) => ({ call, when: index + 1, effect }))).flat()
    })
  }

  /** What a run leaves that is killed after it has written a whole new tree, and before it could say so. */
  async interrupted(): Promise<{ readonly directory: string; readonly said: readonly Said[] }> {
    const renames = (await this.record()).filter(({ type }) => type === 'rename') as Extract<Operation, { type: 'rename' }>[]
    const states = renames.flatMap(({ to }, index) => (to === 'audit/tree.json' ? [index] : []))
    const directory = this.directory()
    const said = await this.run(directory, 'a', optionsOf({ call: 'rename', when: (states[1] ?? 0) + 1, effect: KILL }))
    assert.equal(said.at(-1)?.type, 'appended')
    return { directory, said }
  }

  /** Runs the writer with each fault and looks at what it left. Answers with what is wrong. */
  async tryAll(
    faults: readonly Fault[],
    before: { readonly directory?: string; readonly said: readonly Said[] } = { said: [] },
  ): Promise<string[]> {
    const wrong: string[] = []
    const waiting = [...faults]
    const work = async (): Promise<void> => {
      for (let fault = waiting.shift(); fault !== undefined; fault = waiting.shift()) {
        const directory = this.directory(before.directory)
        try {
          await this.#check(directory, [...before.said, ...(await this.run(directory, 'b', optionsOf(fault)))])
        } catch (error) {
          wrong.push(`${fault.call} ${fault.when} ${fault.effect}: ${error instanceof Error ? error.stack : String(error)}`)
        }
        rmSync(directory, { recursive: true })
      }
    }
    await Promise.all(Array.from({ length: availableParallelism() }, work))
    return wrong
  }

  /** All that a run of the writer does to files, and what it says meanwhile. */
  async record(template?: string): Promise<Operation[]> {
    const directory = this.directory(template)
    const path = join(this.#scratch, 'trace')
    const calls = 'openat,mkdir,pwrite64,write,fdatasync,fsync,rename,unlink,rmdir'
    await this.run(directory, 'a', ['-o', path, '-y', '-xx', '-s', '1000000', '-e', `trace=${calls}`])
    return parseTrace(readFileSync(path, 'utf8'), directory)
  }

  /** Runs the writer; its file thread is traced with `options` of strace. `limit`: a program that starts it. */
  async run(directory: string, generation: string, options: readonly string[], limit: readonly string[] = []): Promise<Said[]> {
    const [program = '', ...args] = [...limit, process.execPath, this.#writer, directory, generation]
    const writer = spawn(program, args, {
      env: { UV_THREADPOOL_SIZE: '1', NODE_PATH: join(import.meta.dirname, '../../node_modules') },
      stdio: ['pipe', 'pipe', 'inherit'],
      timeout: WRITER_MS,
      killSignal: 'SIGKILL',
    })
    const said: Said[] = []
    const thread = Promise.withResolvers<number>()
    const ended = new Promise<void>((resolve) => writer.once('close', () => resolve()))
    createInterface({ input: writer.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      const words = JSON.parse(line) as Said
      if (words.type === 'thread') thread.resolve(words.id)
      else said.push(words)
    })
    void ended.then(() => thread.reject(new Error('the writer did not start')))
    const strace = await trace(await thread.promise, options)
    writer.stdin?.on('error', () => undefined).end('x')
    await Promise.all([ended, strace.ended])
    return said
  }

  [Symbol.dispose](): void {
    rmSync(this.#scratch, { recursive: true, force: true })
  }
}

function optionsOf({ call, when, effect }: Fault): string[] {
  return ['-o', '/dev/null', '-e', `trace=${call}`, '-e', `inject=${call}:${effect}:when=${when}`]
}

/** Resolves once it is attached, with what resolves at its end. */
async function trace(thread: number, options: readonly string[]): Promise<{ readonly ended: Promise<void> }> {
  const strace: ChildProcess = spawn('strace', ['-p', String(thread), ...options], { stdio: ['ignore', 'ignore', 'pipe'] })
  const ended = new Promise<void>((resolve) => strace.once('close', () => resolve()))
  await new Promise<void>((resolve, reject) => {
    let words = ''
    strace.once('error', reject)
    strace.once('close', () => reject(new Error(`strace ended: ${words}`)))
    strace.stderr?.on('data', (chunk: Buffer) => {
      words += chunk.toString()
      if (/attached/.test(words)) resolve()
    })
  })
  return { ended }
}

/**
 * What has to hold after whatever happened to the writer: the log opens, goes on under other entries and is published; then it is a whole tree with
 * everything that was acknowledged, and no size was ever signed with two roots.
 */
export async function assertSound(directory: string, said: readonly Said[]): Promise<void> {
  const signed = said.filter(({ type }) => type === 'signed') as Extract<Said, { type: 'signed' }>[]
  const epochs = await goOn(directory, signed)
  const archive = join(directory, 'archive')
  const archives = existsSync(archive) ? [directoryTileSource(archive)] : []
  const source = withArchives(directoryTileSource(join(directory, 'audit/log')), archives)
  const head = await publishedHead(source, epochs)
  const acknowledged = said.filter(({ type }) => type === 'appended') as Extract<Said, { type: 'appended' }>[]
  const roots = await walk(source, head.size, acknowledged)
  assert.deepEqual(roots.get(head.size), head.root)
  assert.ok(
    signed.every(({ size, root }) => roots.get(size)?.toString('base64') === root),
    'a size was signed with another root',
  )
  const seen = Math.max(0, ...said.map((words) => (words.type === 'published' ? words.size : 0)))
  assert.ok(head.size > seen)
  assertTidy(join(directory, 'audit'), head.size)
  assertKeys(directory, epochs, said)
  await assertPayloads(join(directory, 'audit'), said)
  await assertSpool(join(directory, 'spool'), said)
}

/** Every key that anybody was told of is an epoch or is still prepared; the published list leads from the first to today's; no old key is there. */
function assertKeys(directory: string, epochs: Signer['epochs'], said: readonly Said[]): void {
  const { next } = JSON.parse(readFileSync(join(directory, 'signer/signer.json'), 'utf8')) as { next: string | null }
  const keys = epochs.map(({ verifierKey }) => verifierKey)
  for (const words of said) {
    if (words.type === 'prepared') assert.ok(words.key === next || keys.includes(words.key), 'a key that was prepared is gone')
    if (words.type === 'rotated') assert.ok(keys.includes(words.key) && epochs.length >= words.epochs, 'an epoch is gone')
  }
  const kept = next === null ? [epochs.length] : [epochs.length, epochs.length + 1]
  assert.deepEqual(
    globSync('key-*', { cwd: join(directory, 'signer') }).toSorted(),
    kept.map((number) => `key-${number}.pem`),
    'an old key is there',
  )
  const published = join(directory, 'audit/log', KEYS_PATH)
  const list = existsSync(published) ? parseKeys(readFileSync(published)) : null
  assert.equal(list?.length ?? 1, epochs.length, 'readers do not find the keys')
  const [first] = keys
  if (list !== null) assert.equal(trustedEpochs(ORIGIN, parseVerifierKey(first ?? ''), list).at(-1)?.firstSize, epochs.at(-1)?.firstSize)
}

async function assertPayloads(directory: string, said: readonly Said[]): Promise<void> {
  const payloads = new PayloadStore(directory)
  await payloads.sweep(new Date(Date.now() + 2 * 60 * 60 * 1000))
  assert.deepEqual(globSync('payloads/new-*', { cwd: directory }), [])
  for (const words of said) {
    if (words.type === 'kept') assert.equal(Buffer.concat(await Array.fromAsync(payloads.read(words))).toString(), 'kept')
    if (words.type === 'erased') await assert.rejects(Array.fromAsync(payloads.read(words)), { code: 'PAYLOAD_ERASED' })
  }
  for await (const { about } of payloads.list()) assert.equal(about.class, 'job-log')
}

/** Whatever was spooled arrives, once, under its number, and what a full disk lost leaves its number out; of what nobody was told either may be. */
async function assertSpool(directory: string, said: readonly Said[]): Promise<void> {
  const arrived = new Map<number, string>()
  await using spool = await Spool.open(directory, SPOOL)
  await spool.append([writtenEntry('next', spool.next)])
  const done = new AbortController()
  const last = spool.next
  await spool.ship(async ({ first, records }) => {
    for (const [index, record] of records.entries()) arrived.set(first + index, Buffer.from(record).toString())
    if (first + records.length === last) done.abort()
    return { next: first + records.length, refused: 0, reason: null }
  }, done.signal)
  assert.equal(spool.counts.lost, 0)
  const lost = new Set(said.flatMap((words) => (words.type === 'lost' ? [words.first] : [])))
  assert.deepEqual(
    [...arrived.keys()],
    Array.from({ length: last - 1 }, (_, index) => index + 1).filter((number) => !lost.has(number)),
  )
  for (const words of said)
    if (words.type === 'spooled') assert.equal(arrived.get(words.first), writtenEntry(words.generation, words.first).toString())
}

/** Opens what was left, as the next run would. */
async function goOn(directory: string, signed: { size: number; root: string; type: 'signed' }[]): Promise<Signer['epochs']> {
  await using signer = await Signer.open(join(directory, 'signer'), ORIGIN)
  const port: CheckpointSigner = {
    origin: ORIGIN,
    latest: async () => signer.latest,
    sign: async (growth) => {
      const note = await signer.sign(growth)
      const keys = formatKeys(signer.epochs.map(rotatedEpoch))
      if (keys !== null) await publishKeys(join(directory, 'audit'), keys)
      signed.push({ type: 'signed', size: growth.head.size, root: Buffer.from(growth.head.root).toString('base64') })
      return note
    },
  }
  await using log = await openTransparencyLog(join(directory, 'audit'), { signer: port, cosigner: null, lockWaitMs: 0 })
  await log.append([writtenEntry('next', log.size), writtenEntry('next', log.size + 1)])
  await log.publish()
  // Where an archive has its name, it is whole
  if (existsSync(join(directory, 'archive'))) await verifyArchive(join(directory, 'archive'), signer.epochs.map(epochOf))
  return signer.epochs
}

function epochOf({ verifierKey, firstSize, lastSize }: Signer['epochs'][number]): KeyEpoch {
  return { key: parseVerifierKey(verifierKey), firstSize, lastSize, seal: null }
}

function rotatedEpoch(epoch: Signer['epochs'][number]): RotatedEpoch {
  const bytes = (text: string | null): Uint8Array | null => (text === null ? null : Buffer.from(text, 'base64'))
  return { ...epochOf(epoch), seal: bytes(epoch.seal), rotation: bytes(epoch.rotation) }
}

async function publishedHead(source: TileSource, epochs: Signer['epochs']): Promise<{ size: number; root: Hash }> {
  const note = parseNote((await source.read('checkpoint')) ?? new Uint8Array())
  const { size, root } = parseCheckpoint(note.text)
  const today = epochs
    .filter(({ firstSize, lastSize }) => firstSize <= size && (lastSize === null || size <= lastSize))
    .map(({ verifierKey }) => ed25519Verifier(parseVerifierKey(verifierKey)))
  openNote(note, today)
  return { size, root: Buffer.from(root) }
}

/** Reads all entries and compares all tiles. Answers with the root at every size. */
async function walk(
  source: TileSource,
  size: number,
  acknowledged: readonly Extract<Said, { type: 'appended' }>[],
): Promise<Map<number, Buffer>> {
  const roots = new Map<number, Buffer>()
  const range = new CompactRange()
  roots.set(0, Buffer.from(range.root()))
  for (const tile of tilesOf(size)) {
    const hashes = await source.read(tilePath(tile))
    assert.equal(hashes?.byteLength, tile.width * 32, tilePath(tile))
    if (tile.level > 0) {
      // As small as it is, its levels are one hash of a full tile each
      assert.deepEqual(Buffer.from(hashes ?? []).subarray(0, 32), roots.get(256))
      continue
    }
    const entries = decodeEntries((await source.read(entriesPath(tile))) ?? new Uint8Array())
    assert.equal(entries.length, tile.width)
    for (const [at, entry] of entries.entries()) {
      const index = tile.index * 256 + at
      const { generation } = JSON.parse(Buffer.from(entry).toString()) as { generation: string }
      assert.deepEqual(Buffer.from(entry), writtenEntry(generation, index))
      const known = acknowledged.find(({ first, last }) => first <= index && index <= last)
      if (known !== undefined) assert.equal(generation, known.generation, `entry ${index} was acknowledged and is another one now`)
      const leaf = leafHash(entry)
      assert.deepEqual(Buffer.from(hashes ?? []).subarray(at * 32, (at + 1) * 32), Buffer.from(leaf))
      range.append(leaf)
      roots.set(index + 1, Buffer.from(range.root()))
    }
  }
  for (const { last } of acknowledged) assert.ok(last < size, `entry ${last} was acknowledged and is gone`)
  return roots
}

/** Nothing of the crash is left: no temporary file, no pending entry, no partial tile that a full one has replaced. */
function assertTidy(directory: string, size: number): void {
  assert.deepEqual(globSync(['{pending,scratch}/*', '*.tmp', 'log/*.tmp'], { cwd: directory }), [])
  for (const path of globSync('log/tile/**/*.p/*', { cwd: directory })) {
    const tile = parseTilePath(path.slice('log/'.length))
    assert.ok(tile !== null, path)
    assert.ok(tileWidth(size, tile.level ?? 0, tile.index) < 256, `${path} has a full tile beside it`)
  }
  assert.ok(existsSync(join(directory, 'log/checkpoint')))
}
