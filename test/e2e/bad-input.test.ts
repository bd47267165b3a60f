// SPDX-License-Identifier: Apache-2.0
// The list of bad input: each ends in a clear error or at a stated limit, and loses nothing.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { assertNothingLeft } from '../_host.ts'
import { World } from '../_world.ts'

const world = new World()
after(() => world[Symbol.asyncDispose]())

const JOB = 'runs-on: ubuntu-latest, steps: [{ run: "true" }]'

describe('a workflow file that is wrong is refused with its place before anything starts', () => {
  const cases: readonly (readonly [name: string, yaml: string, says: RegExp])[] = [
    ['no YAML', 'on: push\njobs: { one: [\n', /ci\.yml:\d+:\d+: error/],
    ['a tab for indentation', 'on: push\njobs:\n\tone: {}\n', /ci\.yml:3:\d+: error/],
    ['an unknown key', `on: push\njobs: { one: { ${JOB}, stepz: 1 } }\n`, /ci\.yml:2:\d+: error: .*stepz/],
    ['an unknown needs', `on: push\njobs:\n  one: { needs: tow, ${JOB} }\n  two: { ${JOB} }\n`, /ci\.yml:3:\d+: error: .*tow.*two/s],
    [
      'a cycle',
      `on: push\njobs:\n  one: { needs: two, ${JOB} }\n  two: { needs: one, ${JOB} }\n  three: { ${JOB} }\n`,
      /ci\.yml:[34]:\d+: error: .*(cycle|one.*two|two.*one)/s,
    ],
    ['a bad expression', 'on: push\njobs: { one: { runs-on: x, steps: [{ run: "${{ github.ref == }}" }] } }\n', /ci\.yml:2:\d+: error: /],
    [
      'an unknown function',
      'on: push\njobs: { one: { runs-on: x, steps: [{ run: "${{ nope(1) }}" }] } }\n',
      /ci\.yml:2:\d+: error: .*nope/,
    ],
    [
      'a context that is not there',
      'on: push\njobs: { one: { runs-on: "${{ steps.x.outputs.y }}", steps: [{ run: x }] } }\n',
      /ci\.yml:2:\d+: error: .*steps/,
    ],
    ['no jobs', 'on: push\n', /ci\.yml:\d+:\d+: error: .*jobs/],
    ['neither run nor uses', 'on: push\njobs: { one: { runs-on: x, steps: [{ name: x }] } }\n', /ci\.yml:2:\d+: error/],
    ['an empty file', '', /ci\.yml:\d+:\d+: error/],
    ['binary bytes', '\u0000\u0001\u0002', /ci\.yml:\d+:\d+: error/],
    [
      'a service container',
      `on: push\njobs: { one: { services: { db: { image: x } }, ${JOB} } }\n`,
      /ci\.yml:2:\d+: not supported: .*services/,
    ],
  ]
  for (const [name, yaml, says] of cases) {
    test(name, async () => {
      const result = await world.run(['run'], { cwd: world.workflow(yaml) })
      assert.equal(result.exitCode, 2, result.stdout + result.stderr)
      assert.match(result.stderr, says)
      assert.match(result.stderr, /nothing was started/)
      assert.doesNotMatch(result.stderr, /INTERNAL|\.ts:\d+/)
    })
  }

  test('several problems in several files are all told at once', async () => {
    const repository = world.workflow(`on: push\njobs: { one: { ${JOB}, a: 1, b: 2 } }\n`, {
      '.github/workflows/other.yml': `on: push\njobs: { one: { needs: x, ${JOB} } }\n`,
    })
    const result = await world.run(['run'], { cwd: repository })
    assert.equal(result.exitCode, 2)
    assert.match(result.stderr, /ci\.yml:2/)
    assert.match(result.stderr, /other\.yml:2/)
  })
})

describe('a file that cannot be read', () => {
  test('is named: a directory, a FIFO, a link to nowhere, one that is too large, one that is not there', async () => {
    const repository = world.workflow(`on: push\njobs: { one: { ${JOB} } }\n`)
    const at = (name: string): string => join(repository, name)
    mkdirSync(at('directory.yml'))
    execFileSync('mkfifo', [at('fifo.yml')])
    execFileSync('ln', ['-s', '/nonexistent', at('link.yml')])
    writeFileSync(at('large.yml'), 'x'.repeat(2 << 20))
    for (const [name, says] of [
      ['directory', /not a regular file/],
      ['fifo', /not a regular file/],
      ['link', /regular file|no such file/i],
      ['large', /bytes/],
      ['missing', /ENOENT/],
    ] as const) {
      const result = await world.run(['run', `${name}.yml`], { cwd: repository })
      assert.equal(result.exitCode, 2, result.stderr)
      assert.match(result.stderr, new RegExp(`REPOSITORY_UNREADABLE.*"${name}\\.yml"`))
      assert.match(result.stderr, says)
    }
  })

  test('in the repository that git cannot read ends with 2', async () => {
    const repository = world.workflow(`on: push\njobs: { one: { ${JOB} } }\n`)
    rmSync(join(repository, '.git'), { recursive: true })
    writeFileSync(join(repository, '.git'), 'not git\n')
    const result = await world.run(['run'], { cwd: repository })
    assert.equal(result.exitCode, 2, result.stderr)
    assert.match(result.stderr, /REPOSITORY_UNREADABLE/)
  })
})

