// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { SallyportError } from '@sallyport/core'
import { createRunStore } from '@sallyport/store'
import { createFakeAgent, DOCUMENT, NO_DOORS, REPORT } from '../_fake-agent.ts'
import { makeFile, makeTemporaryDirectory, runCli } from '../_harness.ts'
import type { Context } from '../context.ts'

test('run hands all its options to the agent', async (t) => {
  const payload = makeFile(t, '{"number":7}')
  const argv = [
    'run',
    'a.yml',
    'b.yml',
    '--event',
    'pull_request',
    '--payload',
    payload,
    '--job',
    'test',
    '--matrix',
    'node=24',
    '--input',
    'x=1',
    '--var',
    'v=2',
  ]
  const more = [
    '--env',
    'E=3',
    '--secret',
    'TOKEN',
    '--limit',
    'memory=1GiB',
    '--isolation',
    'runc',
    '--jobs',
    '2',
    '--state',
    '/elsewhere',
    '--allow',
    'a.test',
    '--allow',
    'b.test:8443',
    '--egress',
    'observe',
    '--resolve',
    'a.test:192.0.2.1',
    '--access',
    'access.yml',
    '--config',
    '/etc/other.yml',
    '--image',
    'Ubuntu-24.04=registry.test/u:1',
    '--source',
    'read-only',
  ]
  const { agent, exitCode } = await runCli([...argv, ...more], { secrets: { TOKEN: 's' } })
  const { interrupt, ...options } = agent.calls.run[0] ?? assert.fail()
  assert.deepEqual(options, {
    stateDirectory: '/elsewhere',
    repository: '/',
    files: ['/a.yml', '/b.yml'],
    event: 'pull_request',
    payload: { number: 7 },
    job: 'test',
    matrix: { node: '24' },
    inputs: { x: '1' },
    vars: { v: '2' },
    env: { E: '3' },
    images: { 'ubuntu-24.04': 'registry.test/u:1' },
    secrets: { TOKEN: 's' },
    limits: { memoryBytes: 2 ** 30, memorySwapBytes: 2 ** 30 },
    egress: {
      allow: ['a.test', 'b.test:8443'],
      mode: 'observe',
      resolve: ['a.test:192.0.2.1'],
      accessFile: '/access.yml',
      operatorFile: '/etc/other.yml',
    },
    isolation: 'runc',
    source: 'read-only',
    jobsMax: 2,
  })
  assert.equal(interrupt.soft.aborted, false)
  assert.equal(exitCode, 1)
})

for (const flag of ['--policy', '--artifacts', '--actions-dir']) {
  test(`run ${flag} is refused as a thing of a later release`, async () => {
    const { exitCode, stderr, agent } = await runCli(['run', flag, 'x'])
    assert.equal(exitCode, 2)
    assert.match(stderr, /error\[NOT_IN_RELEASE\]/)
    assert.equal(agent.calls.run.length, 0)
  })
}

for (const [argv, hint] of [
  [['policies'], 'run, exec, trust, access, doctor, runs, audit, secrets, image, identity, redact, expr'],
  [['rnu'], 'Did you mean "run"?'],
  [['run', '--evnt', 'push'], '--event'],
  [['runs', 'lst'], 'ls'],
  [['run', '--list', '--dry-run'], 'exclude each other'],
  [['run', '--input'], 'See sallyport run --help'],
] as const) {
  test(`"sallyport ${argv.join(' ')}" is bad usage with a suggestion`, async () => {
    const { exitCode, stderr, stdout } = await runCli(argv)
    assert.equal(exitCode, 2)
    assert.match(stderr, /^sallyport: error\[USAGE\]: /m)
    assert.ok(stderr.includes(hint), stderr)
    assert.equal(stdout, '')
  })
}

for (const command of ['run', 'exec', 'trust', 'access', 'doctor', 'runs', 'audit', 'secrets', 'image', 'identity', 'redact', 'expr']) {
  test(`${command} --help prints examples on stdout`, async () => {
    const { exitCode, stdout, stderr } = await runCli([command, '--help'])
    assert.deepEqual([exitCode, stderr], [0, ''])
    assert.match(stdout, /Examples:\n {2}\S/)
    assert.doesNotMatch(stdout, /--policy/, 'what is refused is not advertised')
    assert.doesNotMatch(stdout, /default: \[\]/, 'no empty list is told as a default')
  })
}

