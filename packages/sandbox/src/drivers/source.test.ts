// SPDX-License-Identifier: Apache-2.0
// A read-only source on this machine's kernel: hostile programs change it, and put it back.
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { gateSpec } from '../_with-gate.ts'
import { SANDBOX_PATHS, type Sandbox, type SourceChange, type SourceChanges } from '../contract.ts'
import { createDriver } from './registry.ts'

const skip = process.getuid?.() === 0 ? false : 'sandboxes need root'
const ROOT = `${SANDBOX_PATHS.work}/project/project`
const SOURCES = ['main.c', 'src/a.c', 'src/b.c', 'src/deep/c.c', '.git/index', 'Makefile']

async function checkedOut(directory: string): Promise<Sandbox> {
  const spec = { ...gateSpec(null as never), gate: null, directories: [SANDBOX_PATHS.work, `${SANDBOX_PATHS.work}/project`, ROOT] }
  const sandbox = await createDriver('runc', directory).prepare(spec, AbortSignal.timeout(60_000))
  const content = (path: string): Buffer => Buffer.from(path === 'Makefile' ? 'all:\n\tcat main.c > built\n' : `${path}\n`)
  await sandbox.probeSource()
  await sandbox.putFiles(ROOT, [
    { type: 'directory', path: 'src', mode: 0o755 },
    { type: 'directory', path: 'src/deep', mode: 0o755 },
    { type: 'directory', path: '.git', mode: 0o755 },
    ...SOURCES.map((path) => ({ type: 'file', path, mode: 0o644, size: content(path).length, content: content(path) }) as const),
  ])
  return sandbox
}

async function runStep(sandbox: Sandbox, id: string, argv: readonly string[]): Promise<{ output: string; id: string; code: number }> {
  const step = await sandbox.startStep({
    id,
    argv,
    env: { PATH: '/usr/bin:/bin' },
    workingDirectory: ROOT,
    files: [],
    collect: [],
    collectBytesMax: 0,
    network: null,
  })
  let output = ''
  for await (const part of step.output as AsyncIterable<Buffer>) output += part.toString()
  return { output, id, code: (await step.exit).code }
}

/** The host's processes of which this is so. */
function processesWhere(isSo: (directory: string) => boolean): readonly number[] {
  const pids = readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name))
  return pids.map(Number).filter((pid) => {
    try {
      return isSo(`/proc/${pid}`)
    } catch {
      return false // It has ended since.
    }
  })
}

/** Of PID 1 of the sandbox, and of what watches its source. */
function initAndWatch({ hostIdentity: { cgroup } }: Sandbox): readonly number[] {
  const has = (path: string, text: string): boolean => readFileSync(path, 'utf8').includes(text)
  const init = processesWhere((directory) => has(`${directory}/cgroup`, cgroup) && has(`${directory}/status`, '\t1\nNSpgid'))
  const keepers = processesWhere(
    (directory) => has(`${directory}/status`, `\nPPid:\t${process.pid}\n`) && has(`${directory}/cmdline`, 'keeper'),
  )
  const watches = processesWhere((directory) => {
    const descriptors = readdirSync(`${directory}/fd`).map((name) => readlinkSync(`${directory}/fd/${name}`))
    return keepers.some((pid) => has(`${directory}/status`, `\nPPid:\t${pid}\n`)) && descriptors.includes('anon_inode:[fanotify]')
  })
  assert.deepEqual([init.length, watches.length], [1, 1])
  return [...init, ...watches]
}

