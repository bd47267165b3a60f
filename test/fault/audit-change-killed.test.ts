// SPDX-License-Identifier: Apache-2.0
// `audit erase`, `audit hold add`, `audit rotate` and `audit archive`, killed at their file operations: what they did stands in the log, and the next change finishes it.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { auditPlaces, createAgent } from '@sallyport/agent'
import { encodeEntry, type LogEntry, SOURCE_OPENED } from '@sallyport/audit-log'
import { startSigner } from '@sallyport/signer'
import { openTransparencyLog } from '@sallyport/store'
import { World } from '../_world.ts'

const CALLS = ['rename', 'fdatasync', 'unlink', 'rmdir']
/** One in so many; with FAULTS=all, each. */
const STRIDE = process.env['FAULTS'] === 'all' ? 1 : 7
const COMMAND_MS = 240_000

const root = join(import.meta.dirname, '../..')
const agent = createAgent()
const scratch = mkdtempSync(join(tmpdir(), 'sallyport-change-killed-'))
const template = join(scratch, 'template')
let run = ''
after(() => rmSync(scratch, { recursive: true, force: true }))

before(async () => {
  await using world = new World()
  const { exitCode, stderr } = await world.run(['exec', '--state', template, '--', 'echo', 'private'], {
    cwd: mkdtempSync(join(world.directory, 'empty-')),
  })
  assert.equal(exitCode, 0, stderr)
  ;[run = ''] = globSync('*', { cwd: join(template, 'runs') })
  await fill(template)
})

/** Enough to archive. */
async function fill(state: string): Promise<void> {
  const places = auditPlaces(state)
  using signer = await startSigner(places.signer, readFileSync(join(places.log, 'origin'), 'utf8').trimEnd())
  await using log = await openTransparencyLog(places.log, { signer, cosigner: null, lockWaitMs: 0 })
  const entry = { v: 1, at: '2026-11-29T12:00:00.000Z', source: 'host/filler' } as const
  const entries = Array.from({ length: 520 }, (_, index) => ({ ...entry, seq: index + 1, type: index === 0 ? SOURCE_OPENED : 'a.b' }))
  await log.append(entries.map(encodeEntry))
  await log.publish()
}

interface Kind {
  readonly name: string
  readonly argv: readonly string[]
  /** What has to hold after the next change. `made`: entries of the change that are in the log. */
  readonly check: (state: string, made: readonly LogEntry[]) => Promise<void>
  readonly entryType: string
}

async function statesOf(state: string): Promise<ReadonlySet<string>> {
  return new Set((await Array.fromAsync(agent.retention.payloads(state, run))).map((payload) => payload.state))
}

const KINDS: readonly Kind[] = [
  {
    name: 'erase',
    argv: ['erase', 'RUN', '--reason', 'request 12'],
    entryType: 'payload.erased',
    check: async (state, made) => {
      assert.deepEqual(await statesOf(state), new Set([made.length === 1 ? 'erased' : 'kept']))
      assert.deepEqual(globSync(['runs/.erasing-*', 'audit/payloads/new-*'], { cwd: state }), [])
      assert.equal(existsSync(join(state, 'runs', run)), made.length === 0)
    },
  },
  {
    name: 'hold add',
    argv: ['hold', 'add', '--run', 'RUN', '--reason', 'case 4711'],
    entryType: 'hold.placed',
    check: async (state, made) => {
      const held = (await agent.retention.holds(state)).filter(({ reason }) => reason === 'case 4711')
      assert.equal(held.length, made.length)
    },
  },
  {
    name: 'rotate',
    argv: ['rotate'],
    entryType: 'key.rotated',
    check: async (state, made) => {
      const { keys, problem } = await agent.keys.list(placeIn(state))
      assert.deepEqual([keys.length, problem], [1 + made.length, null])
      assert.equal(globSync('signer/key-*.pem', { cwd: state }).includes('signer/key-1.pem'), made.length === 0)
      for (const entry of made)
        assert.deepEqual(
          [entry.data?.['oldKey'], entry.data?.['newKey']],
          keys.map(({ key }) => key),
        )
    },
  },
  {
    name: 'archive',
    argv: ['archive', '--before', '2100-01-01'],
    entryType: 'log.archived',
    check: async (state, made) => {
      const left = globSync('audit/log/tile/entries/00{0,1}', { cwd: state })
      assert.equal(left.length, made.length === 1 ? 0 : 2)
      if (made.length === 0) return
      const archive = join(state, 'audit/archives/000000000000-000000000512')
      assert.equal((await agent.retention.verifyArchive(placeIn(state), archive)).problem, null)
    },
  },
]