test('problems of a workflow file are shown with their line and a mark, and the exit code is 2', async (t) => {
  const directory = makeTemporaryDirectory(t)
  writeFileSync(join(directory, 'ci.yml'), 'on: push\njobs:\n\tbuild:\n    ned: [x]\x1b[2J\n')
  const problems = [
    { at: { file: 'ci.yml', line: 4, column: 5 }, message: 'Unexpected key "ned"', suggestion: 'did you mean "needs"?', kind: 'invalid' },
    { at: { file: 'gone.yml', line: 1, column: 1 }, message: 'services', suggestion: null, kind: 'unsupported' },
  ]
  class WorkflowError extends SallyportError {
    override readonly name = 'WorkflowError'
    readonly problems: unknown = problems
  }
  const agent = createFakeAgent({ run: () => Promise.reject(new WorkflowError('WORKFLOW_INVALID', 'text')) })
  const { exitCode, stderr } = await runCli(['run'], { agent, directory })
  assert.equal(exitCode, 2)
  assert.equal(
    stderr,
    `ci.yml:4:5: error: Unexpected key "ned"
    4 │     ned: [x]
      │     ^
  did you mean "needs"?
gone.yml:1:1: not supported: services
sallyport: error[WORKFLOW_INVALID]: 2 problems, nothing was started
`,
  )
})

test('problems of an access file are shown like those of a workflow, and those of an option without a place', async (t) => {
  const directory = makeTemporaryDirectory(t)
  writeFileSync(join(directory, 'sallyport.yml'), 'version: 1\negres: [a.test]\n')
  const problems = [
    { at: { file: 'sallyport.yml', line: 2, column: 1 }, message: 'there is no key "egres"', suggestion: 'egress', kind: 'invalid' },
    { at: { file: '--allow', line: 1, column: 1 }, message: '"*" is every host', suggestion: null, kind: 'invalid' },
  ]
  const error = Object.assign(new SallyportError('ACCESS_INVALID', 'text'), { name: 'AccessError', problems })
  const { exitCode, stderr } = await runCli(['run'], { directory, agent: createFakeAgent({ run: () => Promise.reject(error) }) })
  assert.equal(exitCode, 2)
  assert.equal(
    stderr,
    `sallyport.yml:2:1: error: there is no key "egres"
    2 │ egres: [a.test]
      │ ^
  egress
--allow: error: "*" is every host
sallyport: error[ACCESS_INVALID]: 2 problems, nothing was started
`,
  )
})

test('what nobody has approved is listed one thing a line, and the exit code is 3', async () => {
  const asks = ['job build: a.test:443 (tls)  sallyport.yml:3', 'job build: b.test\nsallyport: approved\x1b[2J']
  const error = new SallyportError('NOT_TRUSTED', 'nobody has approved it', { hint: 'Review it, then: sallyport trust', details: { asks } })
  const { exitCode, stderr } = await runCli(['run'], { agent: createFakeAgent({ run: () => Promise.reject(error) }) })
  assert.equal(exitCode, 3)
  assert.equal(
    stderr,
    `sallyport: error[NOT_TRUSTED]: nobody has approved it
    job build: a.test:443 (tls)  sallyport.yml:3
    job build: b.test ␊ sallyport: approved
  Review it, then: sallyport trust
`,
  )
})

test('for a program, what was refused has the code that the process ends with, and that of the reason', async () => {
  const refuse = (): Promise<never> => Promise.reject(new SallyportError('NOT_TRUSTED', 'nobody has approved it'))
  const agent = createFakeAgent({ run: refuse, exec: refuse })
  for (const [argv, code, reason] of [
    [['run', '--json'], 3, 3],
    [['exec', '--json', '--', 'true'], 125, 3],
    [['exec', '--json', '--no-such-option', '--', 'true'], 125, 2],
  ] as const) {
    const { stdout, exitCode } = await runCli(argv, { agent })
    const document = JSON.parse(stdout) as { exitCode: number; error: { exitCode: number } }
    assert.deepEqual([exitCode, document.exitCode, document.error.exitCode], [code, code, reason], argv.join(' '))
  }
})

