// SPDX-License-Identifier: Apache-2.0
// What the host's own logs say of real jobs, in the transparency log. `/dev/kmsg` is this host's; the authentication log is one that the test puts in its place, in a
// mount namespace of its own.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { accessSync, constants, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { AuditReport, ShownEntry } from '@sallyport/agent'
import { type Result, World } from '../_world.ts'

const world = new World()
after(() => world[Symbol.asyncDispose]())

/** Nothing of it is copied into a job but this program. */
const work = mkdtempSync(join(world.directory, 'work-'))
const noKernelLog = whyUnreadable()
const noFaults =
  noKernelLog !== false
    ? noKernelLog
    : readSetting('/proc/sys/debug/exception-trace') === '0' && 'this host does not log segmentation faults'

before(() => {
  const source = join(world.directory, 'fault.c')
  writeFileSync(source, 'int main(void) { *(volatile int *)0 = 1; }\n')
  execFileSync('gcc', ['-static', '-o', join(work, 'fault'), source])
})

function whyUnreadable(): string | false {
  try {
    accessSync('/dev/kmsg', constants.R_OK)
    return false
  } catch {
    return '/dev/kmsg cannot be read here'
  }
}

function readSetting(path: string): string {
  return readFileSync(path, 'latin1').trim()
}

async function show(run: string, type: string): Promise<ShownEntry['entry'][]> {
  const { stdout } = await world.run(['audit', 'show', '--json', '--run', run, '--type', type])
  const lines = stdout.split('\n').filter((line) => line !== '')
  return lines.map((line) => (JSON.parse(line) as ShownEntry).entry)
}

