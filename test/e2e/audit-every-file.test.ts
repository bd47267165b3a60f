// SPDX-License-Identifier: Apache-2.0
// Whatever root does to any one file of a state directory, `audit verify` and `audit payload` name it, or may rightly not care. The files are those of
// a real state directory, found by walking it: what is added to it later is tried, too, and has to be found unless it is named below, with the reason.
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  cpSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { type AuditPlace, createAgent } from '@sallyport/agent'
import { SallyportError } from '@sallyport/core'
import { World } from '../_world.ts'

const world = new World()
after(() => world[Symbol.asyncDispose]())

const agent = createAgent()
const kept = join(world.directory, 'kept')
const outside = join(world.directory, 'outside')
const PLACE: AuditPlace = { stateDirectory: world.state, directory: null, key: null }
const VERIFY = { remember: null, policy: null, freshnessS: null, archives: null }
/** The first run, which is in the archive, and whose caller is no root. */
let run = ''

before(async () => {
  await makeState()
  cpSync(world.state, kept, { recursive: true, preserveTimestamps: true })
})

/** Everything that a log's state directory can have, and all of it published. */
async function makeState(): Promise<void> {
  await exec('first-word')
  ;[run = ''] = readdirSync(join(world.state, 'runs'))
  const operator = await agent.audit.operatorLog(world.state)
  await operator.record('operator.noted', { large: 'x'.repeat(20_000) })
  for (let count = 0; count < 260; count += 1) await operator.record('operator.noted', { count })
  await operator.close()
  await agent.retention.hold(world.state, { run, class: 'output', since: null, until: null, reason: 'case 4711' })
  for (const policy of ['audit-policy', 'lease-policy']) writeFileSync(join(world.state, policy), 'quorum none\n', { mode: 0o600 })
  writeFileSync(join(world.state, 'audit-retention'), 'keep output 90\n', { mode: 0o600 })
  const { made } = await agent.retention.archive(world.state, { archive: null, before: '2100-01-01' })
  assert.equal(made?.end, 256)
  await exec('last-word')
  const exported = await world.run(['audit', 'export', '--to', 'jsonl', '--once', join(world.directory, 'export.jsonl')])
  assert.equal(exported.exitCode, 0, exported.stderr)
  assert.match(await verdict(), /^sound/)
  rmSync(join(world.state, 'sandbox'), { recursive: true, force: true })
}

async function exec(word: string): Promise<void> {
  const config = join(world.directory, 'quiet.yml')
  writeFileSync(config, 'version: 1\nhostLogs: off\n', { mode: 0o600 })
  const { exitCode, stderr } = await world.run(['exec', '--config', config, '--', 'echo', word], { env: { SUDO_USER: 'kim' } })
  assert.equal(exitCode, 0, stderr)
}

/** Two partial tiles stand for all those that no checkpoint needs any more. */
function* filesOf(directory: string, under = ''): Generator<string> {
  for (const item of readdirSync(join(directory, under), { withFileTypes: true })) {
    const path = join(under, item.name)
    if (!item.isDirectory()) yield path
    else if (path.endsWith('.p')) yield* partialsOf(join(directory, path), path)
    else yield* filesOf(directory, path)
  }
}

function partialsOf(directory: string, under: string): string[] {
  const widths = readdirSync(directory).toSorted((a, b) => Number(a) - Number(b))
  return [...new Set([widths[0], widths.at(-1)])].map((width) => join(under, width ?? ''))
}

/** A different content of a regular file. */
const EDITS: Readonly<Record<string, (path: string) => void>> = {
  'deletes it': (path) => rmSync(path),
  'empties it': (path) => truncateSync(path, 0),
  'cuts it in half': (path) => truncateSync(path, Math.floor(statSync(path).size / 2)),
  'changes one bit of it': (path) => {
    const bytes = readFileSync(path)
    const at = Math.floor(bytes.length / 2)
    bytes[at] = (bytes[at] ?? 0) ^ 1
    writeFileSync(path, bytes)
  },
  'writes what a terminal would obey into it': (path) => writeFileSync(path, '\u0000\u001b[2J\u202e{"__proto__":1e999}'),
  'writes null into it': (path) => writeFileSync(path, 'null\n'),
  'makes it a sparse terabyte': (path) => truncateSync(path, 2 ** 40),
}

/** Something else in its place. */
const REPLACEMENTS: Readonly<Record<string, (path: string) => void>> = {
  'puts a FIFO in its place': (path) => execFileSync('mkfifo', [path]),
  'puts a link to nothing in its place': (path) => symlinkSync('/nowhere/at/all', path),
  'puts a link to endless zeroes in its place': (path) => symlinkSync('/dev/zero', path),
  'puts a device in its place': (path) => execFileSync('mknod', [path, 'c', '1', '5']),
  'puts a directory in its place': (path) => mkdirSync(path),
  'puts a socket in its place': (path) => {
    const listen = `require('node:net').createServer().listen(${JSON.stringify(`./${basename(path)}`)}, () => process.kill(process.pid, 'SIGKILL'))`
    // Relative, since its whole path is too long for a socket
    spawnSync(process.execPath, ['-e', listen], { cwd: dirname(path) })
    assert.equal(lstatSync(path).isSocket(), true)
  },
}