test('below the root of a repository, files are named from there, and so are problems', async (t) => {
  const root = makeTemporaryDirectory(t)
  const directory = join(root, 'sub')
  mkdirSync(join(root, '.git'))
  mkdirSync(join(root, '.github/workflows'), { recursive: true })
  mkdirSync(directory)
  for (const file of ['.github/workflows/ci.yml', '.github/workflows/both.yml', 'sub/both.yml'])
    writeFileSync(join(root, file), 'on: psh\n')
  const { agent } = await runCli(['run', 'ci.yml', 'both.yml', '../x.yml', 'gone.yml'], { directory })
  const shown = ['.github/workflows/ci.yml', 'sub/both.yml', 'x.yml', 'sub/gone.yml']
  assert.deepEqual(
    agent.calls.run[0]?.files,
    shown.map((file) => join(root, file)),
  )
  assert.equal(agent.calls.run[0]?.repository, root)
  const problems = [{ at: { file: '.github/workflows/ci.yml', line: 1, column: 5 }, message: 'no', suggestion: null, kind: 'invalid' }]
  const error = Object.assign(new SallyportError('WORKFLOW_INVALID', 'text'), { name: 'WorkflowError', problems })
  const refused = await runCli(['run'], { directory, agent: createFakeAgent({ run: () => Promise.reject(error) }) })
  assert.match(refused.stderr, /^\.\.\/\.github\/workflows\/ci\.yml:1:5: error: no\n {4}1 │ on: psh\n/)
})

for (const [what, error, exitCode] of [
  ['an error that names its exit code', Object.assign(new SallyportError('POLICY_DENIED', 'no'), { exitCode: 3 }), 3],
  ['a sandbox that cannot give a guarantee', new SallyportError('SANDBOX_UNSUPPORTED', 'no'), 5],
  ['an error of Sallyport that nobody foresaw', new SallyportError('X', 'no'), 6],
  ['any other error', new Error('no'), 6],
] as const) {
  test(`${what} ends run with ${exitCode} and exec with 125`, async () => {
    const agent = createFakeAgent({ run: () => Promise.reject(error), exec: () => Promise.reject(error) })
    assert.equal((await runCli(['run'], { agent })).exitCode, exitCode)
    const exec = await runCli(['exec', '--json', '--', 'x'], { agent })
    assert.equal(exec.exitCode, 125)
    assert.equal(JSON.parse(exec.stdout).error.message, 'no')
  })
}

function signalsOf(context: Context | null): NodeJS.EventEmitter {
  return (context ?? assert.fail()).signals as NodeJS.EventEmitter
}

test('Ctrl-C once cancels, twice kills, and says so; SIGTERM kills at once', async () => {
  for (const [signals, hard] of [
    [['SIGINT'], false],
    [['SIGINT', 'SIGINT'], true],
    [['SIGTERM'], true],
    [['SIGHUP'], true],
  ] as const) {
    const seen: boolean[] = []
    const context: { current: Context | null } = { current: null }
    const agent = createFakeAgent({
      run: async ({ interrupt }) => {
        for (const signal of signals) signalsOf(context.current).emit(signal)
        seen.push(interrupt.soft.aborted, interrupt.hard.aborted)
        return { ...DOCUMENT, conclusion: 'cancelled', exitCode: 130 }
      },
    })
    const { exitCode, stderr } = await runCli(['run'], {
      agent,
      context: (created) => {
        context.current = created
      },
    })
    assert.deepEqual(seen, [true, hard])
    assert.equal(exitCode, 130)
    if (signals[0] === 'SIGINT') assert.match(stderr, /cancelling; press Ctrl-C again to kill/)
    assert.equal(signalsOf(context.current).listenerCount('SIGINT'), 0, 'the listeners are gone')
  }
})

test('exec ends with the code of the command and passes its bytes as they are', async () => {
  const { exitCode, stdout, stderr, agent } = await runCli([
    'exec',
    '--write',
    './dist/',
    '--env',
    'A=1',
    '--',
    'npm',
    'ci',
    '--json',
    '--help',
  ])
  assert.equal(exitCode, 7)
  assert.equal(stdout, 'hello\x1b[2J\n')
  assert.equal(stderr, 'sallyport: 2 changed files dropped; --write PATH keeps what changes there\n')
  const { argv, write, env, directory } = agent.calls.exec[0] ?? assert.fail()
  assert.deepEqual(
    { argv, write, env, directory },
    { argv: ['npm', 'ci', '--json', '--help'], write: ['dist'], env: { A: '1' }, directory: '/' },
  )
})

