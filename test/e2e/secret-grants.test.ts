// SPDX-License-Identifier: Apache-2.0
// Secrets that an access file grants: which step gets them, how they are delivered, and what a job that does not get them sees.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
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
const KEY = 'a key of two lines\nwhich is its second\n'
const env = { TOKEN, KEY }
const GIVEN = ['--secret', 'TOKEN', '--secret', 'KEY']

const steps = (text: string): string => `on: push
jobs:
  build:
    runs-on: ubuntu-latest
    steps:
${text}`

const access = (grants: string, egress = ''): string => `version: 1
${egress}
jobs:
  build:
    steps:
${grants}
secrets:
  TOKEN: { hosts: [web.test] }
  KEY: {}
`

const eventsOf = ({ events }: JsonRun, type: string): readonly string[] =>
  events.flatMap((event) =>
    event.type === type ? [`${event.step} ${String(event.data['name'])} ${String(event.data['delivery'] ?? event.data['code'])}`] : [],
  )

async function run(workflow: string, file: string, options: readonly string[] = []): Promise<JsonRun> {
  const repository = world.workflow(steps(workflow), { 'sallyport.yml': file })
  return world.runJson(repository, ['--config', internet.operatorFile(), ...GIVEN, ...options], { wrap: internet.wrap, env })
}

test('a step that is granted none finds none, wherever the workflow puts them', async () => {
  const workflow = `
      - run: test -z "\${{ secrets.TOKEN }}"
        env: { T: '\${{ secrets.TOKEN }}' }
      - id: granted
        run: echo "\${{ secrets.TOKEN }}" | sha256sum; printf %s "$T" | sha256sum
        env: { T: '\${{ secrets.TOKEN }}' }
      - id: other
        run: test -z "$T" && ! env | grep npm_
        env: { T: '\${{ secrets.TOKEN }}' }
`
  const ran = await run(workflow, access('      granted: { secrets: { TOKEN: { deliver: env } } }'))
  assert.equal(ran.exitCode, 0, ran.why)
  assert.deepEqual(eventsOf(ran, 'secret.granted'), ['2 TOKEN env'])
  assert.deepEqual(eventsOf(ran, 'secret.denied'), ['1 TOKEN not-granted', '3 TOKEN not-granted'])
  assert.deepEqual(ran.document.secrets, [{ name: 'TOKEN', job: 'build', step: '2', delivery: 'env' }])
  assert.match(JSON.stringify(ran.document.refusals), /TOKEN: no grant of TOKEN names this step; give the step an id/)
})

test('a file and a descriptor hold the value for their step alone, and its mark is nowhere', async () => {
  const look = (file: string): string => `
          cmp ${file} <(printf 'a key of two lines\\nwhich is its second\\n')`
  const workflow = `
      - id: file
        env: { FILE: '\${{ secrets.KEY }}' }
        run: |
          stat -c '%a %u' "$FILE"${look('"$FILE"')}
          echo "kept=$FILE" >> "$GITHUB_ENV"
      - run: test ! -e "$kept"
      - id: fd
        env: { FILE: '\${{ secrets.KEY }}' }
        run: |
          echo "at $FILE"${look('"$FILE"')}
          ls -A /run/sallyport/step | grep -v -e env -e output -e path -e state -e summary -e script && exit 1 || true
`
  const ran = await run(
    workflow,
    access('      file: { secrets: { KEY: { deliver: file } } }\n      fd: { secrets: { KEY: { deliver: fd } } }'),
  )
  assert.equal(ran.exitCode, 0, ran.why)
  assert.match(ran.output('build', '1'), /^400 0$/m)
  assert.match(ran.output('build', '3'), /^at \/dev\/fd\/20$/m)
  assert.deepEqual(eventsOf(ran, 'secret.granted'), ['1 KEY file', '3 KEY fd'])
})

