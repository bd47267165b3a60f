// SPDX-License-Identifier: Apache-2.0
// What root does with a file manager to the log that `sallyport exec` wrote, and what `sallyport audit verify` says. The table of all
// manipulations is made in memory (test/audit); these few show that the command finds them in files, too.
import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { AuditReport } from '@sallyport/agent'
import { World } from '../_world.ts'

const world = new World()
after(() => world[Symbol.asyncDispose]())

/** The log and its signer after one exec and after two; each manipulation starts from the latter. */
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

function copy(from: string, to: string): void {
  for (const part of ['audit', 'signer']) cpSync(join(from, part), join(to, part), { recursive: true, preserveTimestamps: true })
}

function put(from: string): void {
  for (const part of ['audit', 'signer']) rmSync(join(world.state, part), { recursive: true, force: true })
  copy(from, world.state)
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
  key = report.key
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
  { what: 'deletes the log', named: 'log-deleted', perform: () => rmSync(join(world.state, 'audit'), { recursive: true }) },
]

describe('audit verify, when root', () => {
  before(async () => {
    for (const part of ['audit', 'signer']) rmSync(join(world.state, part), { recursive: true })
    await exec('stranger')
    assert.equal((await verify()).report.sound, true)
    copy(world.state, join(world.directory, 'stranger'))
  })

  for (const { what, named, options, perform } of TAMPERINGS)
    test(`${what}, says ${named}`, async () => {
      put(kept.last)
      perform()
      const { exitCode, report } = await verify(options?.() ?? [])
      assert.deepEqual([exitCode, report.sound, report.manipulation], [1, false, named], JSON.stringify(report.findings))
    })

  test('puts everything back and nobody remembers, finds nothing', async () => {
    put(kept.earlier)
    const { exitCode, report } = await verify()
    assert.deepEqual([exitCode, report.sound], [0, true])
  })
})
