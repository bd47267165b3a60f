// SPDX-License-Identifier: Apache-2.0
// What root does with a file manager to the log that `sallyport exec` wrote, and what `sallyport audit verify` says. The table of all
// manipulations is made in memory (test/audit); these few show that the command finds them in files, too.
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { AuditReport } from '@sallyport/agent'
import { cosignatureSigner, formatNote, formatVerifierKey, parseNote } from '@sallyport/audit-log'
import { World } from '../_world.ts'

const world = new World()
after(() => world[Symbol.asyncDispose]())

/** Log, signer and records after one exec and after two; each manipulation starts from the latter. */
const kept = { earlier: join(world.directory, 'earlier'), last: join(world.directory, 'last') }
const remembered = join(world.directory, 'head')
const log = join(world.state, 'audit/log')
const checkpoint = join(log, 'checkpoint')
let key = ''
/** The path of the one bundle, which holds every entry. */
let bundle = ''

function edit(path: string, change: (text: string) => string): void {
  const text = readFileSync(path, 'latin1')
  const changed = change(text)
  assert.notEqual(changed, text, `nothing to change in ${path}`)
  writeFileSync(path, changed, 'latin1')
}

const LOG: readonly string[] = ['audit', 'signer']
const ALL: readonly string[] = [...LOG, 'runs']

function copy(from: string, to: string, parts: readonly string[] = ALL): void {
  for (const part of parts) cpSync(join(from, part), join(to, part), { recursive: true, preserveTimestamps: true })
}

function put(from: string, parts: readonly string[] = ALL): void {
  for (const part of parts) rmSync(join(world.state, part), { recursive: true, force: true })
  copy(from, world.state, parts)
}

const witness = cosignatureSigner('w1.example.test', generateKeyPairSync('ed25519').privateKey)

/** A policy that asks for the witness, by which the log is verified. */
function policyOf(name: string): string {
  const path = join(world.directory, name)
  writeFileSync(path, `witness w1 ${formatVerifierKey(witness.key)}\nquorum w1\n`)
  return path
}

/** The witness has cosigned the last checkpoint, so long ago. */
function cosign(secondsAgo: number): void {
  const { text, signatures } = parseNote(readFileSync(checkpoint))
  const cosignature = witness.cosign(text, Math.floor(Date.now() / 1000) - secondsAgo)
  writeFileSync(checkpoint, formatNote({ text, signatures: [...signatures, cosignature] }))
}

/** The record of the newest run. */
function newestRecord(): string {
  const [newest = ''] = readdirSync(join(world.state, 'runs')).toSorted().toReversed()
  return join(world.state, 'runs', newest, 'run.json')
}

async function verify(options: readonly string[] = []): Promise<{ exitCode: number | null; report: AuditReport }> {
  const { exitCode, stdout, stderr } = await world.run(['audit', 'verify', '--json', ...options])
  assert.notEqual(stdout, '', stderr)
  return { exitCode, report: JSON.parse(stdout) as AuditReport }
}

async function exec(word: string): Promise<void> {
  const { exitCode, stderr } = await world.run(['exec', '--', 'echo', word], { cwd: mkdtempSync(join(world.directory, 'work-')) })
  assert.equal(exitCode, 0, stderr)
}

before(async () => {
  await exec('first-word')
  assert.equal((await verify()).report.sound, true)
  copy(world.state, kept.earlier)
  await exec('second-word')
  const { report } = await verify(['--remember', remembered])
  assert.equal(report.sound, true)
  key = report.key ?? ''
  bundle = join(log, `tile/entries/000.p/${report.size}`)
  copy(world.state, kept.last)
})

interface Tampering {
  readonly what: string
  readonly named: string
  readonly options?: () => readonly string[]
  readonly perform: () => void
}