test('exec makes hostile output harmless for a terminal', async () => {
  assert.equal((await runCli(['exec', 'x'], { terminal: true })).stdout, 'hello\n')
})

test('exec --json prints the result alone on stdout', async () => {
  const { stdout, stderr } = await runCli(['exec', '--json', '--', 'x'])
  assert.equal(JSON.parse(stdout).exitCode, 7)
  assert.match(stderr, /^hello/)
})

test("a reason of Sallyport's own is named by its code", async () => {
  const error = { code: 'SANDBOX_UNSUPPORTED', exitCode: 5, message: 'no user namespaces', hint: 'enable them' } as const
  const agent = createFakeAgent({
    exec: async () => ({
      id: 'r',
      exitCode: 125,
      error,
      kept: 0,
      dropped: 0,
      sourceChanges: [],
      refusals: [],
      weaker: [],
      doors: NO_DOORS,
      durationMs: 1,
      log: null,
    }),
  })
  const { exitCode, stderr } = await runCli(['exec', '--', 'x'], { agent })
  assert.equal(exitCode, 125)
  assert.equal(stderr, 'sallyport: error[SANDBOX_UNSUPPORTED]: no user namespaces\n  enable them\n')
})

for (const argv of [
  ['exec'],
  ['exec', '--write', '../x', '--', 'y'],
  ['exec', '--write', '/x', '--', 'y'],
  ['exec', '--egress', 'open', '--', 'y'],
  ['exec', '--access', 'x', '--', 'y'],
  ['exec', '--nope', 'y'],
]) {
  test(`"sallyport ${argv.join(' ')}" ends with 125 and starts nothing`, async () => {
    const { exitCode, agent } = await runCli(argv)
    assert.deepEqual([exitCode, agent.calls.exec.length], [125, 0])
  })
}

test('when the reader of stdout goes away, exec is killed', async () => {
  let created: Context | null = null
  let killed = false
  const agent = createFakeAgent({
    exec: async ({ interrupt }) => {
      created?.onStdoutClosed?.()
      killed = interrupt.hard.aborted
      return {
        id: 'r',
        exitCode: 137,
        error: null,
        kept: 0,
        dropped: 0,
        sourceChanges: [],
        refusals: [],
        weaker: [],
        doors: NO_DOORS,
        durationMs: 1,
        log: null,
      }
    },
  })
  await runCli(['exec', '--', 'yes'], {
    agent,
    context: (context) => {
      created = context
    },
  })
  assert.equal(killed, true)
})

test('doctor ends with 0 when jobs can run here and with 5 when they cannot', async () => {
  assert.equal((await runCli(['doctor'])).exitCode, 0)
  for (const change of [
    { guarantees: [] },
    { drivers: [] },
    { guarantees: [{ guarantee: 'seccomp', holds: false, evidence: '', by: 'kernel' }] },
  ] as const) {
    const agent = createFakeAgent({ doctor: async () => ({ ...REPORT, ...change }) })
    const { exitCode, stdout } = await runCli(['doctor', '--json'], { agent })
    assert.equal(exitCode, 5)
    assert.equal(JSON.parse(stdout).usable, false)
  }
})

test('doctor --host says what changed and what to do, and ends with 5 when a wall leans on what is missing', async () => {
  const fine = await runCli(['doctor', '--host', '--state', '/s', '--config', '/etc/other.yml'])
  assert.equal(fine.exitCode, 0)
  assert.deepEqual(fine.agent.calls.doctor, ['/s', '/etc/other.yml'])
  assert.match(fine.stdout, /! keys/)
  assert.match(fine.stdout, /keys: chmod o= \/home\/a\/\.ssh\/id/)
  assert.match(fine.stdout, /swap: warning: \/dev\/sda2 → ok: none/)
  assert.equal(fine.stdout.includes('\x1b'), false)
  const agent = createFakeAgent({ hardening: async () => ({ findings: [], drift: null, hardened: false }) })
  const missing = await runCli(['doctor', '--host', '--json'], { agent })
  assert.deepEqual([missing.exitCode, JSON.parse(missing.stdout)], [5, { findings: [], drift: null, hardened: false }])
})

