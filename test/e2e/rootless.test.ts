// SPDX-License-Identifier: Apache-2.0
// `run` and `exec` of an ordinary user: the same walls, what is weaker is said, and what is missing is refused with how to get it.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { testImage } from '../_image.ts'
import { Internet } from '../_internet/internet.ts'
import { delegateCgroup, FIRST_SUBORDINATE, OrdinaryUser, removeCgroup, USER_ID, USER_NAME } from '../_rootless.ts'
import { type JsonRun, until, World } from '../_world.ts'

const world = new World()
const user = new OrdinaryUser(world)
const cgroup = delegateCgroup('rootless-test')
let internet: Internet

before(async () => {
  internet = await Internet.start()
})
after(async () => {
  await internet[Symbol.asyncDispose]()
  await world[Symbol.asyncDispose]()
  if (cgroup !== null) removeCgroup(cgroup)
})

let directories = 0
function workDirectory(files: Readonly<Record<string, string>> = {}): string {
  directories += 1
  const directory = join(world.directory, `work-${directories}`)
  mkdirSync(directory)
  for (const [name, content] of Object.entries(files)) writeFileSync(join(directory, name), content)
  user.own()
  return directory
}

function workflow(yaml: string, files: Readonly<Record<string, string>> = {}): string {
  const repository = world.workflow(yaml, files)
  user.own()
  return repository
}

const job = (steps: string): string => `on: push\njobs:\n  build:\n    runs-on: linux\n    steps:\n${steps}`

const run = (cwd: string, args: readonly string[] = [], settings: Parameters<OrdinaryUser['wrap']>[0] = {}): Promise<JsonRun> =>
  world.runJson(cwd, args, { wrap: user.wrap(settings) })