describe('odd files in the repository', () => {
  test('reach the job or are left out, and hang nothing: newlines, FIFOs, sockets, links, deep and empty directories', async () => {
    const repository = world.workflow(`
      on: push
      jobs:
        one:
          runs-on: ubuntu-latest
          steps:
            - uses: actions/checkout@v4
            - run: |
                cat "$(printf 'a\\nb.txt')"; cat -- -rf; readlink loop absolute; [ -e fifo ] || echo no fifo
                find deep -type f | wc -c
                cat absolute/hostname 2>&1 | head -c 40; ls -A | wc -l
                mkfifo pipe; ln -s /dev/zero endless; ln -s . round; mkdir "$(printf 'x\\ny')"; echo z > "$(printf 'x\\ny')/w.txt"
            - run: echo "\${{ hashFiles('**/*.txt') }}"
    `)
    writeFileSync(join(repository, 'a\nb.txt'), 'newline\n')
    writeFileSync(join(repository, '-rf'), 'dash\n')
    execFileSync('ln', ['-s', 'loop', join(repository, 'loop')])
    execFileSync('ln', ['-s', '/etc', join(repository, 'absolute')])
    execFileSync('mkfifo', [join(repository, 'fifo')])
    const deep = join(repository, ...Array(60).fill('deep'))
    mkdirSync(deep, { recursive: true })
    writeFileSync(join(deep, 'file'), '')
    chmodSync(join(repository, '-rf'), 0o000)
    const run = await world.runJson(repository)
    assert.equal(run.exitCode, 0, run.why)
    const lines = run.output('one', '2').split('\n')
    assert.deepEqual(lines.slice(0, 5), ['newline', 'dash', 'loop', '/etc', 'no fifo'])
    assert.match(run.output('one', '3'), /^[0-9a-f]{64}\n$/)
    await assertNothingLeft(world)
  })
})

describe('a job that floods', () => {
  test('1 GiB without a newline stops at the output limit, which is named, with the supervisor’s memory bounded', async () => {
    const repository = world.workflow(`
      on: push
      jobs:
        one:
          runs-on: ubuntu-latest
          steps:
            - { run: 'head -c 1200M /dev/zero | tr "\\0" x', continue-on-error: true }
            - run: echo unheard
    `)
    const running = world.start(['run', '--json', '--state', world.state], { cwd: repository })
    const peak = watchPeak(running.pid)
    const run = world.parse(await running.result)
    const kib = await peak()
    assert.equal(kib < 300 << 10, true, `the supervisor took ${kib >> 10} MiB`)
    assert.equal(run.exitCode !== null, true)
    assert.match(JSON.stringify(run.document.refusals), /output limit.*1073741824/)
    const log = run.events.find(({ type, step }) => type === 'step.log' && step === '1')?.data
    assert.equal(Number(log?.['bytes']), 1 << 30)
    assert.equal(Number(log?.['dropped']) > 0, true)
    await assertNothingLeft(world)
    rmSync(join(world.state, 'runs', run.document.id), { recursive: true })
  })

  test('a million workflow commands, annotations and mask requests keep the memory bounded', async () => {
    const repository = world.workflow(`
      on: push
      jobs:
        one:
          runs-on: ubuntu-latest
          steps:
            - { run: 'seq 300000 | sed "s/.*/::warning::flood &/"; seq 100000 | sed "s/.*/::add-mask::mask-number-&/"; seq 100000 | sed "s/.*/::set-output name=o&::v&/"; echo "::group::"; echo end', continue-on-error: true }
            - run: echo mask-number-77
    `)
    const running = world.start(['run', '--json', '--state', world.state], { cwd: repository })
    const peak = watchPeak(running.pid)
    const run = world.parse(await running.result)
    const kib = await peak()
    assert.equal(kib < 600 << 10, true, `the supervisor took ${kib >> 10} MiB`)
    assert.notEqual(run.exitCode, 6, run.why)
    assert.equal(run.output('one', '2'), '***\n')
  })
})