test('doctor --host --egress prints a drop-in, and --egress alone is a mistake', async () => {
  assert.equal((await runCli(['doctor', '--host', '--egress'])).stdout, '[Service]\nIPAddressDeny=any\n')
  assert.equal((await runCli(['doctor', '--egress'])).exitCode, 2)
})

test('--list and --dry-run start nothing', async () => {
  const list = await runCli(['run', '--list'])
  assert.match(list.stdout, /^ {2}test {3}Test {2}ubuntu-24\.04 → host \(Debian 12\) {2}needs build {2}matrix of 2: 20, 24$/m)
  const dry = await runCli(['run', '--dry-run'])
  assert.match(dry.stdout, /Run tests {2}run {2}gets TOKEN/)
  assert.deepEqual([list.agent.calls.run.length, dry.agent.calls.run.length], [0, 0])
  assert.equal(JSON.parse((await runCli(['run', '--list', '--json'])).stdout).workflows.length, 2)
})

async function recordRun(t: TestContext, isFinished: boolean, egress: 'enforce' | 'observe' = 'enforce'): Promise<string> {
  const state = makeTemporaryDirectory(t)
  await using record = await createRunStore(state, () => new Date(0)).create('20260101-000000-abcdef')
  const job = 'test (20)'
  void record.append({ type: 'run.started', data: { workflows: ['ci.yml'], egress } })
  void record.append({ type: 'job.preparing', job, data: { name: 'Test' } })
  void record.append({ type: 'job.prepared', job, data: {} })
  const log = await record.openLog(job)
  void record.append({ type: 'step.started', job, step: '1', data: { name: 'First' } })
  await log.write(Buffer.from('one\n'))
  void record.append({ type: 'step.log', job, step: '1', data: { file: log.file, from: 0, to: log.offset } })
  void record.append({ type: 'step.finished', job, step: '1', data: { conclusion: 'success', durationMs: 1 } })
  void record.append({ type: 'step.started', job, step: '2', data: { name: 'Second' } })
  await log.write(Buffer.from('\x1b]0;t\x07two\n'))
  if (isFinished) {
    await record.append({ type: 'step.log', job, step: '2', data: { file: log.file, from: 4, to: log.offset } })
    await record.append({ type: 'step.finished', job, step: '2', data: { conclusion: 'success', durationMs: 1 } })
    await record.finish({ ...DOCUMENT, id: record.id, doors: { ...DOCUMENT.doors, observed: egress === 'observe' } })
  }
  return state
}

test('runs ls, show and log read the record', async (t) => {
  const state = await recordRun(t, true)
  const ls = await runCli(['runs', 'ls', '--state', state])
  assert.match(ls.stdout, /20260101-000000-abcdef {2}2026-11-22 20:15:01 {2}2\.5s {2}failure {5}ci\.yml/)
  assert.equal(JSON.parse((await runCli(['runs', 'ls', '--json', '--state', state])).stdout).length, 1)
  assert.match((await runCli(['runs', 'show', '2026', '--state', state])).stdout, /^failure: 3 jobs/)
  assert.equal(JSON.parse((await runCli(['runs', 'show', '2026', '--json', '--state', state])).stdout).conclusion, 'failure')
  assert.equal((await runCli(['runs', 'log', '2026', '--state', state])).stdout, 'one\n\x1b]0;t\x07two\n')
  assert.equal((await runCli(['runs', 'log', '2026', '--state', state], { terminal: true })).stdout, 'one\ntwo\n')
  for (const selection of [
    ['--step', '2'],
    ['--step', 'Second', '--job', 'test'],
    ['--step', '2', '--job', 'test (20)'],
    ['--job', 'Test', '--step', '2'],
  ]) {
    assert.equal(
      (await runCli(['runs', 'log', '2026', ...selection, '--state', state], { terminal: true })).stdout,
      'two\n',
      selection.join(' '),
    )
  }
  const json = (await runCli(['runs', 'log', '2026', '--json', '--state', state])).stdout.trim().split('\n')
  assert.deepEqual(
    json.map((line) => JSON.parse(line)).map(({ name, text }) => `${name} ${text}`),
    ['First one\n', 'Second \x1b]0;t\x07two\n'],
  )
})