describe('exec of an ordinary user', () => {
  test('a command runs as root of ids that are subordinate, sees nothing of the user, and what it changes is kept', async () => {
    const cwd = workDirectory({ 'in.txt': 'from the directory' })
    writeFileSync(join(user.home, 'secret.txt'), 'the key of the user')
    const script = `cat in.txt; id -u; cat /proc/self/uid_map /proc/self/gid_map; ls -A /home /root
      cat ${user.home}/secret.txt; ls ${world.directory}; echo made > out.txt; ls -d /run/user /tmp/*`
    const result = await world.exec(['sh', '-c', script], ['--write', '.'], { cwd, wrap: user.wrap() })
    assert.equal(result.exitCode, 2, result.stderr)
    assert.match(result.stderr, /from the directory\n?0\n/)
    assert.doesNotMatch(result.stderr, /the key of the user/)
    // In the outer namespace; the user is 0 there.
    assert.match(result.stderr, / 0 18790481\d\d +4096\n +0 18790481\d\d +4096\n/)
    assert.equal(readFileSync(join(cwd, 'out.txt'), 'utf8'), 'made\n')
    assert.equal(statSync(join(cwd, 'out.txt')).uid, USER_ID)
  })

  test('no process of a job has an id of the host that is not subordinate, and the gate has another than the job', async () => {
    const cwd = workDirectory()
    const running = world.start(['exec', '--state', world.state, '--', 'sh', '-c', 'echo ready; sleep 600'], { cwd, wrap: user.wrap() })
    await until('the command', () => running.output.stdout.includes('ready'))
    const ids = world.marker.pids().map((pid) => ({ pid, ...identityOf(pid) }))
    const own = ids.filter(({ name }) => name === 'sleep' || name === 'sh' || name === 'helper' || name === 'gate')
    const foreign = ids.filter(({ uids }) => !uids.every((uid) => uid === USER_ID || isSubordinate(uid)))
    assert.deepEqual(foreign, [])
    assert.ok(own.length >= 2, JSON.stringify(ids))
    assert.deepEqual(
      own.filter(({ uids, gids }) => ![...uids, ...gids].every(isSubordinate)),
      [],
      'ids of the job',
    )
    const gates = ids.filter(({ command }) => command.includes('gate.cjs'))
    assert.equal(gates.length, 1)
    const jobIds = new Set(own.flatMap(({ uids }) => uids))
    assert.ok(gates.every(({ uids }) => uids.every((uid) => isSubordinate(uid) && !jobIds.has(uid))))
    process.kill(running.pid, 'SIGTERM')
    assert.equal((await running.result).exitCode, 130)
  })

  test('what is weaker is told once, with the names that the result has', async () => {
    const cwd = workDirectory()
    const result = await world.exec(['true'], [], { cwd, wrap: user.wrap() })
    assert.equal(result.exitCode, 0, result.stderr)
    const names = result.document.weaker.map(({ name }) => name)
    assert.deepEqual(names, [
      'memory-limit',
      'cpu-limit',
      'gate-memory',
      'step-cgroups',
      'gate-reach',
      'disk-in-memory',
      'image-owners',
      'secrets-in-swap',
      'same-user',
    ])
    assert.equal(result.stderr.split('without root, weaker: ').length, 2, result.stderr)
    assert.ok(result.stderr.includes(names.join(', ')))
  })

  test('it ends at its limits of disk, inodes and processes, and the machine does not', async () => {
    const cwd = workDirectory()
    const script = `dd if=/dev/zero of=/tmp/big bs=1M count=200 2>&1 | tail -n 1
      i=0; while touch /tmp/f$i 2>/dev/null && [ $i -lt 20000 ]; do i=$((i+1)); done; echo files $i
      rm -f /tmp/big; for k in $(seq 200); do sleep 600 & done; echo forked them all`
    const limits = ['--limit', 'disk=64MiB', '--limit', 'pids=64']
    const result = await world.exec(['dash', '-c', script], limits, { cwd, wrap: user.wrap() })
    assert.match(result.stderr, /No space left on device|copied/)
    assert.doesNotMatch(result.stderr, /209715200 bytes/)
    const files = Number(/files (\d+)/.exec(result.stderr)?.[1])
    assert.ok(files < 20_000, `files ${files}`)
    // bash would wait for better times.
    assert.match(result.stderr, /Cannot fork/)
    assert.doesNotMatch(result.stderr, /forked them all/)
  })

  test('nothing is left of it after a kill of the supervisor', async () => {
    const cwd = workDirectory()
    const running = world.start(['exec', '--state', world.state, '--', 'sh', '-c', 'setsid sleep 600 & echo ready; sleep 600'], {
      cwd,
      wrap: user.wrap(),
    })
    await until('the command', () => running.output.stdout.includes('ready'))
    assert.ok(world.marker.pids().length > 3)
    process.kill(running.pid, 'SIGKILL')
    await running.result
    await until('the end of its processes', () => world.marker.pids().length === 0)
    // Its ids are free again.
    const { exitCode, stderr } = await world.exec(['true'], [], { cwd, wrap: user.wrap() })
    assert.equal(exitCode, 0, stderr)
  })

  test('two jobs at once have different ids, also of two state directories, and a range for one takes one', async () => {
    const cwd = workDirectory()
    const one = { subuid: `${USER_NAME}:${FIRST_SUBORDINATE}:4097\n`, subgid: `${USER_NAME}:${FIRST_SUBORDINATE}:4097\n` }
    const start = (state: string, settings = {}) =>
      world.start(['exec', '--state', join(world.directory, state), '--', 'sh', '-c', 'cat /proc/self/uid_map; sleep 600'], {
        cwd,
        wrap: user.wrap(settings),
      })
    const running = [start('state-a'), start('state-b')]
    const maps = await Promise.all(running.map(({ output }) => until('its map', () => /^ +0 +(\d+) +4096$/m.exec(output.stdout)?.[1])))
    assert.equal(new Set(maps).size, 2)
    const third = await world.exec(['true'], [], { cwd, wrap: user.wrap(one) })
    assert.equal(third.exitCode, 125)
    assert.match(third.stderr, /all id ranges are in use/)
    for (const { pid } of running) process.kill(pid, 'SIGTERM')
    await Promise.all(running.map(({ result }) => result))
    const alone = await world.exec(['true'], [], { cwd, wrap: user.wrap(one) })
    assert.equal(alone.exitCode, 0, alone.stderr)
  })
})