describe('a job that uses up its own processes', () => {
  test('gets errors that say so, in steps and in what the runner does for it, and the run ends', async () => {
    const repository = world.workflow(`
      on: push
      jobs:
        one:
          runs-on: ubuntu-latest
          steps:
            - { shell: sh, continue-on-error: true, run: 'for i in $(seq 100); do setsid sleep 1000 & done' }
            - { continue-on-error: true, run: echo no room }
            - { continue-on-error: true, run: "echo \${{ hashFiles('**') }}" }
    `)
    const run = await world.runJson(repository, ['--limit', 'pids=30'])
    assert.equal(run.exitCode, 0, run.why)
    assert.match(JSON.stringify(run.document.refusals), /pids limit/)
    const finished = run.events.filter(({ type }) => type === 'step.finished').map(({ data }) => `${data['outcome']}: ${data['message']}`)
    assert.match(finished[1] ?? '', /failure: .*Resource temporarily unavailable/)
    assert.match(finished[2] ?? '', /failure: .*Resource temporarily unavailable/)
    await assertNothingLeft(world)
  })
})

describe('environment files', () => {
  test('of 100 MiB or with a NUL are refused by name; the step fails, the run goes on and loses nothing', async () => {
    const repository = world.workflow(`
      on: push
      jobs:
        one:
          runs-on: ubuntu-latest
          steps:
            - { id: large, continue-on-error: true, run: 'head -c 100M /dev/zero | tr "\\0" a >> "$GITHUB_ENV"; echo ok=1 >> "$GITHUB_OUTPUT"' }
            - { id: nul, continue-on-error: true, run: 'printf "A=1\\0B=2\\n" >> "$GITHUB_ENV"' }
            - { id: largeout, continue-on-error: true, run: '{ printf o=; head -c 100M /dev/zero | tr "\\0" a; } >> "$GITHUB_OUTPUT"' }
            - { id: malformed, continue-on-error: true, run: 'echo no-equals >> "$GITHUB_ENV"' }
            - { id: open, continue-on-error: true, run: 'printf "A<<EOF\\nnever closed\\n" >> "$GITHUB_OUTPUT"' }
            - { id: fifo, continue-on-error: true, run: 'rm "$GITHUB_ENV"; mkfifo "$GITHUB_ENV"' }
            - { id: link, continue-on-error: true, run: 'rm "$GITHUB_OUTPUT"; ln -s /etc/passwd "$GITHUB_OUTPUT"' }
            - { id: gone, continue-on-error: true, run: 'rm "$GITHUB_STEP_SUMMARY"' }
            - { id: reserved, continue-on-error: true, run: 'echo "GITHUB_SHA=evil" >> "$GITHUB_ENV"; echo "NODE_OPTIONS=--require /x" >> "$GITHUB_ENV"' }
            - run: 'echo "[$A][$B]"; env | wc -c | { read n; [ "$n" -lt 100000 ] && echo small; }; [ "$GITHUB_SHA" = evil ] || echo not evil'
    `)
    const run = await world.runJson(repository)
    assert.equal(run.exitCode, 0, run.why)
    const finished = run.events.filter(({ type }) => type === 'step.finished').map(({ data }) => `${data['outcome']}: ${data['message']}`)
    for (const [index, name] of ['large', 'nul', 'largeout', 'malformed', 'open', 'fifo', 'link'].entries()) {
      assert.match(finished[index] ?? '', /^failure: .*(GITHUB_|environment file|output)/i, name)
    }
    assert.equal(run.output('one', '10'), '[][]\nsmall\nnot evil\n')
    await assertNothingLeft(world)
  })

  test('a step that ends by closing its output, or leaves a writer behind, holds nothing up', async () => {
    const repository = world.workflow(`
      on: push
      jobs:
        one:
          runs-on: ubuntu-latest
          steps:
            - run: 'exec >&- 2>&-; sleep 0.1'
            - run: '(setsid sh -c "while :; do echo noise; done" &) ; echo started'
            - run: echo next
    `)
    const run = await world.runJson(repository)
    assert.equal(run.exitCode, 0, run.why)
    assert.equal(run.output('one', '3'), 'next\n')
    await assertNothingLeft(world)
  })
})

/** The highest resident memory of a process, in KiB; the answer is asked for after its end. */
function watchPeak(pid: number): () => Promise<number> {
  let peak = 0
  const watching = (async () => {
    while (existsSync(`/proc/${pid}/status`)) {
      const [, kib] = /^VmHWM:\s+(\d+) kB$/m.exec(readOr(`/proc/${pid}/status`)) ?? []
      peak = Math.max(peak, Number(kib ?? 0))
      await sleep(50)
    }
  })()
  return async () => {
    await watching
    return peak
  }
}

function readOr(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return '' // It just ended.
  }
}