/** The kernel writes ten faults in five seconds, of the whole host: somebody else's may have been those. Then it is done again. */
async function faultOf(
  argv: readonly string[],
  options: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<ShownEntry['entry']> {
  for (let attempt = 0; attempt < 12; attempt += 1) {
    const { document } = await world.exec(argv, options, { cwd: work, env })
    assert.equal(document.exitCode, 139)
    const record = (await show(document.id, 'host.kernel')).find(({ job, data }) => job === 'exec' && data?.['class'] === 'fault')
    if (record !== undefined) return record
    await sleep(1000)
  }
  throw new Error('the kernel wrote no fault of the job in twelve attempts')
}

function facts({ source, job, type, data }: ShownEntry['entry']): unknown[] {
  return [source.split('/').at(-1), job, type, data?.['class'], data?.['of'], data?.['proof']]
}

async function assertSound(): Promise<void> {
  const { stdout } = await world.run(['audit', 'verify', '--json'])
  const { sound, findings } = JSON.parse(stdout) as AuditReport
  assert.equal(sound, true, JSON.stringify(findings))
}

function exec(argv: readonly string[], options: readonly string[] = [], wrap: readonly string[] = []): ReturnType<World['exec']> {
  return world.exec(argv, options, { cwd: work, wrap })
}

describe('the kernel’s log', () => {
  test('a command that dies of a fault is named by the kernel, and the record is the job’s by its pid', { skip: noFaults }, async () => {
    const record = await faultOf(['./fault'], [], {})
    assert.match(String(record.data?.['message']), /^fault\[\d+\]: segfault at 0 /)
    assert.deepEqual(facts(record), ['kernel', 'exec', 'host.kernel', 'fault', 'job', 'pid'])
    await assertSound()
  })

  test('a job that is killed for its memory is named by its cgroup and by its id', { skip: noKernelLog }, async () => {
    const { document } = await exec(['bash', '-c', 'x=$(head -c 200000000 /dev/zero | tr "\\0" x)'], ['--limit', 'memory=64MiB'])
    assert.equal(document.exitCode, 137)
    const records = (await show(document.id, 'host.kernel')).filter(({ job }) => job === 'exec').map(facts)
    assert.deepEqual(records.slice(0, 2), [
      ['kernel', 'exec', 'host.kernel', 'oom', 'job', 'cgroup'],
      ['kernel', 'exec', 'host.kernel', 'oom', 'job', 'uid'],
    ])
    await assertSound()
  })

  test('each of two jobs of a run has its own', { skip: noKernelLog }, async () => {
    const step = `{ run: 'x=$(head -c 200000000 /dev/zero | tr "\\0" x)' }`
    const job = `{ runs-on: ubuntu-latest, steps: [${step}] }`
    const { document } = await world.runJson(world.workflow(`on: push\njobs: { one: ${job}, two: ${job} }\n`), ['--limit', 'memory=64MiB'])
    const records = await show(document.id, 'host.kernel')
    const proven = records.filter(({ data }) => data?.['proof'] === 'cgroup' && data['of'] === 'job').map(({ job: name }) => name)
    assert.deepEqual([...new Set(proven)].sort(), ['one', 'two'])
    await assertSound()
  })

  test('a job’s record names its secrets no more than its output does', { skip: noFaults }, async () => {
    const command = ['bash', '-c', 'cp fault "$TOKEN" && exec "./$TOKEN"']
    const text = JSON.stringify(await faultOf(command, ['--secret', 'TOKEN'], { TOKEN: 's3cr3t-word' }))
    assert.match(text, /\*\*\*\[\d+\]: segfault/)
    assert.doesNotMatch(text, /s3cr3t-word/)
  })

  test('a job that floods it ends like any other, and what is too much is counted', { skip: noKernelLog }, async () => {
    const started = performance.now()
    const kills = 'for i in $(seq 150); do tail /dev/zero; done 2> /dev/null; true'
    const { document } = await exec(['bash', '-c', kills], ['--limit', 'memory=32MiB'])
    assert.equal(document.exitCode, 0)
    const records = await show(document.id, 'host.kernel')
    const ended = (await show(document.id, 'source.closed')).filter(({ source }) => source.endsWith('/kernel'))
    const { rate = 0 } = (ended[0]?.data?.['dropped'] ?? {}) as Record<string, number>
    const kept = records.filter(({ data }) => data?.['class'] === 'oom').length
    // Each kill is a line or more.
    assert.ok(kept + rate >= 150, `${kept} kept, ${rate} dropped`)
    assert.ok(kept <= 65 + (4 * (performance.now() - started)) / 1000, `${kept} kept`)
    await assertSound()
  })
})

/** In a mount namespace whose `/var/log` is empty but for this file, to which a line is written again and again. */
function withAuthLog(line: string): readonly string[] {
  const directory = mkdtempSync(join(world.directory, 'log-'))
  mkdirSync(directory, { recursive: true })
  writeFileSync(join(directory, 'auth.log'), 'Nov 29 14:02:00 host sshd[1]: Accepted password for before\n')
  writeFileSync(join(directory, 'line'), `${line}\n`)
  const script = `mount --bind ${directory} /var/log && { for i in $(seq 300); do cat ${directory}/line >> ${directory}/auth.log; sleep 0.1; done < /dev/null > /dev/null 2>&1 & exec "$@"; }`
  return ['unshare', '-m', 'sh', '-c', script, 'sh']
}

describe('the authentication log', () => {
  test('what is written there while a job runs is a source, without what a terminal would obey, and nothing from before', async () => {
    const line = '2026-11-29T14:02:01.000001+00:00 host sudo[7]: eve : TTY=pts/0 ; COMMAND=\u001b[2Jsh'
    const { document } = await exec(['sleep', '1'], [], withAuthLog(line))
    assert.equal(document.exitCode, 0)
    const records = await show(document.id, 'host.auth')
    assert.deepEqual(
      [...new Set(records.map((record) => JSON.stringify(facts(record))))],
      [JSON.stringify(['auth', undefined, 'host.auth', 'privilege', 'unknown', null])],
    )
    const messages = new Set(records.map(({ data }) => data?.['message']))
    assert.deepEqual([...messages], ['eve : TTY=pts/0 ; COMMAND=\\u001b[2Jsh'])
    await assertSound()
  })
})

describe('a log that is not there', () => {
  const missing = ['unshare', '-m', 'sh', '-c', 'mount -t tmpfs none /var/log && exec "$@"', 'sh']

  function operatorFile(text: string): readonly string[] {
    const path = join(mkdtempSync(join(world.directory, 'operator-')), 'config.yml')
    writeFileSync(path, `version: 1\n${text}\n`, { mode: 0o600 })
    return ['--config', path]
  }

  test('is named in the record', async () => {
    const { document } = await exec(['true'], [], missing)
    const [prepared] = await show(document.id, 'job.prepared')
    const { auth } = (prepared?.data?.['hostLogs'] ?? {}) as Record<string, { state: string; detail: string }>
    assert.equal(auth?.state, 'absent')
    assert.match(String(auth?.detail), /\/var\/log\/auth\.log.*\/var\/log\/secure/)
  })

  test('and is required lets no command run', async () => {
    const result: Result & { readonly document: { error: { code: string } | null; exitCode: number } } = await exec(
      ['touch', 'ran'],
      [...operatorFile('hostLogs: { auth: required }'), '--write', 'ran'],
      missing,
    )
    assert.deepEqual([result.exitCode, result.document.error?.code], [125, 'HOST_LOG_MISSING'], result.stderr)
  })

  test('and is required ends a run with code 5, before the first step of a job', async () => {
    const repository = world.workflow('on: push\njobs: { one: { runs-on: ubuntu-latest, steps: [{ run: echo hello }] } }\n')
    const run = await world.runJson(repository, operatorFile('hostLogs: { auth: required }'), { wrap: missing })
    assert.deepEqual([run.exitCode, run.document.error?.code], [5, 'HOST_LOG_MISSING'], run.why)
    assert.deepEqual(
      run.events.filter(({ type }) => type === 'step.log'),
      [],
    )
  })

  test('and is off is said to be', async () => {
    const { document } = await exec(['true'], operatorFile('hostLogs: off'))
    const [prepared] = await show(document.id, 'job.prepared')
    const off = { state: 'off', detail: null }
    assert.deepEqual(prepared?.data?.['hostLogs'], { kernel: off, auth: off, journal: off })
  })
})