describe('run of an ordinary user', () => {
  test('a workflow runs: checkout, environment files, a shell, and the record is the user’s', async () => {
    const cwd = workflow(
      job(`      - uses: actions/checkout@v4
      - id: first
        run: echo "GREETING=hello" >> "$GITHUB_ENV"; cat data.txt
      - id: second
        run: echo "$GREETING from $(id -u)"; touch /usr/bin/new-tool /etc/new && echo wrote
`),
      { 'data.txt': 'in the repository\n' },
    )
    const result = await run(cwd)
    assert.equal(result.exitCode, 0, result.why)
    assert.match(result.output('build', '2'), /in the repository/)
    assert.match(result.output('build', '3'), /hello from 0\nwrote/)
    assert.ok(result.document.weaker.length > 0)
    const notices = result.events.filter(({ type, data }) => type === 'run.notice' && String(data['message']).includes('without root'))
    assert.equal(notices.length, 1)
    assert.equal(statSync(join(world.state, 'runs')).uid, USER_ID)
    assert.deepEqual(result.document.jobs[0]?.selfCheck?.failed, ['memory-limit', 'cpu-limit'])
  })

  test('without cgroups nothing outlives its step, whatever it detached', async () => {
    const cwd = workflow(
      job(`      - id: first
        run: |
          setsid nohup sh -c 'while :; do touch /tmp/alive; sleep 0.05; done' > /dev/null 2>&1 &
          sh -c '(setsid sleep 4242 &) &'
          sleep 0.3; ls /tmp/alive
      - id: second
        run: rm -f /tmp/alive; sleep 0.5; ls /tmp/alive 2>&1; ls /proc | grep -c '^[0-9]*$'
`),
    )
    const result = await run(cwd)
    assert.match(result.output('build', '1'), /alive/)
    assert.match(result.output('build', '2'), /No such file/)
  })

  for (const delegated of [false, true]) {
    const name = delegated ? 'with a cgroup of its own' : 'without a cgroup'
    test(`${name} each step goes where its own rules say, through the gate`, async (t) => {
      if (delegated && cgroup === null) return t.skip('this machine has no cgroup2 hierarchy')
      const settings = { wrap: internet.wrap, ...(delegated && cgroup !== null && { cgroup }) }
      const cwd = workflow(
        job(`      - id: first
        run: |
          (setsid sh -c 'while :; do curl -s -m 1 -o /dev/null -k https://web.test/leftover; sleep 0.05; done' > /dev/null 2>&1 &)
          curl -sS -m 10 -k https://web.test/title -o /dev/null -w 'first %{http_code}\\n' || true
      - id: second
        run: |
          curl -sS -m 10 -k https://web.test/title -o /dev/null -w 'second %{http_code}\\n' || true
          curl -sS -m 10 -k https://93.184.216.34/ -o /dev/null -w 'address %{http_code}\\n' || true
`),
        { 'sallyport.yml': 'version: 1\njobs:\n  build:\n    steps:\n      second:\n        egress: [web.test:443]\n' },
      )
      const config = operatorFile()
      const trust = await world.run(['trust', '--yes'], { cwd, wrap: user.wrap(settings) })
      assert.equal(trust.exitCode, 0, trust.stderr)
      const result = await run(cwd, ['--config', config], settings)
      assert.match(result.output('build', '2'), /second 200/, result.why)
      assert.doesNotMatch(result.output('build', '1'), /first 200/)
      assert.doesNotMatch(result.output('build', '2'), /address [23]/)
      assert.ok(
        result.document.doors.refused.some(({ step }) => step === '1'),
        JSON.stringify(result.document.doors),
      )
      assert.deepEqual([...new Set(result.document.doors.used.map(({ step }) => step))], ['2'])
      assert.equal(
        result.document.weaker.some((weakness) => weakness.name === 'step-cgroups'),
        !delegated,
      )
    })
  }
})

describe('what is asked for and cannot be kept', () => {
  const cases: readonly (readonly [name: string, options: readonly string[]])[] = [
    ['memory', ['--limit', 'memory=512MiB']],
    ['cpu', ['--limit', 'cpu=1']],
  ]
  for (const [name, options] of cases) {
    test(`a limit of ${name} on the command line refuses the job by name`, async () => {
      const result = await world.exec(['true'], options, { cwd: workDirectory(), wrap: user.wrap() })
      assert.equal(result.exitCode, 125)
      assert.equal(result.document.error?.code, 'SANDBOX_UNSUPPORTED')
      assert.equal(result.document.error?.exitCode, 5)
      assert.match(result.stderr, new RegExp(`the limit "${name}" was asked for.*\\n.*systemd-run --user --scope`))
    })
  }

  test('so does one of the operator, or of the repository', async () => {
    const cwd = workflow(job('      - run: "true"\n'))
    const config = join(world.directory, 'ceiling.yml')
    writeFileSync(config, 'version: 1\nlimits: { memory: 1GiB }\n')
    user.own()
    const result = await run(cwd, ['--config', config])
    assert.equal(result.exitCode, 5, result.why)
    assert.match(JSON.stringify(result.document.error), /the limit .{1,2}memory/)
  })
})