describe('a read-only source', { skip }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-source-'))
  let sandbox: Sandbox
  let steps = 0

  before(async () => {
    sandbox = await checkedOut(directory)
  })
  after(async () => {
    await sandbox?.[Symbol.asyncDispose]()
    rmSync(directory, { recursive: true, force: true })
  })

  const run = (argv: readonly string[]): ReturnType<typeof runStep> => runStep(sandbox, `step${++steps}`, argv)

  const shell = (script: string): ReturnType<typeof run> => run(['/bin/sh', '-ec', script])

  const changeOf = ({ changes }: SourceChanges, path: string): SourceChange =>
    changes.find((change) => change.path === path) ?? assert.fail(`${path}: ${JSON.stringify(changes)}`)

  async function pathsAfter(script: string): Promise<readonly string[]> {
    const { code, output } = await shell(script)
    assert.equal(code, 0, output)
    return [...new Set((await sandbox.takeSourceChanges()).changes.map(({ path }) => path))].sort()
  }

  it('is made when what ran before is ended: nobody has the original open', async () => {
    await shell(
      '(cd src; setsid sh -c "exec 9>>main.c; while :; do sleep 1; done" >/dev/null 2>&1 &); while [ ! -e src/main.c ]; do sleep 0.01; done',
    )
    const { files, ended } = await sandbox.freezeSource(ROOT)
    assert.equal(files, 6)
    assert.ok(ended > 0)
    assert.deepEqual(await sandbox.takeSourceChanges(), { changes: [], overflows: 0, more: 0 })
  })

  it('lets a build write beside the source, and has nothing to tell of it', async () => {
    const script =
      'make -s; mkdir -p node_modules/x target; echo 1 >node_modules/x/i.js; mv node_modules/x node_modules/y; rm -r target; echo >>.git/index; cat src/*.c'
    assert.deepEqual(await pathsAfter(script), [])
  })

  it('sees a file that is swapped while something compiles, and put back with its time: with the program that did it', async () => {
    const swap = `
import os, time, subprocess
s = os.stat('src/a.c'); clean = open('src/a.c').read()
os.rename('src/a.c', 'src/a.bak'); open('src/a.c', 'w').write('evil')
while not os.path.exists('compiled'): time.sleep(0.01)
os.rename('src/a.bak', 'src/a.c'); os.utime('src/a.c', ns=(s.st_atime_ns, s.st_mtime_ns))
open('swapped', 'w'); time.sleep(600)
`
    // Both live on: the lineage is whole however late it is read.
    const script = `sh -c 'python3 -c "$0"; :' "$0" & while ! grep -qs evil src/a.c; do sleep 0.01; done; cat src/a.c; : >compiled; while [ ! -e swapped ]; do sleep 0.01; done; cat src/a.c`
    const { output, id } = await run(['/bin/sh', '-ec', script, swap])
    assert.equal(output, 'evilsrc/a.c\n')
    const change = changeOf(await sandbox.takeSourceChanges(), 'src/a.c')
    assert.equal(change.step, id)
    assert.equal(change.witness, 'event')
    for (const kind of ['moved', 'created', 'written', 'attributes'] as const) assert.ok(change.kinds.includes(kind), kind)
    const [swapper, starter] = change.processes
    assert.match(swapper?.program ?? '', /python/)
    assert.match(swapper?.command ?? '', /^python3 -c \nimport os/)
    assert.match(starter?.command ?? '', /^sh -c python3/)
    assert.ok((await sandbox.endLeftovers()) >= 2)
  })

  it('sees what is open for writing and stays so, at the end of the step by what lies in the scratch layer', async () => {
    const hold = 'import mmap,time; f=open("src/b.c","r+"); m=mmap.mmap(f.fileno(),0); m[0]=33; open("held","w"); time.sleep(600)'
    const { id } = await run(['/bin/sh', '-ec', 'setsid python3 -c "$0" >/dev/null 2>&1 & while [ ! -e held ]; do sleep 0.01; done', hold])
    const seen = changeOf(await sandbox.takeSourceChanges(), 'src/b.c')
    assert.deepEqual([seen.witness, seen.kinds], ['layers', ['changed']])
    // What ended it is noticed late, when its cgroup is gone; and what is left of it stays that long, since nobody asks how it ended.
    const [init = 0, watch = 0] = initAndWatch(sandbox)
    for (const pid of [init, watch]) process.kill(pid, 'SIGSTOP')
    let closed: SourceChange
    try {
      assert.ok((await sandbox.endLeftovers()) > 0)
      process.kill(watch, 'SIGCONT')
      closed = changeOf(await sandbox.takeSourceChanges(), 'src/b.c')
    } finally {
      for (const pid of [init, watch]) process.kill(pid, 'SIGCONT')
    }
    assert.deepEqual([closed.witness, closed.kinds, closed.step], ['event', ['opened'], id])
  })

  it('sees a file that goes with its directory', async () => {
    await shell('rm -rf src/deep; mkdir src/deep; echo x >src/deep/c.c')
    const change = changeOf(await sandbox.takeSourceChanges(), 'src/deep/c.c')
    assert.deepEqual([change.witness, change.kinds.includes('removed')], ['event', true])
  })

  it('tells no more than it can keep, and how many more there were', async () => {
    await run([
      '/usr/bin/python3',
      '-c',
      "import os\nfor i in range(300):\n  if os.fork() == 0: open('main.c', 'a').write('x'); os._exit(0)\n  os.wait()",
    ])
    const { changes, more, overflows } = await sandbox.takeSourceChanges()
    assert.equal(changes.length, 256)
    assert.ok(more >= 44, String(more))
    assert.equal(overflows, 0)
  })

  it('does not wait for a process that goes on and on', async () => {
    const forever = 'import os\nwhile True: open("noise", "w"); os.unlink("noise"); open("started", "w")'
    await run(['/bin/sh', '-ec', 'setsid python3 -c "$0" >/dev/null 2>&1 & while [ ! -e started ]; do sleep 0.01; done', forever])
    assert.deepEqual((await sandbox.takeSourceChanges()).changes, [])
    assert.ok((await sandbox.endLeftovers()) > 0)
  })

  const TRICKS: readonly (readonly [string, string, string])[] = [
    ['a rename over it', 'echo x >new; mv new src/b.c', 'src/b.c'],
    ['its removal and another one in its place', 'rm main.c; echo x >main.c', 'main.c'],
    ['a change of its mode', 'chmod 600 src/deep/c.c', 'src/deep/c.c'],
    ['a cut', 'truncate -s 0 src/deep/c.c', 'src/deep/c.c'],
    ['a second name that is written to', 'ln Makefile other; echo x >>other', 'Makefile'],
    ['a way through /proc', 'echo x >>/proc/self/root$PWD/src/b.c', 'src/b.c'],
    ['another tree in the place of its directory', 'mv src gone; mkdir src; cp gone/a.c src/', 'src/a.c'],
    ['a link in the place of its directory', 'rm -rf src; ln -s gone src', 'src'],
  ]
  for (const [what, script, path] of TRICKS)
    it(`sees ${what}`, async () => {
      const paths = await pathsAfter(script)
      assert.ok(paths.includes(path), JSON.stringify(paths))
    })

  it('sees a store into memory that is a file: by its opening, or at the latest by its closing', async () => {
    const paths = await pathsAfter(`python3 -c "import mmap
f = open('main.c', 'r+'); f.truncate(64); m = mmap.mmap(f.fileno(), 0); m[0] = 33; m.close(); f.close()"`)
    assert.ok(paths.includes('main.c'))
  })

  it('keeps its place: no directory on the way to it can be renamed', async () => {
    const { output } = await run([
      '/bin/sh',
      '-c',
      'mv /home/runner/work/project /home/runner/work/else; mv /home/runner/work /home/runner/else; mv $PWD $PWD.old',
    ])
    assert.equal(output.match(/Device or resource busy/g)?.length, 3, output)
  })
})

describe('a source with a second name', { skip }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-source-'))
  after(() => rmSync(directory, { recursive: true, force: true }))

  it('is not made read-only: what is written by that name would pass the overlay by', async () => {
    await using sandbox = await checkedOut(directory)
    await runStep(sandbox, 'link', ['/bin/ln', 'main.c', '/home/runner/alias'])
    await assert.rejects(sandbox.freezeSource(ROOT), { code: 'SANDBOX_UNSUPPORTED', message: /source-read-only.*hard link/ })
  })
})
