// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { assertNothingLeft } from '../_host.ts'
import { type JsonRun, World } from '../_world.ts'

const world = new World()
after(() => world[Symbol.asyncDispose]())

const WORKFLOW = `
  name: Options
  on:
    push:
    workflow_dispatch:
      inputs:
        level: { type: choice, options: [low, high], default: low }
        count: { type: number, required: true }
        dry: { type: boolean }
    pull_request: { branches: [main] }
  jobs:
    build:
      runs-on: ubuntu-latest
      strategy: { matrix: { os: [a, b], n: [1, 2] } }
      steps:
        - run: echo "\${{ matrix.os }}\${{ matrix.n }} \${{ vars.COLOUR }} $FROM_CLI"
        - { if: github.event_name == 'workflow_dispatch', run: 'echo "\${{ inputs.level }} \${{ inputs.count }} \${{ inputs.dry }} \${{ github.event.inputs.level }}"' }
        - { if: github.event_name == 'pull_request', run: 'echo "\${{ github.event.number }} \${{ github.base_ref }} \${{ github.head_ref }}"' }
    after:
      needs: build
      runs-on: [self-hosted, linux]
      steps: [{ name: Last, run: echo after }]
    other:
      runs-on: ubuntu-latest
      steps: [{ run: exit 9 }]
`

describe('run', () => {
  let repository: string
  before(() => {
    repository = world.workflow(WORKFLOW, {
      '.github/workflows/release.yml': 'on: release\njobs: { r: { runs-on: ubuntu-latest, steps: [{ run: "true" }] } }\n',
    })
  })

  test('--job and --matrix run one job with what it needs and the combinations that match, with --var and --env', async () => {
    const run = await world.runJson(repository, [
      '--job',
      'after',
      '--matrix',
      'os=b',
      '--matrix',
      'n=2',
      '--var',
      'COLOUR=blue',
      '--env',
      'FROM_CLI=cli',
    ])
    assert.equal(run.exitCode, 0, run.why)
    assert.deepEqual(
      run.document.jobs.map(({ key }) => key),
      ['build (b, 2)', 'after'],
    )
    assert.equal(run.output('build (b, 2)', '1'), 'b2 blue cli\n')
  })

  test('--event and --input fill the inputs context', async () => {
    const args = ['--event', 'workflow_dispatch', '--job', 'build', '--matrix', 'os=a', '--matrix', 'n=1']
    const run = await world.runJson(repository, [...args, '--input', 'count=3', '--input', 'dry=true'])
    assert.equal(run.exitCode, 0, run.why)
    assert.equal(run.output('build (a, 1)', '2'), 'low 3 true low\n')
    const wrong = await world.run(['run', ...args, '--input', 'count=3', '--input', 'level=middle'], { cwd: repository })
    assert.equal(wrong.exitCode, 2)
    assert.match(wrong.stderr, /error\[INPUT_INVALID\].*level=middle.*low, high/)
    const missing = await world.run(['run', ...args], { cwd: repository })
    assert.equal(missing.exitCode, 2)
    assert.match(missing.stderr, /"count" is required/)
  })

  test('--payload is the event', async () => {
    const payload = join(world.directory, 'pr.json')
    writeFileSync(payload, JSON.stringify({ number: 12, pull_request: { base: { ref: 'main' }, head: { ref: 'topic' } } }))
    const run = await world.runJson(repository, [
      '--event',
      'pull_request',
      '--payload',
      payload,
      '--job',
      'build',
      '--matrix',
      'os=a',
      '--matrix',
      'n=1',
    ])
    assert.equal(run.exitCode, 0, run.why)
    assert.equal(run.output('build (a, 1)', '3'), '12 main topic\n')
  })

  test('--list and --dry-run tell what there is and start nothing', async () => {
    const list = await world.run(['run', '--list', '--json'], { cwd: repository })
    assert.equal(list.exitCode, 0, list.stderr)
    const { workflows } = JSON.parse(list.stdout) as {
      workflows: { file: string; triggered: boolean; reason: string | null; jobs: { id: string; matrix: unknown[] }[] }[]
    }
    assert.deepEqual(
      workflows.map(({ file, triggered }) => [file, triggered]),
      [
        ['.github/workflows/ci.yml', true],
        ['.github/workflows/release.yml', false],
      ],
    )
    assert.equal(workflows[0]?.jobs[0]?.matrix.length, 4)
    const dry = await world.run(['run', '--dry-run'], { cwd: repository })
    assert.equal(dry.exitCode, 0)
    for (const word of ['build', 'after', 'Last', 'release.yml']) assert.match(dry.stdout, new RegExp(word))
  })

  test('--json ends with the run document that runs show gives again', async () => {
    // What the host's own logs say meanwhile would be entries, too
    const quiet = join(world.directory, 'quiet.yml')
    writeFileSync(quiet, 'version: 1\nhostLogs: off\n')
    const run = await world.runJson(repository, ['--config', quiet])
    assert.equal(run.exitCode, 1, run.why)
    assertDocument(run)
    const shown = await world.run(['runs', 'show', '--json', run.document.id.slice(0, -1)])
    assert.deepEqual(JSON.parse(shown.stdout), run.document)
    const listed = JSON.parse((await world.run(['runs', 'ls', '--json'])).stdout) as { id: string; conclusion: string }[]
    assert.deepEqual(listed.find(({ id }) => id === run.document.id)?.conclusion, 'failure')
    const log = await world.run(['runs', 'log', run.document.id, '--job', 'build (b, 1)', '--step', '1'])
    assert.equal(log.stdout, 'b1  \n')
    assert.equal(log.exitCode, 0)
    await assertNothingLeft(world)
  })

  test('prints lines with their job and step, and a summary, when stdout is no terminal', async () => {
    const run = await world.run(['run', '--job', 'other'], { cwd: repository })
    assert.equal(run.exitCode, 1)
    assert.match(run.stderr, /other \| Run exit 9 \| failure .*exit code 9/)
    assert.match(run.stdout, /failure: 1 job in/)
    assert.match(run.stdout, /Record: sallyport runs show \d{8}-\d{6}-[0-9a-f]{6}/)
    assert.doesNotMatch(run.stdout + run.stderr, /\x1b/)
  })
})

