// SPDX-License-Identifier: Apache-2.0
// A build process that swaps a source file while the compiler reads it, and puts it back (SUNSPOT, SolarWinds 2020): the source stays as it is, and it is told who did it.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { findRunsc, obstacleOf } from '@sallyport/testkit'
import { World, writeFiles } from '../_world.ts'

const world = new World()
after(() => world[Symbol.asyncDispose]())

/** Waits for the compiler by its name, as SUNSPOT did for MsBuild; swaps; waits for its end; puts back, time and all. It lives on. */
const IMPLANT = `import glob, os, time
def compiles():
    for path in glob.glob('/proc/[0-9]*/cmdline'):
        try:
            if b'sh\\0./slow-compiler' in open(path, 'rb').read(): return True
        except OSError: pass
    return False
open('ready', 'w')
while not compiles(): time.sleep(0.002)
kept = os.stat('app.c'); clean = open('app.c').read()
open('app.tmp', 'w').write('int main(void) { return 66; }\\n'); os.rename('app.tmp', 'app.c')
open('swapped', 'w')
while compiles(): time.sleep(0.002)
open('app.c', 'w').write(clean); os.utime('app.c', ns=(kept.st_atime_ns, kept.st_mtime_ns))
open('restored', 'w')
time.sleep(600)
`
/** Reads its source once whoever wants to has swapped it. */
const COMPILER = '#!/bin/sh\nwhile [ -e ready ] && [ ! -e swapped ]; do sleep 0.01; done\ncat app.c > app.out\n'
const FILES = { 'app.c': 'int main(void) { return 0; }\n', 'implant.py': IMPLANT, 'slow-compiler': COMPILER, 'package.json': '{}\n' }
/** What starts the implant lives on, too: both are there when the step ends, and the lineage is whole however late it is read. */
const ATTACK =
  "sh -c 'python3 implant.py; :' & while [ ! -e ready ]; do sleep 0.01; done; sh ./slow-compiler; while [ ! -e restored ]; do sleep 0.01; done; cat app.out app.c"

const workflow = (...steps: readonly string[]): string =>
  `on: push\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps:\n${steps.map((step) => `      - ${step}\n`).join('')}`
const CHECKOUT = 'uses: actions/checkout@v4'

