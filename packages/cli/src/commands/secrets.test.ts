// SPDX-License-Identifier: Apache-2.0
// The commands over real stores; the log is a fake one that remembers.
import assert from 'node:assert/strict'
import { type ChildProcessWithoutNullStreams, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { SecretsError } from '@sallyport/secrets'
import { createFakeAgent, type FakeAgent } from '../_fake-agent.ts'
import { type HarnessOptions, makeFile, makeTemporaryDirectory, type Outcome, runCli } from '../_harness.ts'
import { quoteForShell } from '../terminal/shell-quote.ts'

const MAIN = join(import.meta.dirname, '../main.ts')
const NO_SCRIPT = spawnSync('script', ['--version']).status === 0 ? false : 'script(1) of util-linux makes the terminal'
/** Of the harness's clock: 2026-11-22T20:15:05Z. */
const DAY_MS = 24 * 3600e3

class Desk {
  readonly state: string
  readonly agent: FakeAgent = createFakeAgent()

  constructor(t: TestContext) {
    this.state = join(makeTemporaryDirectory(t), 'state')
  }

  run(words: string, options: HarnessOptions = {}): Promise<Outcome> {
    return runCli(['secrets', ...words.split(' '), '--state', this.state], { agent: this.agent, ...options })
  }

  async good(words: string, options: HarnessOptions = {}): Promise<Outcome> {
    const outcome = await this.run(words, options)
    assert.equal(outcome.exitCode, 0, outcome.stderr)
    return outcome
  }

  async bad(words: string, code: string, exitCode: number, options: HarnessOptions = {}): Promise<Outcome> {
    const outcome = await this.run(words, options)
    assert.equal(outcome.exitCode, exitCode, outcome.stderr)
    assert.ok(outcome.stderr.includes(`error[${code}]`), outcome.stderr)
    return outcome
  }

  async value(name: string, more = ''): Promise<string> {
    return (await this.good(`get ${name} --reveal${more}`)).stdout
  }

  /** Types and names, in the order of the log. */
  recorded(): string[] {
    return this.agent.calls.audit.flatMap(([call, type, data]) =>
      call === 'record' ? [`${String(type)} ${(data as { secrets?: string[] }).secrets?.join() ?? ''}`.trim()] : [],
    )
  }
}

async function makeDesk(t: TestContext, secrets: Readonly<Record<string, string>> = {}): Promise<Desk> {
  const desk = new Desk(t)
  await desk.good('init')
  for (const [name, value] of Object.entries(secrets)) await desk.good(`set ${name}`, { stdin: value })
  return desk
}

/** The real program; `redirect` is shell text. */
function cli(state: string, words: string, redirect = ''): ReturnType<typeof spawnSync> {
  return spawnSync(
    'bash',
    ['-c', `exec "$0" --no-warnings "$1" secrets ${words} --state "$2" ${redirect}`, process.execPath, MAIN, state],
    {
      encoding: 'utf8',
    },
  )
}

describe('secrets set', () => {
  test('takes stdin, without the newline that echo adds, and with every other', async (t) => {
    const desk = await makeDesk(t, { A: 'one\n', B: 'one\r\n', C: 'line\nline\n', D: 'a' })
    assert.deepEqual(await Promise.all(['A', 'B', 'C', 'D'].map((name) => desk.value(name))), ['one', 'one', 'line\nline\n', 'a'])
    await desk.good('set A --exact', { stdin: 'one\n' })
    assert.equal(await desk.value('A'), 'one\n')
  })

  test('refuses a value on the command line, and does not repeat it', async (t) => {
    const desk = await makeDesk(t)
    for (const words of [
      'set TOKEN hunter22',
      'set TOKEN=hunter22',
      'set hunter22=',
      'get TOKEN=hunter22',
      'rotate TOKEN=hunter22',
      'rm A=hunter22',
    ])
      assert.ok(!(await desk.bad(words, 'SECRET_ON_ARGV', 2)).stderr.includes('hunter22') || words === 'set hunter22=')
    for (const name of ['-a', '../x', 'a//b', 'a b', 'x'.repeat(201), 'a#b']) {
      const { exitCode } = await runCli(['secrets', 'set', '--state', desk.state, '--', name], { agent: desk.agent })
      assert.equal(exitCode, 2, name)
    }
  })

  test('refuses what is empty or too large, and keeps what there was', async (t) => {
    const desk = await makeDesk(t, { A: 'good' })
    await desk.bad('set A', 'SECRET_EMPTY', 2)
    await desk.bad('set A', 'SECRET_EMPTY', 2, { stdin: '\n' })
    await desk.bad('set A', 'SECRET_TOO_LARGE', 2, { stdin: 'x'.repeat(64 * 1024 + 1) })
    await desk.bad('set A', 'SECRET_TOO_LARGE', 2, { stdin: 'x'.repeat(2 ** 20) })
    assert.equal(await desk.value('A'), 'good')
  })

  test('keeps fields, changes one of them, and makes values', async (t) => {
    const desk = await makeDesk(t)
    await desk.good('set db --fields', { stdin: '{"user":"ci","password":"pw"}' })
    await desk.good('set db --field password', { stdin: 'new' })
    await desk.bad('get db --reveal', 'SECRET_FIELD_MISSING', 2)
    await desk.bad('get db --reveal --field host', 'SECRET_FIELD_MISSING', 2)
    assert.equal(await desk.value('db', ' --field user'), 'ci')
    assert.deepEqual(JSON.parse(await desk.value('db', ' --json')), { name: 'db', version: '2', fields: { user: 'ci', password: 'new' } })
    await desk.good('set db --field salt --generate 40')
    assert.match(await desk.value('db', ' --field salt'), /^[A-Za-z0-9]{40}$/)
    for (const stdin of ['', '[]', '"x"', '{"a":1}', '{"a b":"c"}', '{"a":'])
      await desk.bad('set db --fields', 'FILE_INVALID', 2, { stdin })
    await desk.bad('set db --fields', 'SECRET_EMPTY', 2, { stdin: '{}' })
    await desk.bad('set db --fields --field a', 'USAGE', 2)
    await desk.bad('set db --generate 8', 'USAGE', 2)
  })

  test('makes no version of a value that is the same, and dates the rest', async (t) => {
    const desk = await makeDesk(t, { A: 'one' })
    const { stdout } = await desk.good('set A --json --every 30d', { stdin: 'one' })
    assert.deepEqual(JSON.parse(stdout), { name: 'A', version: 1, changed: false })
    const late = (context: { now: () => number }): void => {
      context.now = () => Date.UTC(2026, 10, 22, 20, 16) + 30 * DAY_MS
    }
    assert.match((await desk.good('ls')).stdout, /^A +1 +0ms +30d +value$/m)
    assert.match((await desk.good('ls', { context: late as never })).stdout, /^A +1 +30d +30d +value +overdue$/m)
    const [shown] = JSON.parse((await desk.good('ls --json')).stdout) as { every: string; overdue: boolean }[]
    assert.deepEqual([shown?.every, shown?.overdue], ['30d', false])
    for (const every of ['30', '0d', '30m', 'd']) await desk.bad(`set A --every ${every}`, 'USAGE', 2)
  })
})

describe('secrets get, ls, history, rm', () => {
  test('show a value only to whoever asks for it, and then it is in the log first', async (t) => {
    const desk = await makeDesk(t, { TOKEN: 'tk-88231' })
    for (const words of ['get TOKEN', 'get TOKEN --json', 'ls', 'ls --json', 'history TOKEN', 'history TOKEN --json', 'restore'])
      assert.ok(!(await desk.good(words)).stdout.includes('88231'), words)
    assert.ok(!desk.recorded().includes('secret.read TOKEN'))
    await desk.good('get TOKEN --reveal')
    assert.equal(desk.recorded().at(-1), 'secret.read TOKEN')
    assert.ok(!JSON.stringify(desk.agent.calls).includes('88231'))
  })

  test('show nothing when the log cannot be written', async (t) => {
    const desk = await makeDesk(t, { TOKEN: 'tk-88231' })
    const agent: FakeAgent = Object.assign(createFakeAgent(), {
      audit: {
        ...desk.agent.audit,
        operatorLog: async () => ({ record: () => Promise.reject(new TypeError('no log')), close: async () => undefined }),
      },
    })
    const read = await desk.run('get TOKEN --reveal', { agent })
    assert.deepEqual([read.exitCode, read.stdout], [6, ''])
    assert.equal((await desk.run('set TOKEN', { agent, stdin: 'other' })).exitCode, 6)
    assert.equal((await desk.run('rm TOKEN', { agent })).exitCode, 6)
    assert.equal(await desk.value('TOKEN'), 'tk-88231')
  })

  test('name earlier versions, and forget them', async (t) => {
    const desk = await makeDesk(t, { A: 'one' })
    await desk.good('set A', { stdin: 'two' })
    assert.equal(await desk.value('A', ' --version 1'), 'one')
    assert.match((await desk.good('history A')).stdout, /^2 .*set +value +current\n1 .*set +value\n/m)
    await desk.good('rm A --version 1')
    await desk.bad('get A --reveal --version 1', 'SECRET_VERSION_NOT_FOUND', 2)
    await desk.good('rm A')
    await desk.bad('get A --reveal', 'SECRET_NOT_FOUND', 2)
    assert.match((await desk.good('ls --all')).stdout, /^A +– +removed 2026-11-22/m)
    assert.equal((await desk.good('ls')).stdout, 'There are no secrets\n')
  })

  test('refuse options that would choose among nothing', async (t) => {
    const desk = await makeDesk(t, { A: 'one' })
    await desk.bad('get A --version 1', 'USAGE', 2)
    await desk.bad('get A --field value', 'USAGE', 2)
  })

  test('say as JSON what failed', async (t) => {
    const desk = await makeDesk(t)
    const { stdout } = await desk.bad('get NONE --json', 'SECRET_NOT_FOUND', 2)
    assert.equal((JSON.parse(stdout) as { error: { code: string } }).error.code, 'SECRET_NOT_FOUND')
  })
})

test('secrets import takes a dotenv file as a whole or not at all, and replaces only when told', async (t) => {
  const desk = await makeDesk(t, { B: 'other', C: 'same' })
  const file = makeFile(t, 'A=one\nB="two two"\nC=same\n')
  assert.deepEqual(JSON.parse((await desk.good(`import ${file} --json`)).stdout), { stored: ['A'], unchanged: ['C'], kept: ['B'] })
  assert.equal(await desk.value('B'), 'other')
  assert.match((await desk.good(`import ${file} --replace`)).stderr, /1 stored, 2 as they were/)
  assert.equal(await desk.value('B'), 'two two')
  await desk.bad(`import ${makeFile(t, 'D=new\nthis is no line\n')}`, 'FILE_INVALID', 2)
  await desk.bad(`import ${makeFile(t, 'D=new\nE=\n')}`, 'SECRET_EMPTY', 2)
  await desk.bad('get D', 'SECRET_NOT_FOUND', 2)
})

test('every name of a large import stands in an entry of its own log', async (t) => {
  const desk = await makeDesk(t)
  const names = Array.from({ length: 150 }, (_, at) => `NAME_${at}`)
  await desk.good(`import ${makeFile(t, names.map((name) => `${name}=value of ${name}\n`).join(''))}`)
  const entries = desk.recorded().filter((line) => line.startsWith('secret.imported '))
  assert.equal(entries.length, 3)
  assert.deepEqual(
    entries.flatMap((line) => line.slice('secret.imported '.length).split(',')),
    names,
  )
})

describe('secrets rotate', () => {
  /** A hook with a database of its own: a file of the passwords that work. */
  function makeHook(t: TestContext, failing = 'none'): { readonly program: string; readonly works: () => string[] } {
    const directory = makeTemporaryDirectory(t)
    const [program, database] = [join(directory, 'hook'), join(directory, 'works')]
    writeFileSync(database, 'old\n')
    const script = `#!/bin/bash
      old=$(cat <&3) new=$(cat <&4); echo "phase $1 of $2 with $old" >&2
      if [ "$1" = "${failing}" ] && [ ! -e ${directory}/failed ]; then touch ${directory}/failed; exit 3; fi
      case $1 in
        create) echo "made-$3" | tee -a ${database} ;;
        install) echo "$new" >> ${database} ;;
        test) grep -qx "$new" ${database} ;;
        retire) grep -vx "$old" ${database} > ${database}.new; mv ${database}.new ${database} ;;
      esac`
    writeFileSync(program, script, { mode: 0o755 })
    return { program, works: () => readFileSync(database, 'utf8').trim().split('\n') }
  }

  test('has a hook make the new value work before the old one ends, and masks what it says', async (t) => {
    const desk = await makeDesk(t, { TOKEN: 'old' })
    const { program, works } = makeHook(t)
    const { stderr } = await desk.good(`rotate TOKEN --generate 24 --hook ${program} --every 1w`)
    const value = await desk.value('TOKEN')
    assert.deepEqual(works(), [value])
    assert.match(stderr, /phase install of TOKEN/)
    assert.ok(!stderr.includes(value))
    await desk.good('rotate TOKEN')
    assert.deepEqual(works(), [await desk.value('TOKEN')])
    assert.deepEqual(desk.recorded().filter((line) => line.startsWith('secret.rotation')).length, 8)
  })

  for (const phase of ['create', 'test', 'retire'])
    test(`goes on where the hook failed to ${phase}`, async (t) => {
      const desk = await makeDesk(t, { TOKEN: 'old' })
      const { program, works } = makeHook(t, phase)
      const { stderr } = await desk.bad(`rotate TOKEN --hook ${program}`, 'ROTATION_FAILED', 1)
      assert.match(stderr, /exit code 3/)
      assert.equal(desk.recorded().at(-1), 'secret.failed')
      assert.ok(works().includes(await desk.value('TOKEN')))
      await desk.bad('set TOKEN', 'ROTATION_PENDING', 2, { stdin: 'x' })
      assert.match((await desk.good('ls --overdue')).stdout, new RegExp(`rotation not ended \\(${phase}\\)`))
      assert.deepEqual(JSON.parse((await desk.good('rotate TOKEN --json')).stdout), { name: 'TOKEN', version: 2, isResumed: true })
      assert.deepEqual(works(), [await desk.value('TOKEN')])
    })

  for (const phase of ['create', 'test', 'retire'])
    test(`goes on where it was killed while the hook was to ${phase}`, async (t) => {
      const desk = await makeDesk(t, { TOKEN: 'old' })
      const { program, works } = makeHook(t)
      const killing = makeFile(
        t,
        `#!/bin/bash\nif [ "$1" = ${phase} ] && mkdir "$0.killed" 2>/dev/null; then kill -9 $PPID; exit; fi; exec ${program} "$@"\n`,
      )
      execFileSync('chmod', ['700', killing])
      assert.equal(cli(desk.state, `rotate TOKEN --hook ${killing}`).signal, 'SIGKILL')
      assert.ok(works().includes(await desk.value('TOKEN')))
      assert.deepEqual(JSON.parse((await desk.good('rotate TOKEN --json')).stdout), { name: 'TOKEN', version: 2, isResumed: true })
      assert.deepEqual(works(), [await desk.value('TOKEN')])
    })

  test('of what is due rotates that alone, ends what was cut off, and goes on after one that fails', async (t) => {
    const desk = await makeDesk(t, { A: 'a', B: 'b', C: 'c', D: 'old' })
    const { program } = makeHook(t, 'retire')
    await desk.good('rotate A --generate 20 --every 1h')
    await desk.good('rotate B --generate 20 --every 30d')
    await desk.good('set C --every 1h', { stdin: 'no way to rotate it' })
    await desk.bad(`rotate D --hook ${program}`, 'ROTATION_FAILED', 1)
    const context = (each: { now: () => number }): void => {
      each.now = () => Date.UTC(2026, 10, 22, 22, 20)
    }
    const later = { context: context as never }
    const { stdout, exitCode } = await desk.run('rotate --due --json', later)
    assert.equal(exitCode, 1)
    const outcomes = JSON.parse(stdout) as readonly { name: string; version?: number; error?: string; isResumed?: boolean }[]
    assert.deepEqual(outcomes.map(({ name, version, error, isResumed }) => [name, version ?? error, isResumed]).sort(), [
      ['A', 3, false],
      ['C', 'ROTATION_FAILED', undefined],
      ['D', 2, true],
    ])
    assert.ok(desk.recorded().includes('secret.failed C'))
    await desk.good('rm C')
    assert.match((await desk.good('rotate --due', later)).stderr, /nothing is due/)
    await desk.bad('rotate A --due', 'USAGE', 2)
    await desk.bad('rotate --due --generate 20', 'USAGE', 2)
    await desk.bad('rotate', 'USAGE', 2)
  })

  test('is refused without a way, and given up', async (t) => {
    const desk = await makeDesk(t, { TOKEN: 'old' })
    await desk.bad('rotate TOKEN', 'ROTATION_FAILED', 1)
    await desk.bad('rotate TOKEN --field a', 'USAGE', 2)
    await desk.bad('rotate TOKEN --hook /does/not/exist', 'ROTATION_FAILED', 1)
    await desk.bad('rotate TOKEN --abandon --generate 20', 'USAGE', 2)
    assert.match((await desk.good('rotate TOKEN --abandon')).stderr, /given up/)
    assert.match((await desk.good('rotate TOKEN --abandon')).stderr, /no rotation was pending/)
    assert.equal(await desk.value('TOKEN'), 'old')
  })
})

test('secrets restore shows what going back would lose, and then does it', async (t) => {
  const desk = await makeDesk(t, { TOKEN: 'value' })
  const store = join(desk.state, 'secrets/store.age')
  const edited = readFileSync(store)
  edited.writeUInt8((edited[300] ?? 0) ^ 1, 300)
  writeFileSync(store, edited)
  const { stderr } = await desk.bad('ls', 'SECRET_STORE_DAMAGED', 3)
  assert.match(stderr, /sallyport secrets restore/)
  await desk.bad('set OTHER', 'SECRET_STORE_DAMAGED', 3, { stdin: 'x' })
  assert.match((await desk.good('restore')).stdout, /nothing is lost\nNothing was changed/)
  await desk.bad('ls', 'SECRET_STORE_DAMAGED', 3)
  await desk.good('restore --yes')
  assert.equal(await desk.value('TOKEN'), 'value')
  assert.ok(desk.recorded().includes('secret.store-restored TOKEN'))
})

describe('what opens the store', () => {
  test('is a passphrase, where one was given through a descriptor, and no other', { timeout: 240_000 }, (t) => {
    const desk = new Desk(t)
    const [right, wrong] = [makeFile(t, 'correct horse battery\n'), makeFile(t, 'wrong horse battery\n')]
    assert.equal(cli(desk.state, 'init --passphrase-fd 3', `3< ${right}`).status, 0)
    assert.equal(cli(desk.state, 'set A --passphrase-fd 3', `3< ${right} <<< value`).status, 0)
    assert.equal(cli(desk.state, 'get A --reveal --passphrase-fd 3', `3< ${right}`).stdout, 'value')
    const refused = cli(desk.state, 'get A --reveal --passphrase-fd 3', `3< ${wrong}`)
    assert.equal(refused.status, 2)
    assert.match(String(refused.stderr), /SECRET_STORE_WRONG_KEY/)
    assert.match(String(cli(desk.state, 'ls', '< /dev/null').stderr), /SECRET_MISSING.*\n.*--passphrase-fd/)
    assert.match(String(cli(desk.state, 'ls --passphrase-fd 77').stderr), /FILE_UNREADABLE/)
  })

  test('is an identity in a file or behind a descriptor, which nobody copies', (t) => {
    const desk = new Desk(t)
    const key = makeFile(t, 'AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX\n')
    execFileSync('chmod', ['600', key])
    assert.equal(cli(desk.state, `init --identity ${key}`).status, 0)
    assert.ok(!existsSync(join(desk.state, 'secrets/identity.txt')))
    assert.equal(cli(desk.state, `set A --identity-fd 9`, `9< ${key} <<< value`).status, 0)
    assert.equal(cli(desk.state, `get A --reveal --identity ${key}`).stdout, 'value')
    assert.match(String(cli(desk.state, 'ls').stderr), /SECRET_STORE_WRONG_KEY[\s\S]*--identity/)
    assert.match(String(cli(desk.state, `ls --identity ${key} --identity-fd 3`).stderr), /USAGE/)
    execFileSync('chmod', ['644', key])
    const unsafe = cli(desk.state, `ls --identity ${key}`)
    assert.deepEqual([unsafe.status, /SECRET_KEY_UNSAFE/.test(String(unsafe.stderr))], [3, true])
  })

  test('is asked for on a terminal, which shows neither it nor the value', { skip: NO_SCRIPT, timeout: 240_000 }, async (t) => {
    const desk = new Desk(t)
    const passphrase = 'correct horse battery'
    const made = await typeOn(desk.state, 'init --passphrase', ['passphrase for', 'once more'], [passphrase, `${passphrase}x\x7f`])
    assert.equal(made.code, 0, made.output)
    const set = await typeOn(desk.state, 'set A', ['passphrase of', 'value of A'], [passphrase, 'tk-é-4711'])
    assert.equal(set.code, 0, set.output)
    for (const { output } of [made, set]) assert.ok(!output.includes('horse') && !output.includes('4711'), output)
    const read = await typeOn(desk.state, 'get A --reveal', ['passphrase of'], [passphrase])
    assert.match(read.output, /tk-é-4711/)
    const interrupted = await typeOn(desk.state, 'set A', ['passphrase of'], ['\x03'])
    assert.equal(interrupted.code, 130, interrupted.output)
    const different = await typeOn(join(desk.state, 'x'), 'init --passphrase', ['passphrase for', 'once more'], [passphrase, 'another one'])
    assert.equal(different.code, 2)
    assert.ok(!existsSync(join(desk.state, 'x/secrets')))
  })

  test('opens it in a process that cannot be looked into', async (t) => {
    const desk = await makeDesk(t, { A: 'value' })
    // Its own files belong to root, and not to its user, as soon as it cannot be dumped
    const hook = makeFile(t, '#!/bin/sh\ngrep -i "core file" /proc/$PPID/limits >&2; echo new')
    execFileSync('chmod', ['700', hook])
    const { stderr } = cli(desk.state, `rotate A --hook ${hook}`)
    assert.match(String(stderr), /Max core file size +0 +0/)
    assert.equal(statSync(join(desk.state, 'secrets')).mode & 0o077, 0)
  })
})

/** Types an answer to each question on a terminal of its own. */
async function typeOn(
  state: string,
  words: string,
  questions: readonly string[],
  answers: readonly string[],
): Promise<{ output: string; code: number }> {
  const argv = [process.execPath, '--no-warnings', MAIN, 'secrets', ...words.split(' '), '--state', state]
  const command = `exec ${argv.map(quoteForShell).join(' ')}`
  const child: ChildProcessWithoutNullStreams = spawn('script', ['-qec', command, '/dev/null'], {
    env: { PATH: process.env['PATH'], TERM: 'xterm', NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] },
  })
  let output = ''
  let answered = 0
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
    const question = questions[answered]
    if (question !== undefined && output.includes(`${question}`) && output.includes('shown): ', output.indexOf(question))) {
      child.stdin.write(`${answers[answered]}\r`)
      answered += 1
    }
  })
  const [code] = (await once(child, 'close')) as [number]
  return { output, code }
}

