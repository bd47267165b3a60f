// SPDX-License-Identifier: Apache-2.0
// What a job hands over, the supervisor publishes: policy decides, a process of its own has the credential, and the job never does. The server is nginx.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Internet } from '../_internet/internet.ts'
import { PACKAGE_TOKEN } from '../_internet/nginx-configuration.ts'
import { type JsonRun, World } from '../_world.ts'

const world = new World()
let internet: Internet

before(async () => {
  internet = await Internet.start()
})
after(async () => {
  await internet[Symbol.asyncDispose]()
  await world[Symbol.asyncDispose]()
})

interface Job {
  readonly script: string
  /** Entries of its `publish`, as YAML. */
  readonly publish: readonly string[]
  readonly needs?: string
}

interface Settings {
  /** Below `publish:` of the operator's file. */
  readonly operator?: string
  readonly token?: string
  readonly options?: readonly string[]
}

const indent = (text: string, spaces: number): string => text.replaceAll(/^(?=.)/gm, ' '.repeat(spaces))

function run(jobs: Readonly<Record<string, Job>>, { operator, token = PACKAGE_TOKEN, options = [] }: Settings = {}): Promise<JsonRun> {
  const workflow = Object.entries(jobs).map(
    ([id, { script, needs }]) =>
      `  ${id}:\n    runs-on: ubuntu-latest\n${needs === undefined ? '' : `    needs: ${needs}\n`}    steps:\n      - run: |\n${indent(script, 10)}\n`,
  )
  const asked = Object.entries(jobs).map(
    ([id, { publish }]) =>
      `  ${id}:${publish.length === 0 ? ' {}' : `\n    publish:\n${publish.map((entry) => `      - ${entry}\n`).join('')}`}\n`,
  )
  const repository = world.workflow(`on: push\njobs:\n${workflow.join('')}`, {
    'sallyport.yml': `version: 1\njobs:\n${asked.join('')}secrets:\n  PACKAGE_TOKEN: { hosts: [web.test] }\n`,
  })
  const config = internet.operatorFile(operator === undefined ? {} : { egress: `publish:\n${indent(operator, 2)}` })
  return world.runJson(repository, ['--config', config, '--secret', 'PACKAGE_TOKEN', ...options], {
    wrap: internet.wrapResolving,
    env: { PACKAGE_TOKEN: token },
  })
}

const entry = (name: string, path = `${name}.tgz`, more = 'secret: PACKAGE_TOKEN'): string =>
  `{ name: ${name}, path: '${path}', to: 'https://web.test/packages/${name}.tgz'${more === '' ? '' : `, ${more}`} }`

const stored = (name: string): string => join(internet.directory, 'packages', `${name}.tgz`)

/** `type name fact` of each event about publishing. */
const told = ({ events }: JsonRun): readonly string[] =>
  events.flatMap(({ type, job, data }) => (type.startsWith('publish.') ? [`${job} ${type.slice(8)} ${String(data['name'])}`] : []))

test('an artifact is published with a credential that no job has, and the record says what it was', async () => {
  const script = `head -c 3000000 /dev/urandom > app.tgz
sha256sum app.tgz
test -z "$PACKAGE_TOKEN" && ! env | grep pkg_
! curl -sS -m 5 https://web.test/title`
  const ran = await run({ build: { script, publish: [entry('app')] } })
  assert.equal(ran.exitCode, 0, ran.why)
  const sha256 = createHash('sha256')
    .update(readFileSync(stored('app')))
    .digest('hex')
  assert.ok(ran.output('build', '1').includes(sha256), 'what the server has is not what the job made')
  assert.deepEqual(told(ran), ['build offered app', 'build allowed app', 'build done app'])
  assert.deepEqual(ran.document.published, [
    { job: 'build', name: 'app', to: 'https://web.test/packages/app.tgz', bytes: 3_000_000, sha256, digest: null },
  ])
  assert.deepEqual(ran.document.secrets, [], 'a step was given the credential')
  assert.ok(!ran.stdout.includes(PACKAGE_TOKEN) && !ran.stderr.includes(PACKAGE_TOKEN))
  assert.deepEqual(readdirSync(join(world.state, 'publish')), [], 'something of the artifact is left')
})