describe('a read-only source', () => {
  test('a swap during the compile is found with the program that did it, and a step that only builds has nothing', async () => {
    const benign = `run: "mkdir -p node_modules/x && echo 1 > node_modules/x/index.js && cat app.c > build.o && git status"`
    const repository = world.workflow(workflow(CHECKOUT, benign, `run: ${JSON.stringify(ATTACK)}`, 'run: cat app.c'), {
      ...FILES,
      'sallyport.yml': 'version: 1\nsource: read-only\n',
    })
    const ran = await world.runJson(repository)
    assert.equal(ran.exitCode, 0, ran.why)
    assert.match(ran.output('build', '3'), /return 66/, 'the compiler read the swapped file')
    const { sourceChanges } = ran.document
    assert.deepEqual([...new Set(sourceChanges.map(({ path, step }) => `${step} ${path}`))], ['3 app.c'], JSON.stringify(sourceChanges))
    const [change] = sourceChanges
    for (const kind of ['moved', 'written', 'attributes'] as const) assert.ok(change?.kinds.includes(kind), kind)
    assert.match(change?.processes[0]?.program ?? '', /python/)
    assert.match(change?.processes[0]?.command ?? '', /implant\.py/)
    assert.ok((change?.processes.length ?? 0) > 1, 'and what started it')
    const events = ran.events.filter(({ type }) => type.startsWith('source.'))
    assert.deepEqual([...new Set(events.map(({ type, step }) => `${step} ${type}`))], ['2 source.read-only', '3 source.changed'])
    const notices = ran.events.filter(({ type, step }) => type === 'run.notice' && step === '3')
    assert.match(String(notices[0]?.data['message']), /^The source was changed: app\.c \(.*\) by python3 implant\.py/)
    const logged = await world.run(['audit', 'show', '--run', ran.document.id, '--type', 'source.*'])
    assert.match(logged.stdout, /source\.changed/)
  })

  test('exec has it by an option, and by the operator’s file, which nobody can take back', async () => {
    const directory = mkdtempSync(join(world.directory, 'source-'))
    writeFiles(directory, FILES)
    const operator = join(world.directory, 'operator.yml')
    writeFileSync(operator, 'version: 1\nsource: read-only\n', { mode: 0o600 })
    for (const options of [
      ['--source', 'read-only'],
      ['--config', operator],
    ]) {
      const ran = await world.exec(['sh', '-c', ATTACK], options, { cwd: directory })
      assert.equal(ran.exitCode, 0, ran.stderr)
      assert.deepEqual([...new Set(ran.document.sourceChanges.map(({ path }) => path))], ['app.c'])
      assert.match(ran.stderr, /notice: The source was changed: app\.c .* by python3 implant\.py/)
    }
    const told = await world.exec(
      [
        'python3',
        '-c',
        'import os, sys, time\nopen("app.c", "a").write(sys.argv[1])\nif os.fork() == 0: time.sleep(600)',
        'hunter2-hunter2-hunter2',
      ],
      ['--source', 'read-only', '--secret', 'TOKEN'],
      { cwd: directory, env: { TOKEN: 'hunter2-hunter2-hunter2' } },
    )
    assert.equal(told.document.sourceChanges.length, 1, told.stderr)
    assert.doesNotMatch(told.stdout + told.stderr, /hunter2/, 'a command line is masked as output is')
    const plain = await world.exec(['sh', '-c', 'echo x >> app.c'], [], { cwd: directory })
    assert.deepEqual(plain.document.sourceChanges, [], 'nobody asked for it')
    assert.equal(readFileSync(join(directory, 'app.c'), 'utf8'), FILES['app.c'])
    const kept = await world.exec(['sh', '-c', 'mkdir dist; echo x > dist/x'], ['--source', 'read-only', '--write', 'dist'], {
      cwd: directory,
    })
    assert.deepEqual([kept.exitCode, kept.document.kept, kept.document.sourceChanges], [0, 1, []], kept.stderr)
  })

  test('under gVisor it is refused by name, and nothing runs', async (t) => {
    const obstacle = await obstacleOf('gvisor')
    if (obstacle !== null) return t.skip(`gvisor: ${obstacle}`)
    const runsc = findRunsc()
    const operator = join(world.directory, 'gvisor.yml')
    writeFileSync(operator, `version: 1\nisolation: { minimum: gvisor${runsc === undefined ? '' : `, runsc: "${runsc}"`} }\n`, {
      mode: 0o600,
    })
    const repository = world.workflow(workflow(CHECKOUT, 'run: echo ran'), {
      ...FILES,
      'sallyport.yml': 'version: 1\nsource: read-only\n',
    })
    const ran = await world.runJson(repository, ['--config', operator])
    const exec = await world.exec(['echo', 'ran'], ['--config', operator, '--source', 'read-only'], { cwd: repository })
    assert.deepEqual([ran.exitCode, exec.exitCode], [5, 125], ran.why + exec.stderr)
    for (const { document, stdout, stderr } of [ran, exec]) {
      assert.equal(document.error?.code, 'SANDBOX_UNSUPPORTED')
      assert.match(document.error?.message ?? '', /"source-read-only" does not hold under gVisor: who changes a file is not seen there/)
      assert.match(document.error?.hint ?? '', /--isolation oci, or leave source: read-only out/)
      assert.doesNotMatch(stdout + stderr, /^ran$/m)
    }
  })

  test('a source that another name leads to is refused, and nothing runs on it', async () => {
    const link = 'run: echo x > other && ln other /home/runner/alias'
    const files = { ...FILES, 'sallyport.yml': 'version: 1\nsource: read-only\n' }
    const steps = [link, CHECKOUT, 'run: echo ran', '{ if: always(), run: "echo ran" }']
    const ran = await world.runJson(world.workflow(workflow(...steps), files))
    assert.equal(ran.exitCode, 5, ran.why)
    assert.equal(ran.document.error?.code, 'SANDBOX_UNSUPPORTED')
    assert.match(ran.document.error?.message ?? '', /"source-read-only" does not hold.*hard link/)
    assert.doesNotMatch(ran.output('build', '3') + ran.output('build', '4'), /^ran$/m)
  })

  test('a checkout behind a step is refused, and a process that an earlier step left does not reach what is checked out', async () => {
    const leave = `run: "(setsid sh -c 'while sleep 0.01; do echo evil >> app.c; done' > /dev/null 2>&1 &)"`
    const files = { ...FILES, 'sallyport.yml': 'version: 1\njobs: { build: { source: read-only } }\n' }
    const ran = await world.runJson(world.workflow(workflow(leave, CHECKOUT, 'run: cat app.c', CHECKOUT), files))
    assert.equal(ran.exitCode, 1, ran.why)
    assert.doesNotMatch(ran.output('build', '3'), /evil/)
    assert.match(JSON.stringify(ran.events.filter(({ step }) => step === '4')), /Cannot check out again: the source is read-only/)
  })
})