describe('secrets leases', () => {
  test('lists what is open, and ends what is abandoned only when told', async (t) => {
    const desk = new Desk(t)
    const { stdout } = await desk.good('leases')
    assert.match(stdout, /live +vault +deploy/)
    assert.match(stdout, /abandoned +vault +build +2026-11-22T20:30/)
    assert.ok(!stdout.includes('\x1b[2J'))
    assert.deepEqual(desk.agent.calls.secrets, [['leases', desk.state]])
    assert.match((await desk.good('leases --sweep --config /etc/other.yml')).stderr, /1 ended/)
    assert.deepEqual(desk.agent.calls.secrets.slice(1), [
      ['sweep', desk.state, '/etc/other.yml'],
      ['leases', desk.state],
    ])
    const document = JSON.parse((await desk.good('leases --json')).stdout) as { leases: unknown[]; swept: unknown }
    assert.deepEqual([document.leases.length, document.swept], [2, null])
  })

  test('tells what lives on, and until when', async (t) => {
    const unrevoked = [{ provider: 'vault', job: 'build', message: 'it is sealed\x1b[2J', untilMs: Date.UTC(2026, 10, 22, 21) }]
    const desk = new Desk(t)
    const agent = createFakeAgent({ secrets: { leases: async () => [], sweep: async () => ({ revoked: 0, unrevoked }) } })
    const { stdout, stderr, exitCode } = await desk.run('leases --sweep', { agent })
    assert.equal(exitCode, 1)
    assert.match(stderr, /vault, job build: lives until 2026-11-22T21:00:00.000Z at the latest: it is sealed/)
    assert.ok(!stderr.includes('\x1b'))
    assert.equal(stdout, 'Nothing is open at any manager\n')
  })
})