function placeIn(state: string): Parameters<typeof agent.audit.verify>[0] {
  return { stateDirectory: state, directory: null, key: null }
}

async function entriesOf(state: string): Promise<LogEntry[]> {
  const any = { run: null, job: null, type: null, since: null, until: null, secret: null, host: null, actor: null }
  const shown = await Array.fromAsync(agent.audit.show(placeIn(state), any))
  return shown.map(({ entry }) => entry).filter(({ source }) => source === 'log')
}

/** In a copy of the state, under strace with `options`. */
function change(
  state: string,
  { argv }: Kind,
  options: readonly string[],
): { readonly signal: string | null; readonly status: number | null } {
  // Beside these are the sparse disks of sandboxes
  for (const part of ['audit', 'signer', 'runs']) cpSync(join(template, part), join(state, part), { recursive: true })
  const words = argv.map((word) => (word === 'RUN' ? run : word))
  const { signal, status, error } = spawnSync(
    'strace',
    ['-f', '--seccomp-bpf', '-qq', ...options, join(root, 'sallyport'), 'audit', ...words, '--state', state],
    {
      // Files that Node keeps would be counted with the command's own
      env: { PATH: process.env['PATH'], UV_THREADPOOL_SIZE: '1', NODE_DISABLE_COMPILE_CACHE: '1' },
      timeout: COMMAND_MS,
      encoding: 'utf8',
    },
  )
  assert.equal(error, undefined)
  return { signal, status }
}

/** How often the busiest thread of the command makes each call. */
function countCalls(kind: Kind): ReadonlyMap<string, number> {
  const [state, trace] = [join(scratch, 'counted'), join(scratch, 'trace')]
  assert.equal(change(state, kind, ['-o', trace, '-e', `trace=${CALLS.join(',')}`]).status, 0)
  rmSync(state, { recursive: true })
  const counts = new Map<string, Map<string, number>>()
  for (const [, thread = '', call = ''] of readFileSync(trace, 'utf8').matchAll(/^(\d+) +([a-z0-9]+)\(/gm)) {
    const ofThread = counts.get(call) ?? new Map<string, number>()
    counts.set(call, ofThread.set(thread, (ofThread.get(thread) ?? 0) + 1))
  }
  return new Map([...counts].map(([call, ofThread]) => [call, Math.max(...ofThread.values())]))
}

for (const kind of KINDS)
  test(`audit ${kind.name}, killed anywhere, is done with an entry or not done at all once the next change is made`, async (t) => {
    const kills = [...countCalls(kind)].flatMap(([call, count]) => Array.from({ length: count }, (_, index) => ({ call, when: index + 1 })))
    const sample = kills.filter((_, index) => index % STRIDE === 0)
    t.diagnostic(`${sample.length} of ${kills.length} kills`)
    let killed = 0
    for (const { call, when } of sample) {
      const state = join(scratch, `${call}-${when}`)
      const { status } = change(state, kind, ['-o', '/dev/null', '-e', `trace=${call}`, '-e', `inject=${call}:signal=SIGKILL:when=${when}`])
      killed += status === 0 ? 0 : 1
      const what = `${call} ${when}`
      assert.equal((await statesOf(state)).has('missing'), false, `${what}: something is gone that the log does not know of`)
      await agent.retention.hold(state, { run: null, class: null, since: null, until: '2020', reason: 'the next change' })
      const entries = await entriesOf(state)
      assert.deepEqual(
        entries.map(({ seq }) => seq),
        entries.map((_, index) => index + 1),
        what,
      )
      const made = entries.slice(0, -1).filter(({ type }) => type === kind.entryType)
      assert.ok(made.length <= 1, what)
      assert.equal(existsSync(join(state, 'audit/change.json')), false, what)
      await kind.check(state, made)
      assert.equal(
        (await agent.audit.verify(placeIn(state), { remember: null, policy: null, freshnessS: null, archives: null })).sound,
        true,
        what,
      )
      rmSync(state, { recursive: true })
    }
    assert.ok(killed > 0)
  })