test('a file that is none, or grows, is not published, and nothing leaves', async () => {
  const hostile: Readonly<Record<string, string>> = {
    link: 'ln -s /etc/passwd link.tgz',
    pipe: 'mkfifo pipe.tgz; (sleep 100 > pipe.tgz) &',
    directory: 'mkdir directory.tgz',
    missing: 'true',
    socket: `python3 -c "import socket; socket.socket(socket.AF_UNIX).bind('socket.tgz')"`,
    huge: 'truncate -s 100G huge.tgz',
    growing: 'echo x > growing.tgz; (timeout 50 cat /dev/zero >> growing.tgz) > /dev/null 2>&1 &',
    swapped: 'mkdir real; cp /etc/passwd real/a.tgz; ln -s real under',
    device: 'ln -s /dev/zero device.tgz',
  }
  const jobs = Object.entries(hostile).map(([name, script]): [string, Job] => {
    return [name, { script, publish: [entry(name, name === 'swapped' ? 'under/a.tgz' : `${name}.tgz`)] }]
  })
  const ran = await run(Object.fromEntries(jobs), { operator: 'bytes: 1MiB' })
  assert.equal(ran.exitCode, 1, ran.why)
  assert.equal(ran.document.conclusion, 'failure')
  assert.deepEqual(told(ran), [])
  const why = Object.fromEntries(ran.document.refusals.map(({ job, detail }) => [job, detail]))
  for (const name of Object.keys(hostile)) {
    const expected = name === 'huge' || name === 'growing' ? /has more than 1 ?MiB/ : /is no regular file in the workspace/
    assert.match(why[name] ?? '', expected, name)
    assert.ok(!existsSync(stored(name)), `${name} was published`)
  }
  assert.ok(!(await internet.arrivals()).some(({ uri }) => Object.keys(hostile).some((name) => uri === `/packages/${name}.tgz`)))
})

test('what policy denies does not leave, nor what was to go with it', async () => {
  const publish = [entry('one', 'one.tgz'), entry('two', 'two.tgz', 'secret: PACKAGE_TOKEN, when: { refs: [refs/heads/release] }')]
  const both = { script: 'echo 1 > one.tgz; echo 2 > two.tgz', publish }
  const conditional = await run({ build: both })
  assert.equal(conditional.exitCode, 1, conditional.why)
  assert.deepEqual(told(conditional), ['build offered one', 'build offered two', 'build denied two'])
  const elsewhere = await run({ build: { ...both, publish: [entry('one')] } }, { operator: "allow: [{ to: 'https://web.test/other/**' }]" })
  assert.equal(elsewhere.exitCode, 1, elsewhere.why)
  assert.deepEqual(told(elsewhere), ['build offered one', 'build denied one'])
  assert.match(JSON.stringify(elsewhere.document.refusals), /does not let this repository publish to https:..web\.test.packages.one\.tgz/)
  assert.ok(!existsSync(stored('one')))
  const within = await run({ build: { ...both, publish: [entry('one')] } }, { operator: "allow: [{ to: 'https://web.test/packages/*' }]" })
  assert.equal(within.exitCode, 0, within.why)
})

test('a server that refuses or sends elsewhere fails the job, and what needs it does not run', async () => {
  const after = { script: 'true', publish: [], needs: 'build' }
  const refused = await run(
    { build: { script: 'echo > refused.tgz', publish: [entry('refused')] }, after },
    { token: 'pkg_wrong_wrong_wrong' },
  )
  assert.equal(refused.exitCode, 1, refused.why)
  assert.deepEqual(
    refused.document.jobs.map(({ id, conclusion }) => [id, conclusion]),
    [
      ['build', 'failure'],
      ['after', 'skipped'],
    ],
  )
  assert.deepEqual(told(refused), ['build offered refused', 'build allowed refused', 'build failed refused'])
  assert.match(JSON.stringify(refused.document.refusals), /does not want it \(401\): the credential is missing or wrong/)
  const to = "{ name: moved, path: moved.tgz, to: 'https://web.test/moved/x', secret: PACKAGE_TOKEN }"
  const moved = await run({ build: { script: 'echo > moved.tgz', publish: [to] } })
  assert.equal(moved.exitCode, 1, moved.why)
  assert.match(JSON.stringify(moved.document.refusals), /sends elsewhere \(307\)/)
  assert.ok(!existsSync(stored('moved')))
})

test('a job that fails publishes nothing', async () => {
  const ran = await run({ build: { script: 'echo > failing.tgz; exit 3', publish: [entry('failing')] } })
  assert.equal(ran.exitCode, 1, ran.why)
  assert.deepEqual(told(ran), [])
  assert.ok(!existsSync(stored('failing')))
})