/** It is another file, and says the same. */
const HARMLESS: Readonly<Record<string, (path: string) => void>> = {
  'gives it to somebody else': (path) => chownSync(path, 1234, 1234),
  'lets nobody read it': (path) => chmodSync(path, 0),
  'gives it another name, too': (path) => linkSync(path, outside),
}

/** Of files of which `audit verify` need not say anything: why. */
const UNNEEDED: readonly (readonly [RegExp, string])[] = [
  [/(^|[/.])lock$|^audit\/publishing$/, 'nothing stands in it'],
  [/^audit\/log\/tile\/.*\.p\/(?!NEWEST$)\d+$/, 'no checkpoint needs it any more'],
  [/^audit\/archives\/[^/]+\/checkpoint$/, 'archive --verify asks for it; here the log has its own'],
  [
    /^audit\/archives\/[^/]+\/seal\.json$/,
    'without it the archive is none, and archives may be elsewhere: the report says from where on it is',
  ],
  [/^audit\/payloads\/|^runs\/[^/]+\/(log\/|journal\.jsonl$|run\.json$)/, 'it lies beside the log: audit payload'],
  [/^audit\/origin$/, 'the signer has it, too'],
  [/^signer\/key-1\.pem$/, 'checking needs no key; the next publication names it'],
  [/^audit-(retention|policy)$|^lease-policy$/, 'the operator may have none'],
  [/^export\//, 'exports ask for it'],
]

function isUnneeded(file: string): boolean {
  return UNNEEDED.some(([pattern]) => pattern.test(file))
}

const TIME_LIMIT_MS = 120_000

/** What `audit verify` comes to: `sound`, what was found, or which error names it. */
async function verdict(): Promise<string> {
  return within(async () => {
    const { sound, manipulation, findings } = await agent.audit.verify(PLACE, VERIFY)
    return sound ? 'sound' : `found ${manipulation ?? findings.map(({ kind }) => kind).join()}`
  })
}

/** Never a hang, and never an error that nobody has foreseen. */
async function within(work: () => Promise<string>): Promise<string> {
  const { promise: late, resolve } = Promise.withResolvers<string>()
  const timer = setTimeout(() => resolve('HANGS'), TIME_LIMIT_MS)
  try {
    return await Promise.race([late, work()])
  } catch (error) {
    return error instanceof SallyportError ? `refuses with ${error.code}` : `CRASHES: ${String(error)}`
  } finally {
    clearTimeout(timer)
  }
}

function restore(file: string): void {
  rmSync(outside, { force: true })
  rmSync(join(world.state, file), { force: true, recursive: true })
  cpSync(join(kept, file), join(world.state, file), { preserveTimestamps: true })
  chmodSync(join(world.state, file), statSync(join(kept, file)).mode)
  chownSync(join(world.state, file), 0, 0)
}

async function answersTo(
  file: string,
  question: () => Promise<string>,
  isWrong: (said: string, name: string) => boolean,
): Promise<string[]> {
  const wrong: string[] = []
  for (const [name, manipulate] of Object.entries({ ...EDITS, ...REPLACEMENTS, ...HARMLESS })) {
    const path = join(world.state, file)
    if (name in REPLACEMENTS) rmSync(path)
    try {
      manipulate(path)
      const said = await question()
      if (/^(HANGS|CRASHES)/.test(said) || isWrong(said, name)) wrong.push(`root ${name}: ${said}`)
    } finally {
      restore(file)
    }
  }
  return wrong
}

test('audit verify finds, or names, or need not care about what root does to any file', async (t) => {
  const newest = JSON.parse(readFileSync(join(kept, 'audit/tree.json'), 'utf8')).size % 256
  for (const file of filesOf(kept))
    await t.test(file, async () => {
      const name = file.replace(new RegExp(`\\.p/${newest}$`), '.p/NEWEST')
      const isWrong = (said: string, manipulation: string): boolean =>
        manipulation in HARMLESS ? said !== 'sound' : said === 'sound' && !isUnneeded(name)
      assert.deepEqual(await answersTo(file, verdict, isWrong), [])
    })
})

/** The caller, the output, the document and the journal. */
const KEPT = 'kept,kept,kept,kept'

test('audit payload says what root has done to what lies beside the log', async (t) => {
  const question = (): Promise<string> =>
    within(async () => (await Array.fromAsync(agent.retention.payloads(world.state, run))).map(({ state }) => state).join())
  assert.equal(await question(), KEPT)
  const payloads = [...filesOf(kept)].filter((file) => /^audit\/payloads\/.*\/(salt|0)/.test(file) && isOfRun(file))
  const output = [...filesOf(kept)].filter((file) => file.startsWith(`runs/${run}/log/`))
  assert.deepEqual([payloads.length, output.length], [2, 2])
  for (const file of [...payloads, ...output, `runs/${run}/journal.jsonl`, `runs/${run}/run.json`])
    await t.test(file, async () => {
      assert.deepEqual(await answersTo(file, question, (said, name) => (said === KEPT) !== isSame(file, name)), [])
    })
})

function isOfRun(file: string): boolean {
  return readFileSync(join(kept, dirname(file), 'about.json'), 'utf8').includes(`"run/${run}"`)
}

/** What stands behind the last piece of an output is nobody's, and is shown by nothing. */
function isSame(file: string, manipulation: string): boolean {
  return manipulation in HARMLESS || (file.endsWith('.log') && manipulation === 'makes it a sparse terabyte')
}