test('a run that blocked nothing is marked wherever its record is shown, whether it ended or not', async (t) => {
  for (const isFinished of [true, false]) {
    const mark = /Egress was only observed: nothing was blocked/
    for (const [egress, expected] of [
      ['observe', assert.match],
      ['enforce', assert.doesNotMatch],
    ] as const) {
      const state = await recordRun(t, isFinished, egress)
      const run = async (...words: readonly string[]) => await runCli(['runs', ...words, '--state', state])
      expected((await run('ls')).stdout, /, observed/)
      expected((await run('ls', '--json')).stdout, /"observed":true/)
      expected((await run('show', '2026')).stdout, mark)
      expected((await run('show', '2026', '--json')).stdout, /"observed":true/)
      expected((await run('log', '2026')).stderr, mark)
    }
  }
})

test('the output of a step that never ended is found in an interrupted run', async (t) => {
  const state = await recordRun(t, false)
  assert.match(
    (await runCli(['runs', 'show', '2026', '--state', state])).stdout,
    /^interrupted: 2026.*\nTest {6}running\n {2}First {3}success\n {2}Second {2}running\n$/,
  )
  assert.equal((await runCli(['runs', 'log', '2026', '--step', '2', '--state', state], { terminal: true })).stdout, 'two\n')
  assert.match((await runCli(['runs', 'ls', '--state', state])).stdout, /interrupted/)
})

test('runs that do not exist, or output that was not recorded, are bad usage', async (t) => {
  const state = await recordRun(t, true)
  assert.equal((await runCli(['runs', 'show', 'x', '--state', state])).exitCode, 2)
  const { exitCode, stderr } = await runCli(['runs', 'log', '2026', '--job', 'nope', '--state', state])
  assert.equal(exitCode, 2)
  assert.match(stderr, /test \(20\): 1, 2/)
})

test('redact masks what the file names, in pieces of any size', async (t) => {
  const secretsFile = makeFile(t, 'TOKEN=hunter2-hunter2\nSHORT=a\n')
  const stdin = `a hunter2-hunter2 b ${Buffer.from('hunter2-hunter2').toString('base64')}\n`
  const { stdout, stderr, exitCode } = await runCli(['redact', '--secrets-file', secretsFile], { stdin })
  assert.equal(stdout, 'a *** b ***\n')
  assert.match(stderr, /"SHORT" is not masked/)
  assert.equal(exitCode, 0)
  const json = JSON.parse((await runCli(['redact', '--json', '--secrets-file', secretsFile], { stdin })).stdout)
  assert.deepEqual(json, { bytes: stdin.length, masked: 2 })
})

test('expr answers each line in its place, also a bad one', async () => {
  const lines: readonly (readonly [string, unknown])[] = [
    ['{"expr":"github.ref == \'x\'","contexts":{"github":{"ref":"x"}}}', { kind: 'Boolean', value: true }],
    ['{"expr":"github.nope","contexts":{"github":{}}}', { kind: 'Null', value: null }],
    ['{"expr":"1.5"}', { kind: 'Number', value: 1.5 }],
    ['{"expr":"a","contexts":{"a":[1]}}', { kind: 'Array', value: [1] }],
    ['{"expr":"a","contexts":{"a":{"b":"c"}}}', { kind: 'Object', value: { b: 'c' } }],
    ['{"expr":"format(\'{0}\', 2)"}', { kind: 'String', value: '2' }],
    ['{"expr":"Infinity"}', { kind: 'Number', value: 'Infinity' }],
  ]
  const bad = ['{"expr":"1 +"}', '{"expr":"nope.x"}', '{"expr":7}', '{"expr":"1","contexts":[]}', '[]', 'null', '{']
  const stdin = [...lines.map(([line]) => line), '', ...bad].join('\n')
  const { stdout, exitCode } = await runCli(['expr'], { stdin })
  const answers = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  assert.deepEqual(
    answers.slice(0, lines.length),
    lines.map(([, answer]) => answer),
  )
  assert.deepEqual(
    answers.slice(lines.length).map((answer) => Object.keys(answer).join()),
    bad.map(() => 'error'),
  )
  assert.equal(exitCode, 0)
})