test('secrets scan --store searches for every version of every secret, and that they were read is on record', async (t) => {
  const desk = await makeDesk(t, { TOKEN: 'first-value-of-it-4711' })
  await desk.good('set TOKEN', { stdin: 'second-value-of-it-4711' })
  const file = makeFile(t, `a ${Buffer.from('first-value-of-it-4711').toString('base64')}\nb second-value-of-it-4711\n`)
  const { stdout, exitCode } = await desk.run(`scan --store --json ${file}`)
  assert.equal(exitCode, 1)
  const { leaks } = JSON.parse(stdout) as { leaks: readonly { name: string; line: number }[] }
  assert.deepEqual(
    leaks.map(({ name, line }) => [name, line]),
    [
      ['TOKEN (version 1)', 1],
      ['TOKEN', 2],
    ],
  )
  assert.ok(!stdout.includes('value-of-it'))
  assert.equal(desk.recorded().at(-1), 'secret.read TOKEN')
  const none = makeFile(t, 'nothing\n')
  await desk.good(`scan ${none}`)
})

describe('secrets audit', () => {
  const words = 'audit --provider vault --manager-log audit.log'

  test('compares the named logs, and says how far they reach', async (t) => {
    const desk = new Desk(t)
    const options = `--device main --since 2026-11-22 --known e-1 --all --config /etc/other.yml`
    const { stdout } = await desk.good(`${words} ${options}`)
    assert.equal(stdout, 'vault: 1 file from 2026-11-22T20:00:00.000Z to 2026-11-22T21:00:00.000Z: 3 reads, 3 were ours; 0 findings\n')
    const [name, state, request] = desk.agent.calls.secrets[0] as [string, string, Record<string, unknown>]
    assert.deepEqual([name, state], ['auditManager', desk.state])
    assert.deepEqual(
      { ...request, logs: (request['logs'] as string[]).length },
      {
        operatorFile: '/etc/other.yml',
        provider: 'vault',
        logs: 1,
        device: 'main',
        since: '2026-11-22T00:00:00.000Z',
        all: true,
        known: ['e-1'],
        follow: null,
      },
    )
  })

  test('tells findings, without what a stranger calls himself doing anything to the terminal, and exits with 1', async (t) => {
    const desk = new Desk(t)
    const agent = createFakeAgent({
      secrets: {
        auditManager: async (_state, { provider }, found) => {
          const at = '2026-11-22T20:15:00.000Z'
          const about = { at, path: 'kv/ci/token', message: 'somebody\x1b[2J read', remedy: 'rotate', place: 'audit.log:7' }
          found({ rule: 'read-around-broker', severity: 'high', ...about })
          return { provider, files: 1, from: at, to: at, reads: 1, ours: 0, known: 0, findings: 1 }
        },
      },
    })
    const { stdout, exitCode } = await desk.run(words, { agent })
    assert.equal(exitCode, 1)
    assert.match(stdout, /^high {2}read-around-broker {2}2026-11-22T20:15:00.000Z {2}audit.log:7\n {2}somebody/)
    assert.ok(!stdout.includes('\x1b'))
    const lines = (await desk.run(`${words} --json`, { agent })).stdout.trim().split('\n')
    assert.deepEqual(
      lines.map((line) => Object.keys(JSON.parse(line) as object)),
      [['finding'], ['report']],
    )
  })

  test('needs a provider and a log', async (t) => {
    const desk = new Desk(t)
    await desk.bad('audit --manager-log audit.log', 'USAGE', 2)
    await desk.bad('audit --provider vault', 'USAGE', 2)
    await desk.bad(`${words} --since yesterday`, 'USAGE', 2)
  })
})