test('a placeholder has the shape of the value, becomes it at its host, and is refused toward every other', async () => {
  const workflow = `
      - id: publish
        env: { T: '\${{ secrets.TOKEN }}' }
        run: |
          echo "\${#T} \${T:0:4}"
          curl -sSf -H "Authorization: Bearer $T" https://web.test/title
          curl -sS -H "Authorization: Bearer $T" https://api.test/title || true
          curl -sS -H "X-Other: $T" https://web.test/title || true
          curl -sS "https://web.test/title?q=$T" || true
          curl -sS -d "$T" https://web.test/upload || true
          echo "T=$T" >> "$GITHUB_OUTPUT"
      - run: |
          curl -sSf -H "Authorization: Bearer $T" https://web.test/title || echo void
        env: { T: '\${{ steps.publish.outputs.T }}' }
`
  const egress = 'egress: [{ host: web.test, port: 443, methods: [GET, POST] }, { host: api.test, port: 443, methods: [GET] }]'
  const ran = await run(workflow, access('      publish: { secrets: { TOKEN: {} } }', egress))
  assert.equal(ran.exitCode, 0, ran.why)
  const [shape, ...rest] = ran.output('build', '1').split('\n')
  assert.equal(shape, `${TOKEN.length} npm_`)
  assert.equal(rest.filter((line) => line.startsWith('honest')).length, 1, ran.why)
  const arrived = (await internet.arrivals()).filter(({ authorization }) => String(authorization).startsWith('Bearer '))
  // What an earlier step's placeholder is worth in a later one: the text that it is.
  assert.deepEqual(
    arrived.map(({ host, authorization }) => [host, authorization === `Bearer ${TOKEN}`]),
    [
      ['web.test', true],
      ['web.test', false],
    ],
  )
  const refused = ran.events
    .filter(({ type, data }) => type === 'door.refused' && data['code'] === 'placeholder')
    .map(({ data }) => data['target'])
  assert.deepEqual(
    refused.map(String).sort(),
    ['GET https://api.test/title', 'GET https://web.test/title', 'POST https://web.test/upload'].sort(),
  )
  assert.ok(!ran.stdout.includes(TOKEN))
})

test('a rule without a condition is enough: where a placeholder is put in, TLS ends at the gate', async () => {
  const workflow = `
      - id: publish
        run: |
          curl -sSf -H "Authorization: Bearer $NPM_TOKEN" https://web.test/echo
`
  const file = access('      publish: { secrets: { TOKEN: { as: NPM_TOKEN } } }', 'egress: [web.test:443]')
  const ran = await run(workflow, file)
  assert.equal(ran.exitCode, 0, ran.why)
  // The server says what it got, which is the value; the gate has put the placeholder back.
  assert.match(ran.output('build', '1'), /^authorization=Bearer npm_[0-9]{10}[a-z]/m)
  assert.ok(!ran.output('build', '1').includes(TOKEN))
  const arrived = (await internet.arrivals()).filter(({ uri }) => uri === '/echo')
  assert.deepEqual(
    arrived.map(({ authorization }) => authorization),
    [`Bearer ${TOKEN}`],
  )
})

test('another event than the grant’s gets nothing', async () => {
  const workflow = `
      - id: publish
        run: test -z "\${{ secrets.TOKEN }}"
`
  const grant = '      publish: { secrets: { TOKEN: { deliver: env, when: { events: [release], refs: [refs/heads/main] } } } }'
  const ran = await run(workflow, access(grant))
  assert.equal(ran.exitCode, 0, ran.why)
  assert.deepEqual(eventsOf(ran, 'secret.denied'), ['1 TOKEN condition'])
})

