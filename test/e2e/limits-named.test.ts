// SPDX-License-Identifier: Apache-2.0
// Whatever a job takes too much of: the first line that Sallyport says about it names the limit, and the record does too. Each command is bounded by itself as well.
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { assertNothingLeft } from '../_host.ts'
import { World } from '../_world.ts'

const world = new World()
after(() => world[Symbol.asyncDispose]())

/** Holds what it has taken for three seconds, so that whoever looks sees it. */
const KEEPS_DESCRIPTORS = `
import os, time
try:
    while True: os.open("/dev/null", os.O_RDONLY)
except OSError:
    time.sleep(3)
    raise
`

/** Children that have ended, and whose parent does not want to know. */
const ZOMBIES = `
import os
for _ in range(400):
    if os.fork() == 0: os._exit(0)
`

const attacks: readonly { readonly what: string; readonly limit: string; readonly argv: readonly string[]; readonly first: RegExp }[] = [
  {
    what: 'a fork bomb',
    limit: 'pids=40',
    argv: ['dash', '-c', 'for i in $(seq 400); do sleep 600 & done'],
    first: /^sallyport: refused: pids limit: .*pids=40/,
  },
  { what: 'a zombie flood', limit: 'pids=40', argv: ['python3', '-c', ZOMBIES], first: /^sallyport: refused: pids limit: .*pids=40/ },
  {
    what: 'a memory bomb',
    limit: 'memory=64MiB',
    argv: ['python3', '-c', 'b = bytearray(300 << 20)'],
    first: /^sallyport: refused: memory limit: .*memory=64 MiB/,
  },
  {
    what: 'a filler of /dev/shm',
    limit: 'memory=64MiB',
    argv: ['sh', '-c', 'head -c 300M /dev/zero > /dev/shm/x'],
    first: /^sallyport: refused: memory limit: .*memory=64 MiB/,
  },
  {
    what: 'a filler of /run',
    limit: 'memory=512MiB',
    argv: ['sh', '-c', 'head -c 100M /dev/zero > /run/x'],
    first: /^sallyport: refused: \/run limit: /,
  },
  {
    what: 'a filler of the private directory',
    limit: 'memory=64MiB',
    argv: ['sh', '-c', 'head -c 150M /dev/zero > /run/sallyport/step/x'],
    first: /^sallyport: refused: memory limit: /,
  },
  {
    what: 'a disk filler',
    limit: 'disk=16MiB',
    argv: ['sh', '-c', 'head -c 100M /dev/zero > /tmp/x'],
    first: /^sallyport: refused: disk limit: .*disk=16 MiB/,
  },
  {
    what: 'an inode filler',
    limit: 'inodes=512',
    argv: ['sh', '-c', 'for i in $(seq 9000); do : > "/tmp/f$i" || exit 1; done'],
    first: /^sallyport: refused: inodes limit: .*inodes=512/,
  },
  {
    what: 'a process that opens all it may',
    limit: 'files=64',
    argv: ['python3', '-c', KEEPS_DESCRIPTORS],
    first: /^sallyport: refused: files limit: .*files=64/,
  },
  {
    what: 'a log flood',
    limit: 'output=100000B',
    argv: ['sh', '-c', 'yes | head -c 200M; sleep 600'],
    first: /^sallyport: refused: output limit: .*100000/,
  },
  {
    what: 'a CPU hog',
    limit: 'cpu=0.1',
    argv: ['timeout', '4', 'sh', '-c', 'while :; do :; done'],
    first: /^sallyport: refused: cpu limit: .*cpu=0\.1/,
  },
  {
    what: 'a command without an end',
    limit: 'time=2s',
    argv: ['sleep', '600'],
    first: /^sallyport: error\[TIME_LIMIT\]: time limit reached/,
  },
]

describe('the first line names the limit, for', () => {
  for (const { what, limit, argv, first } of attacks) {
    test(what, async () => {
      const cwd = mkdtempSync(join(world.directory, 'exec-'))
      const result = await world.exec(argv, ['--limit', limit], { cwd })
      const said = result.stderr.split('\n').filter((line) => line.startsWith('sallyport: '))
      assert.match(said[0] ?? '', first, result.stderr)
      const told = JSON.stringify([result.document.refusals, result.document.error])
      assert.match(
        told,
        new RegExp(
          limit.startsWith('time') ? 'TIME_LIMIT' : `${/refused: (\S+) limit/.exec(first.source.replaceAll('\\', ''))?.[1]} limit`,
        ),
      )
      await assertNothingLeft(world)
    })
  }
})

test('a step of a workflow fails with the limit, and the next one can go on once there is room', async () => {
  const repository = world.workflow(`
    on: push
    jobs:
      one:
        runs-on: ubuntu-latest
        steps:
          - { continue-on-error: true, run: 'head -c 100M /dev/zero > /tmp/x' }
          - run: 'rm /tmp/x; echo room > /tmp/y; cat /tmp/y'
          - run: 'true'
  `)
  const run = await world.runJson(repository, ['--limit', 'disk=32MiB'])
  assert.equal(run.exitCode, 0, run.why)
  const hits = run.events.filter(({ type }) => type === 'limit.hit').map(({ step, data }) => [step, data['limit']])
  assert.deepEqual(hits, [['1', 'disk']])
  const finished = run.events.find(({ type, step }) => type === 'step.finished' && step === '1')
  assert.match(String(finished?.data['message']), /^disk limit reached: the disk of the job is full/)
  assert.equal(run.output('one', '2'), 'room\n')
})

test('a sparse file of a terabyte costs the host neither its disk nor an hour', async () => {
  const cwd = mkdtempSync(join(world.directory, 'exec-'))
  const kept = await world.exec(['truncate', '-s', '1T', 'x'], ['--limit', 'disk=64MiB', '--write', '.'], { cwd })
  assert.deepEqual([kept.document.error?.code, readdirSync(cwd)], ['FILES_TOO_LARGE', []])
  const repository = world.workflow(`
    on: push
    jobs:
      one:
        runs-on: ubuntu-latest
        steps:
          - run: truncate -s 1T x
          - run: "echo \${{ hashFiles('**') }}"
  `)
  const run = await world.runJson(repository, ['--limit', 'disk=64MiB'])
  assert.equal(run.exitCode, 1, run.why)
  assert.match(run.why, /more bytes than the job's disk/)
  await assertNothingLeft(world)
})