describe('what root alone can give is refused by name, with how to get it, and nothing runs', () => {
  const image = testImage(world.directory)
  const cases: readonly (readonly [guarantee: string, options: (label: string) => readonly string[], why: RegExp, instead: RegExp])[] = [
    [
      'image-owners',
      (label) => ['--image', `${label}oci:${image.directory}`],
      /the files of the image .* cannot be shown with the ids of a job/,
      /image: host/,
    ],
    ['own-kernel', () => ['--isolation', 'gvisor'], /gVisor is started by root alone/, /--isolation oci/],
    ['source-read-only', () => ['--source', 'read-only'], /the kernel lets nobody else watch who changes a file/, /source: read-only out/],
  ]
  for (const [guarantee, options, why, instead] of cases) {
    test(guarantee, async () => {
      const exec = await world.exec(['sh', '-c', 'echo started'], options(''), { cwd: workDirectory(), wrap: user.wrap() })
      const ran = await run(workflow(job('      - run: echo started\n')), options('linux='))
      assert.deepEqual([exec.exitCode, ran.exitCode], [125, 5], exec.stderr + ran.why)
      for (const { document, stdout, stderr } of [exec, ran]) {
        const { error } = document
        assert.equal(error?.code, 'SANDBOX_UNSUPPORTED')
        assert.ok(error?.message.includes(`"${guarantee}" does not hold without root`), error?.message)
        assert.match(error?.message ?? '', why)
        assert.match(error?.hint ?? '', /sudo/)
        assert.match(error?.hint ?? '', instead)
        assert.doesNotMatch(stdout + stderr, /^started$/m)
      }
      assert.deepEqual(
        ran.events.filter(({ type }) => type === 'step.log'),
        [],
      )
    })
  }

  test('a repository that asks for a read-only source, and a job with a container', async () => {
    for (const [yaml, files, guarantee] of [
      [job('      - run: echo started\n'), { 'sallyport.yml': 'version: 1\nsource: read-only\n' }, 'source-read-only'],
      [
        job('      - run: echo started\n').replace('    steps:', '    container: registry.example.test/tools\n    steps:'),
        {},
        'image-owners',
      ],
    ] as const) {
      const ran = await run(workflow(yaml, files))
      assert.equal(ran.exitCode, 5, ran.why)
      assert.ok(ran.document.error?.message.includes(`"${guarantee}" does not hold without root`), ran.why)
    }
  })

  test('auto is what this user can have, and says why it is not more', async () => {
    const { exitCode, stderr } = await world.exec(['true'], ['--isolation', 'auto'], { cwd: workDirectory(), wrap: user.wrap() })
    assert.equal(exitCode, 0, stderr)
    assert.match(stderr, /Isolation: oci, .*not gvisor: The guarantee "own-kernel" does not hold without root/)
  })

  test('to bring an image here', async () => {
    const pulled = await world.run(['image', 'pull', `oci:${image.directory}`], { wrap: user.wrap() })
    assert.equal(pulled.exitCode, 5, pulled.stderr)
    assert.match(pulled.stderr, /error\[IMAGE_NEEDS_ROOT\].*owners.*\n.*sudo/)
  })
})