test('a fork’s pull request gets nothing of what the file of its base grants', async () => {
  const workflow = steps(`
      - id: publish
        run: test -z "\${{ secrets.TOKEN }}"
`).replace('on: push', 'on: [push, pull_request]')
  const file = access('      publish: { secrets: { TOKEN: { deliver: env } } }')
  const repository = world.workflow(workflow, { 'sallyport.yml': file })
  const sha = execFileSync('git', ['-C', repository, 'rev-parse', 'HEAD'], { encoding: 'utf8' }).trim()
  const payload = join(world.directory, 'fork.json')
  const head = { ref: 'topic', repo: { full_name: 'eve/tool' } }
  writeFileSync(payload, JSON.stringify({ pull_request: { head, base: { ref: 'main', sha, repo: { full_name: 'acme/tool' } } } }))
  const options = ['--config', internet.operatorFile(), '--event', 'pull_request', '--payload', payload, ...GIVEN]
  const ran = await world.runJson(repository, options, { wrap: internet.wrap, env })
  assert.equal(ran.exitCode, 0, ran.why)
  assert.deepEqual(eventsOf(ran, 'secret.denied'), ['1 TOKEN fork'])
  assert.deepEqual(ran.document.secrets, [])
})

test('a secret of the embedded store is read by the broker when its step starts, and no lease stays', async () => {
  const state = ['--state', world.state]
  assert.equal((await world.run(['secrets', 'init'])).exitCode, 0)
  const value = join(world.directory, 'value')
  writeFileSync(value, JSON.stringify({ user: 'ci', password: 'correct horse battery staple 7' }))
  const set = ['sh', '-c', 'exec "$@" < "$0"', value]
  const stored = await world.start(['secrets', 'set', 'registry', '--fields', ...state], { wrap: set }).result
  assert.equal(stored.exitCode, 0, stored.stderr)
  const workflow = `
      - id: publish
        env: { PASSWORD: '\${{ secrets.PASSWORD }}' }
        run: |
          printf %s "$PASSWORD" | sha256sum
          echo "a field that was not asked for is masked, too: $PASSWORD"
`
  const file = `version: 1
jobs: { build: { steps: { publish: { secrets: { PASSWORD: { deliver: env } } } } } }
secrets: { PASSWORD: { from: store, path: 'registry#password' } }
`
  const repository = world.workflow(steps(workflow), { 'sallyport.yml': file })
  const ran = await world.runJson(repository, ['--config', internet.operatorFile()], { wrap: internet.wrap })
  assert.equal(ran.exitCode, 0, ran.why)
  const digest = createHash('sha256').update('correct horse battery staple 7').digest('hex')
  assert.match(ran.output('build', '1'), new RegExp(`^${digest}`))
  assert.match(ran.output('build', '1'), /too: \*\*\*/)
  const read = ran.events.find(({ type }) => type === 'secret.read')
  const says = { name: 'PASSWORD', provider: 'store', path: 'registry', field: 'password', version: '1', created: null, expires: null }
  assert.deepEqual(read?.data, says)
  assert.deepEqual(readdirSync(join(world.state, 'leases')), [])
  const missing = world.workflow(steps(workflow), { 'sallyport.yml': file.replace('registry#password', 'registry#nothing') })
  const failed = await world.runJson(missing, ['--config', internet.operatorFile()], { wrap: internet.wrap })
  assert.equal(failed.exitCode, 2, failed.why)
  assert.match(failed.why, /nothing/)
})

test('what is granted and nobody has is an error before anything starts', async () => {
  const repository = world.workflow(steps('      - { id: a, run: "true" }'), {
    'sallyport.yml': `version: 1\njobs: { build: { steps: { a: { secrets: { T: { deliver: env }, U: { deliver: env } } } } } }\nsecrets: { T: {}, U: { from: vault, path: a } }\n`,
  })
  const missing = await world.run(['run', '--config', internet.operatorFile()], { cwd: repository })
  assert.equal(missing.exitCode, 2, missing.stderr)
  assert.match(missing.stderr, /secret T \(sallyport\.yml:3\): nobody has given it/)
  const unknown = await world.run(['run', '--config', internet.operatorFile(), '--secret', 'T'], { cwd: repository, env: { T: TOKEN } })
  assert.equal(unknown.exitCode, 2, unknown.stderr)
  assert.match(unknown.stderr, /no provider "vault"/)
})
