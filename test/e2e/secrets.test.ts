// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { sandboxPids } from '../_host.ts'
import { World } from '../_world.ts'

const world = new World()
after(() => world[Symbol.asyncDispose]())

const TOKEN = 'tk+9f/Q"7&z w=é~Secret'
const FILE_KEY = 'line-one-of-key-4711\nline-two-of-key-4712\n'
const DOTENV = 'dotenv-value-88231'
const UNUSED = 'unused-value-66120'

/** The simple encodings in which a value that somebody printed by accident turns up. */
function formsOf(value: string): string[] {
  const bytes = Buffer.from(value)
  const aligned = [0, 1, 2].map((shift) => {
    const text = Buffer.concat([Buffer.alloc(shift), bytes, Buffer.alloc(2)]).toString('base64')
    // Only what depends on the value alone
    return text.slice(Math.ceil((shift * 4) / 3) + 1, Math.floor(((shift + bytes.length) * 4) / 3) - 1)
  })
  const json = JSON.stringify(value).slice(1, -1)
  const xml = value.replaceAll('&', '&amp;').replaceAll('"', '&quot;')
  const url = encodeURIComponent(value)
  return [value, ...aligned, json, xml, url, url.replaceAll('%20', '+'), bytes.toString('hex'), bytes.toString('hex').toUpperCase()]
}

/** Every byte that is kept in the state directory, sandboxes' own images and disks apart. */
function recorded(directory: string): Buffer {
  const parts = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  return Buffer.concat(parts.map((entry) => readFileSync(join(entry.parentPath, entry.name))))
}

function assertHoldsNone(text: string | Buffer, where: string, values: readonly string[]): void {
  const bytes = Buffer.from(text)
  const found = values.flatMap(formsOf).filter((form) => bytes.includes(form))
  assert.deepEqual(found, [], where)
}

const settings = (): { readonly args: readonly string[]; readonly env: Readonly<Record<string, string>> } => {
  const key = join(world.directory, 'key.pem')
  const dotenv = join(world.directory, 'secrets.env')
  writeFileSync(key, FILE_KEY)
  writeFileSync(dotenv, `DOTENV="${DOTENV}"\n`)
  return { args: ['--secret', 'TOKEN', '--secret', `KEY=@${key}`, '--secrets-file', dotenv, '--secret', 'UNUSED'], env: { TOKEN, UNUSED } }
}