describe('what is missing is said, with how to get it', () => {
  const nobody = 'somebody:600000000:65536\n'
  const cases: readonly (readonly [name: string, settings: Parameters<OrdinaryUser['wrap']>[0], expected: RegExp])[] = [
    ['newuidmap', { without: '/usr/bin/newuidmap' }, /"newuidmap" is not installed\n.*package uidmap/],
    ['newgidmap', { without: '/usr/bin/newgidmap' }, /"newgidmap" is not installed\n.*package uidmap/],
    [
      'a line of /etc/subuid',
      { subuid: '' },
      /\/etc\/subuid has no line for "sallyport-tester"\n.*usermod --add-subuids.*sallyport-tester/,
    ],
    ['a line of /etc/subgid', { subgid: nobody }, /\/etc\/subgid has no line for "sallyport-tester"\n.*usermod --add-subgids/],
    ['ids enough', { subuid: `${USER_NAME}:600000000:4096\n` }, /gives "sallyport-tester" 4096 ids, and one job takes 4097/],
    [
      'ids of its own',
      { subuid: `${USER_NAME}:600000000:65536\nother:600010000:65536\n` },
      /gives ids 600000000 to 600065535 to "sallyport-tester" and some of them to "other"/,
    ],
    ['ids that are no account’s', { subuid: `${USER_NAME}:0:65536\n` }, /ids from 0, which are those of accounts/],
    ['the right to gain privileges', { privileges: ['--no-new-privs'] }, /may gain no privileges/],
  ]
  for (const [name, settings, expected] of cases) {
    test(name, async () => {
      const wrap = user.wrap(settings)
      const exec = await world.run(['exec', '--', 'true'], { cwd: workDirectory(), wrap })
      assert.equal(exec.exitCode, 125, exec.stderr)
      assert.match(exec.stderr, expected)
      const doctor = await world.run(['doctor'], { cwd: world.directory, wrap: user.wrap(settings) })
      assert.equal(doctor.exitCode, 5)
      assert.match(doctor.stdout, /✗ root, or subordinate ids .*(usermod|uidmap|NoNewPrivileges)/)
    })
  }

  test('newuidmap that refuses ends with its words and the exit code of the command', async () => {
    // By number, which it does not take for an id without an account.
    const numbers = `${USER_ID}:${FIRST_SUBORDINATE}:65536\n`
    const wrap = user.wrap({ subuid: numbers, subgid: numbers, hasAccount: false })
    const cwd = workflow(job('      - run: "true"\n'))
    for (const [args, code] of [
      [['run'], 5],
      [['exec', '--', 'true'], 125],
    ] as const) {
      const result = await world.run(args, { cwd, wrap })
      assert.equal(result.exitCode, code)
      assert.match(result.stderr, /newuidmap: [\s\S]*error\[SANDBOX_UNSUPPORTED\]: .*did not map your subordinate ids/)
    }
  })
})

test('doctor tells an ordinary user what holds, what is weaker, and the fix for each', async () => {
  const result = await world.run(['doctor', '--json'], { cwd: world.directory, wrap: user.wrap() })
  assert.equal(result.exitCode, 0, result.stdout + result.stderr)
  const report = JSON.parse(result.stdout) as {
    readonly usable: boolean
    readonly weaker: readonly { readonly name: string; readonly text: string; readonly fix: string }[]
    readonly guarantees: readonly { readonly guarantee: string; readonly holds: boolean }[]
  }
  assert.equal(report.usable, true)
  const broken = [...new Set(report.guarantees.filter(({ holds }) => !holds).map(({ guarantee }) => guarantee))]
  assert.deepEqual(broken, ['memory-limit', 'cpu-limit'])
  assert.ok(broken.every((name) => report.weaker.some((weakness) => weakness.name === name)))
  assert.ok(report.weaker.every(({ text, fix }) => text !== '' && fix !== ''))
})

function operatorFile(): string {
  const path = join(world.directory, 'operator.yml')
  const authority = join(world.directory, 'authority.pem')
  writeFileSync(authority, readFileSync(internet.certificates.authority))
  writeFileSync(path, readFileSync(internet.operatorFile(), 'utf8').replace(internet.certificates.authority, authority))
  user.own()
  return path
}

interface Identity {
  readonly name: string
  readonly command: string
  readonly uids: readonly number[]
  readonly gids: readonly number[]
}

function identityOf(pid: number): Identity {
  if (!existsSync(`/proc/${pid}/status`)) return { name: '', command: '', uids: [], gids: [] }
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const numbers = (key: string): number[] => (new RegExp(`^${key}:\\s*(.*)$`, 'm').exec(status)?.[1] ?? '').split(/\s+/).map(Number)
  const name = /^Name:\s*(.*)$/m.exec(status)?.[1] ?? ''
  return { name, command: readFileSync(`/proc/${pid}/cmdline`, 'utf8'), uids: numbers('Uid'), gids: numbers('Gid') }
}

function isSubordinate(id: number): boolean {
  return id >= FIRST_SUBORDINATE && id < FIRST_SUBORDINATE + 65_536
}