describe('secrets at managers', () => {
  const secret = { provider: 'openbao', path: 'kv/ci/token', field: 'value' }
  const about = { name: 'openbao:kv/ci/token#value', secret, everyMs: 3600e3, version: '1', isPending: false }
  const due = { ...about, since: '2026-11-01T00:00:00.000Z', overdue: true, error: null }

  test('are rotated by their place, with a recipe or without', async (t) => {
    const desk = new Desk(t)
    assert.match((await desk.good('rotate openbao:kv/ci/token#value --generate 20 --config /c.yml')).stderr, /#value is version 2/)
    const [call, state, request] = desk.agent.calls.secrets[0] as [string, string, Record<string, unknown>]
    const { report: _report, ...rest } = request
    assert.deepEqual([call, state], ['rotateManaged', desk.state])
    assert.deepEqual(rest, { operatorFile: '/c.yml', secret, abandon: false, recipe: { generate: 20, hook: null, field: null } })
    for (const words of [
      'openbao:',
      'Open:kv/x',
      'openbao:kv/x#',
      'openbao:kv/x --every 3d',
      'openbao:kv/x --field a',
      'openbao:kv/x --abandon --generate 20',
    ])
      await desk.bad(`rotate ${words}`, 'USAGE', 2)
  })

  test('are listed when they are overdue, and rotated when they are due; that one fails keeps none of the others', async (t) => {
    const desk = new Desk(t)
    const lost = {
      ...about,
      name: 'aws:a\x1b[2J',
      secret: { ...secret, provider: 'aws' },
      since: null,
      overdue: false,
      error: 'it is down\x1b[2J',
    }
    const fresh = { ...due, name: 'openbao:kv/ci/fresh', overdue: false }
    const agent = createFakeAgent({
      secrets: {
        scheduled: async () => [due, lost, fresh],
        rotateManaged: async (_state, { secret: { provider } }) => {
          if (provider === 'aws') throw new SecretsError('PROVIDER_UNREACHABLE', 'it is down')
          return { version: '2', isResumed: false }
        },
      },
    })
    const { stdout, exitCode } = await desk.run('rotate --due --json', { agent })
    assert.equal(exitCode, 1)
    assert.deepEqual(JSON.parse(stdout), [
      { name: due.name, version: '2', isResumed: false },
      { name: lost.name, error: 'PROVIDER_UNREACHABLE', message: 'it is down' },
    ])
    await desk.good('init')
    const listed = (await desk.good('ls --overdue', { agent })).stdout
    assert.match(listed, /openbao:kv\/ci\/token#value {2}overdue: since 2026-11-01T00:00:00.000Z, every 1h/)
    assert.ok(!listed.includes('\x1b') && !listed.includes('fresh'))
  })
})