/** The fields of the contract, with the types that scripts rely on. */
function assertDocument({ document, events }: JsonRun): void {
  const keys = [
    'id',
    'conclusion',
    'exitCode',
    'startedAt',
    'durationMs',
    'workflows',
    'jobs',
    'weaker',
    'doors',
    'secrets',
    'published',
    'policy',
    'sourceChanges',
    'findings',
    'refusals',
    'error',
    'log',
  ]
  assert.deepEqual(Object.keys(document), keys)
  assert.equal(document.conclusion, 'failure')
  assert.equal(document.exitCode, 1)
  assert.equal(new Date(document.startedAt).toISOString(), document.startedAt)
  for (const job of document.jobs) {
    assert.deepEqual(Object.keys(job), [
      'id',
      'key',
      'name',
      'matrix',
      'conclusion',
      'durationMs',
      'outputs',
      'image',
      'isolation',
      'selfCheck',
      'steps',
    ])
    assert.match(String(job.image), /^host \(/)
    assert.match(String(job.isolation), /^oci \(runc/)
    assert.equal((job.selfCheck?.passed ?? 0) > 100, true)
    for (const step of job.steps) assert.deepEqual(Object.keys(step), ['id', 'name', 'outcome', 'conclusion', 'durationMs'])
  }
  assert.deepEqual(
    events.map(({ seq }) => seq),
    events.map((_, index) => index + 1),
  )
  // Each event is one entry, between those that begin and end the run and its jobs.
  const jobs = new Set(events.flatMap(({ job }) => job ?? []))
  const { first, last, size } = document.log ?? { first: 0, last: 0, size: 0 }
  assert.deepEqual([last - first + 1, size], [events.length + 1 + jobs.size + 1, last + 1])
  assert.equal(
    events.every(({ run, at, type }) => run === document.id && !Number.isNaN(Date.parse(at)) && type !== ''),
    true,
  )
}

describe('bad usage', () => {
  const cases: readonly (readonly [name: string, args: readonly string[], code: number, says: RegExp])[] = [
    ['an unknown option', ['run', '--jbo', 'x'], 2, /--job/],
    ['an unknown command', ['rnu'], 2, /run/],
    ['an unknown job', ['run', '--job', 'nothere'], 2, /JOB_UNKNOWN.*"only"/],
    ['an event that triggers nothing', ['run', '--event', 'release'], 2, /NOTHING_TO_RUN.*--event/s],
    ['a secret on the command line', ['run', '--secret', 'A=value'], 2, /SECRET_ON_ARGV/],
    ['a limit that is none', ['run', '--limit', 'memory=lots'], 2, /--limit memory=1GiB/],
    ['an isolation of a later release', ['run', '--isolation', 'microvm'], 2, /not in this release/],
    ['a rule that is none', ['run', '--allow', 'https://example.test/'], 2, /ACCESS_RULE_INVALID/],
    ['a run that is not recorded', ['runs', 'show', 'nothere'], 2, /RUN_NOT_FOUND/],
    ['exec without a command', ['exec'], 125, /command/],
    ['exec with a wrong option', ['exec', '--nope', '--', 'true'], 125, /--nope/],
  ]
  for (const [name, args, code, says] of cases) {
    test(`${name} ends with ${code} and says what would be right`, async () => {
      const repository = join(world.directory, 'usage')
      mkdirSync(join(repository, '.github/workflows'), { recursive: true })
      writeFileSync(
        join(repository, '.github/workflows/ci.yml'),
        'on: push\njobs: { only: { runs-on: ubuntu-latest, steps: [{ run: "true" }] } }\n',
      )
      const runs = (): number => readdirSync(join(world.state, 'runs')).length
      const known = runs()
      const result = await world.run(args, { cwd: repository })
      assert.equal(result.exitCode, code, result.stderr)
      assert.match(result.stderr, says)
      assert.doesNotMatch(result.stderr, /at .*\.ts:\d+/)
      assert.equal(runs(), known, 'nothing was recorded')
    })
  }
})

describe('doctor', () => {
  test('--json proves every guarantee in a sandbox that it starts, and leaves nothing', async () => {
    const result = await world.run(['doctor', '--json'])
    assert.equal(result.exitCode, 0, result.stdout)
    const report = JSON.parse(result.stdout) as {
      usable: boolean
      checks: { ok: boolean; required: boolean }[]
      guarantees: { holds: boolean }[]
      drivers: { driver: string; usable: boolean }[]
    }
    assert.equal(report.usable, true)
    assert.equal(report.guarantees.length > 100 && report.guarantees.every(({ holds }) => holds), true)
    assert.equal(report.drivers.find(({ driver }) => driver === 'runc')?.usable, true)
    await assertNothingLeft(world)
  })
})

describe('exit codes', () => {
  test('5 when a runner that is asked for cannot be used here, before any step', async () => {
    const repository = world.workflow('on: push\njobs: { one: { runs-on: ubuntu-latest, steps: [{ run: "true" }] } }\n')
    const hide = 'for p in runc crun; do p="$(command -v $p)" && mount --bind /dev/null "$(readlink -f "$p")"; done; exec "$@"'
    const hidden = ['unshare', '-m', 'sh', '-c', hide, 'sh']
    const result = await world.run(['run'], { cwd: repository, wrap: hidden })
    assert.equal(result.exitCode, 5, result.stderr)
    assert.match(result.stderr + result.stdout, /SANDBOX_UNSUPPORTED.*"runc" is not installed/)
    assert.match(result.stdout, /Install the package runc/)
    const doctor = await world.run(['doctor'], { wrap: hidden })
    assert.equal(doctor.exitCode, 5)
    assert.match(doctor.stdout, /runc.*not installed/)
  })

  test('5 when only crun is there and the host’s cgroups are not for it', async (t) => {
    if (!existsSync('/usr/bin/crun')) return t.skip('crun is not installed')
    const mounts = readFileSync('/proc/self/mounts', 'utf8')
    if (!/ cgroup2 /.test(mounts) || !/ cgroup /.test(mounts)) return t.skip('crun works here: the cgroups are not hybrid')
    const result = await world.run(['exec', '--json', '--isolation', 'crun', '--', 'true'])
    assert.equal(result.exitCode, 125, result.stderr)
    assert.equal((JSON.parse(result.stdout) as { error: { exitCode: number } }).error.exitCode, 5)
    assert.match(result.stderr, /SANDBOX_UNSUPPORTED.*hybrid cgroups/)
  })

  test('2 for a runner of another system, by its label', async () => {
    const repository = world.workflow('on: push\njobs: { one: { runs-on: windows-latest, steps: [{ run: "true" }] } }\n')
    const result = await world.run(['run'], { cwd: repository })
    assert.equal(result.exitCode, 2, result.stderr)
    assert.match(result.stderr + result.stdout, /windows-latest/)
  })
})