const TAMPERINGS: readonly Tampering[] = [
  {
    what: 'edits a bundle',
    named: 'entry-edited',
    perform: () => edit(bundle, (text) => text.replaceAll('first-word', 'other-word')),
  },
  { what: 'cuts a bundle short', named: 'entry-removed', perform: () => truncateSync(bundle, readFileSync(bundle).length - 20) },
  { what: 'deletes the bundles', named: 'entry-removed', perform: () => rmSync(join(log, 'tile/entries'), { recursive: true }) },
  { what: 'deletes the tiles of hashes', named: 'tile-edited', perform: () => rmSync(join(log, 'tile/0'), { recursive: true }) },
  {
    what: 'strips the signature',
    named: 'signature-stripped',
    perform: () => edit(checkpoint, (text) => text.replace(/\n\n[\s\S]*$/, '\n\n')),
  },
  {
    what: 'puts the log back, but not the memory of its signer',
    named: 'rolled-back',
    perform: () => {
      rmSync(join(world.state, 'audit'), { recursive: true })
      cpSync(join(kept.earlier, 'audit'), join(world.state, 'audit'), { recursive: true })
    },
  },
  {
    what: 'puts the log and its signer back, where somebody remembers',
    named: 'rolled-back',
    options: () => ['--remember', remembered],
    perform: () => put(kept.earlier),
  },
  {
    what: 'puts the log and its signer back, but not the records of runs',
    named: 'rolled-back',
    perform: () => put(kept.earlier, LOG),
  },
  {
    what: 'gives the record of a run another place in the log',
    named: 'rewritten',
    perform: () => edit(newestRecord(), (text) => text.replace(/"last": \d+/, '"last": 16')),
  },
  {
    what: 'takes away that witnesses have cosigned',
    named: 'witnesses-missing',
    options: () => ['--policy', policyOf('log.policy')],
    perform: () => undefined,
  },
  {
    what: 'takes it away where the state directory itself has the policy',
    named: 'witnesses-missing',
    perform: () => cpSync(policyOf('log.policy'), join(world.state, 'audit-policy')),
  },
  {
    what: 'lets the log stand still for three hours, and two are asked for',
    named: 'log-stopped',
    options: () => ['--policy', policyOf('log.policy'), '--fresh', '2h'],
    perform: () => cosign(3 * 3600),
  },
  {
    what: 'lets the log stand still for more than a day, and nothing is said',
    named: 'log-stopped',
    options: () => ['--policy', policyOf('log.policy')],
    perform: () => cosign(25 * 3600),
  },
  {
    what: 'shows a copy with the older checkpoint, where somebody remembers',
    named: 'rolled-back',
    options: () => [join(world.state, 'audit'), '--key', key, '--remember', remembered],
    perform: () => cpSync(join(kept.earlier, 'audit/log/checkpoint'), checkpoint),
  },
  {
    what: 'takes another key than the one that is trusted, and writes a log with it',
    named: 'other-log',
    options: () => ['--key', key],
    perform: () => put(join(world.directory, 'stranger')),
  },
  { what: 'deletes the checkpoint', named: 'log-deleted', perform: () => rmSync(checkpoint) },
  {
    what: 'puts an older checkpoint that is valid in the place of the last',
    named: 'rolled-back',
    perform: () => cpSync(join(kept.earlier, 'audit/log/checkpoint'), checkpoint),
  },
  { what: 'deletes the log', named: 'log-deleted', perform: () => rmSync(join(world.state, 'audit'), { recursive: true }) },
]

describe('audit verify, when root', () => {
  before(async () => {
    for (const part of ALL) rmSync(join(world.state, part), { recursive: true })
    await exec('stranger')
    assert.equal((await verify()).report.sound, true)
    copy(world.state, join(world.directory, 'stranger'))
  })

  for (const { what, named, options, perform } of TAMPERINGS)
    test(`${what}, says ${named}`, async () => {
      put(kept.last)
      rmSync(join(world.state, 'audit-policy'), { force: true })
      perform()
      const { exitCode, report } = await verify(options?.() ?? [])
      assert.deepEqual([exitCode, report.sound, report.manipulation], [1, false, named], JSON.stringify(report.findings))
    })

  test('puts everything back, records of runs and all, and nobody remembers, finds nothing', async () => {
    put(kept.earlier)
    const { exitCode, report } = await verify()
    assert.deepEqual([exitCode, report.sound], [0, true])
  })

  test('has done nothing, says who has cosigned, and when', async () => {
    put(kept.last)
    cosign(60)
    const { exitCode, report } = await verify(['--policy', policyOf('log.policy')])
    assert.deepEqual([exitCode, report.findings, report.runsCompared], [0, [], 2])
    assert.deepEqual(
      report.witnesses.map(({ name }) => name),
      ['w1'],
    )
  })
})

describe('entries that no checkpoint covers yet', () => {
  const pending = join(world.state, 'audit/pending')

  before(async () => {
    put(kept.last)
    // A run that takes long publishes at its end, but not without a witness who is to cosign
    const policy = join(world.state, 'audit-policy')
    writeFileSync(policy, `witness w1 ${formatVerifierKey(witness.key)} http://127.0.0.1:1/\nquorum w1\n`)
    await exec('third-word')
    rmSync(policy)
    copy(world.state, join(world.directory, 'unpublished'))
  })

  test('are checked, and published by a check that finds nothing wrong', async () => {
    put(join(world.directory, 'unpublished'))
    const { exitCode, report } = await verify()
    assert.deepEqual([exitCode, report.sound, report.unpublished], [0, true, 0], JSON.stringify(report.findings))
    assert.equal(report.publishedNow > 0, true)
    assert.deepEqual([report.entriesChecked, report.runsCompared], [report.size, 3])
  })

  test('stay as they are where something is wrong with what was published', async () => {
    put(join(world.directory, 'unpublished'))
    cpSync(join(kept.earlier, 'audit/log/checkpoint'), checkpoint)
    const bytes = readFileSync(checkpoint)
    for (let count = 0; count < 2; count += 1) {
      const { report } = await verify()
      assert.deepEqual([report.manipulation, report.publishedNow, report.unpublished > 0], ['rolled-back', 0, true])
      assert.deepEqual(readFileSync(checkpoint), bytes)
    }
  })

  test('are missed when they are taken away, because the record of the run says where they stood', async () => {
    put(join(world.directory, 'unpublished'))
    const names = readdirSync(pending)
    assert.equal(names.length > 0, true)
    for (const name of names) rmSync(join(pending, name))
    const { exitCode, report } = await verify()
    assert.deepEqual([exitCode, report.manipulation, report.publishedNow], [1, 'rolled-back', 0], JSON.stringify(report.findings))
  })

  test('are found to be others when they are changed and the record of the run is not', async () => {
    put(join(world.directory, 'unpublished'))
    for (const name of readdirSync(pending)) edit(join(pending, name), (text) => text.replaceAll('third-word', 'other-word'))
    const { exitCode, report } = await verify()
    assert.deepEqual([exitCode, report.sound, report.publishedNow], [1, false, 0], JSON.stringify(report.findings))
  })
})