describe('secrets', () => {
  test('reach exactly the steps that name them', async () => {
    const dump = '{ env; cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null | tr "\\\\0" "\\\\n"; cat "$0"; }'
    const repository = world.workflow(`
      on: push
      jobs:
        one:
          runs-on: ubuntu-latest
          steps:
            - { name: leave a process, run: '(setsid sh -c "sleep 2; cat /proc/[0-9]*/environ > /tmp/seen 2>/dev/null" &) ; ${dump} | base64 -w0 | rev' }
            - { name: use, env: { T: '\${{ secrets.TOKEN }}', K: '\${{ secrets.KEY }}', D: '\${{ secrets.DOTENV }}' }, run: '${dump} | base64 -w0 | rev; sleep 2.3' }
            - { name: after, run: '${dump} | base64 -w0 | rev; echo; base64 -w0 /tmp/seen | rev' }
            - { name: missing, run: 'echo "[\${{ secrets.NOTGIVEN }}]"' }
    `)
    const { args, env } = settings()
    const run = await world.runJson(repository, args, { env })
    assert.equal(run.exitCode, 0, run.why)
    // Reversed, so that the redactor does not hide a leak from this test
    const read = (step: string): string =>
      run
        .output('one', step)
        .split('\n')
        .filter(Boolean)
        .map((line) => Buffer.from([...line].reverse().join(''), 'base64').toString('utf8'))
        .join('\n')
    const all = [TOKEN, 'line-one-of-key-4711', DOTENV, UNUSED]
    assert.deepEqual(
      all.filter((value) => read('1').includes(value)),
      [],
    )
    assert.deepEqual(
      all.filter((value) => read('2').includes(value)),
      [TOKEN, 'line-one-of-key-4711', DOTENV],
    )
    assert.deepEqual(
      all.filter((value) => read('3').includes(value)),
      [],
    )
    assert.match(read('3'), /PATH=/, 'the leftover of the first step did look at /proc')
    assert.equal(run.output('one', '4'), '[]\n')
    const handed = run.document.secrets.map(({ name, step }) => `${name} ${step}`)
    assert.deepEqual(handed.toSorted(), ['DOTENV 2', 'KEY 2', 'TOKEN 2'])
  })

  test('are masked in every form and place: log, annotations, names, outputs, summary, files, run.json and journal', async () => {
    const repository = world.workflow(`
      on: push
      jobs:
        one:
          name: job \${{ github.ref }}
          runs-on: ubuntu-latest
          outputs: { leak: '\${{ steps.leaky.outputs.leak }}', fine: '\${{ steps.leaky.outputs.fine }}' }
          env: { T: '\${{ secrets.TOKEN }}', K: '\${{ secrets.KEY }}' }
          steps:
            - id: leaky
              name: 'using \${{ secrets.TOKEN }}'
              run: |
                echo "plain $T"; echo "$K"; printf '%s' "$T" | head -c 9; sleep 0.1; printf '%s\\n' "$T" | tail -c +10
                for s in "" x xx; do printf '%s%s' "$s" "$T" | base64 -w0; echo; done
                printf '%s' "$T" | od -An -tx1 | tr -d ' \\n'; echo
                printf '%s' "$T" | od -An -tx1 | tr -d ' \\n' | tr a-f A-F; echo
                /usr/bin/python3 -c 'import os, json, urllib.parse, html; t = os.environ["T"]; print(json.dumps(t), json.dumps(t, ensure_ascii=False), urllib.parse.quote(t, safe=""), urllib.parse.quote_plus(t), html.escape(t))'
                echo "::warning title=$T::about $T"
                echo "leak=$T" >> "$GITHUB_OUTPUT"; echo fine=yes >> "$GITHUB_OUTPUT"
                echo "# $T" >> "$GITHUB_STEP_SUMMARY"
                echo "FROM_FILE=$T" >> "$GITHUB_ENV"
                echo "::add-mask::masked-by-hand-5512"; echo masked-by-hand-5512
            - { name: next, run: 'echo "$FROM_FILE" masked-by-hand-5512; exit 1', continue-on-error: true }
    `)
    const { args, env } = settings()
    const run = await world.runJson(repository, args, { env })
    assert.equal(run.exitCode, 0, run.why)
    const values = [TOKEN, 'line-one-of-key-4711', 'line-two-of-key-4712']
    assertHoldsNone(run.stdout, 'stdout', values)
    assertHoldsNone(run.stderr, 'stderr', values)
    for (const part of ['runs', 'audit'])
      assertHoldsNone(recorded(join(world.state, part)), 'the state directory', [...values, DOTENV, UNUSED])
    assert.deepEqual(run.document.jobs[0]?.outputs, { fine: 'yes' })
    assert.match(run.output('one', '1'), /^plain \*\*\*\n/)
    assert.equal(run.output('one', '2'), '*** ***\n')
    const log = await world.run(['runs', 'log', run.document.id])
    assertHoldsNone(log.stdout, 'runs log', values)
    const shown = await world.run(['runs', 'show', run.document.id])
    assertHoldsNone(shown.stdout, 'runs show', values)
    const human = await world.run(['run', ...args], { cwd: repository, env })
    assertHoldsNone(human.stdout + human.stderr, 'the terminal', values)
  })

  test('are on no command line and in no environment of a process on the host, but the caller’s own and the step’s', async () => {
    const repository = world.workflow(`
      on: push
      jobs:
        one:
          runs-on: ubuntu-latest
          steps: [{ env: { K: '\${{ secrets.KEY }}' }, run: 'sleep 0.5' }, { run: 'sleep 0.3; echo "\${{ secrets.KEY }}"' }]
    `)
    const { args, env } = settings()
    const running = world.start(['run', '--json', '--state', world.state, ...args], { cwd: repository, env })
    let ended = false
    void running.result.then(() => {
      ended = true
    })
    const leaks = new Set<string>()
    let looked = 0
    while (!ended) {
      for (const pid of [...world.marker.pids(), ...sandboxPids(world)]) {
        looked += 1
        if (holds(`/proc/${pid}/cmdline`)) leaks.add(`cmdline of ${pid}`)
        if (world.marker.pids().includes(pid) && holds(`/proc/${pid}/environ`)) leaks.add(`environ of ${pid}`)
      }
      await sleep(20)
    }
    const run = world.parse(await running.result)
    assert.equal(run.exitCode, 0, run.why)
    assert.equal(looked > 20, true)
    assert.deepEqual([...leaks], [])
  })

  test('of exec are masked as well', async () => {
    const { args, env } = settings()
    const result = await world.exec(['sh', '-c', 'echo "$TOKEN"; printf "%s" "$TOKEN" | base64 -w0'], args, { env })
    assert.equal(result.exitCode, 0, result.stderr)
    assertHoldsNone(result.stdout + result.stderr, 'output', [TOKEN])
    for (const part of ['runs', 'audit']) assertHoldsNone(recorded(join(world.state, part)), 'the state directory', [TOKEN])
  })
})

function holds(path: string): boolean {
  try {
    return readFileSync(path, 'utf8').includes('line-one-of-key-4711')
  } catch {
    return false // It ended since it was listed.
  }
}
