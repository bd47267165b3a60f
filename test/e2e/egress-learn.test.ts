// SPDX-License-Identifier: Apache-2.0
// From blocked, to learned, to green, as docs/egress.md tells it: with an npm project and with a pip project, on a machine without an operator's file.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Internet } from '../_internet/internet.ts'
import { publishNpmPackage, publishWheel } from '../_internet/packages.ts'
import { NPM_PROJECT, NPM_SCRIPT, PIP_SCRIPT } from '../_internet/projects.ts'
import { type Result, type RunSettings, World } from '../_world.ts'

const world = new World()
let internet: Internet

before(async () => {
  internet = await Internet.start()
  publishNpmPackage(internet.root)
  publishWheel(internet.root)
})
after(async () => {
  await internet[Symbol.asyncDispose]()
  await world[Symbol.asyncDispose]()
})

interface Project {
  readonly name: string
  readonly script: string
  readonly files: Readonly<Record<string, string>>
  readonly hosts: readonly string[]
}

const projects: readonly Project[] = [
  { name: 'npm', script: NPM_SCRIPT, files: NPM_PROJECT, hosts: ['registry.test'] },
  { name: 'pip', script: PIP_SCRIPT, files: {}, hosts: ['files.test', 'pypi.test'] },
]

function makeRepository({ script, files }: Project): string {
  return world.workflow(
    'on: push\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: actions/checkout@v4\n      - id: install\n        run: bash ./build.sh\n',
    { ...files, 'ca.pem': readFileSync(internet.certificates.authority, 'utf8'), 'build.sh': script },
  )
}

const passes = (result: Result): void => assert.equal(result.exitCode, 0, `${result.stdout}\n${result.stderr}`)

for (const project of projects) {
  test(`a project that needs ${project.name} goes from blocked, to learned, to green`, async () => {
    const settings: RunSettings = { cwd: makeRepository(project), wrap: internet.wrapResolving }
    const blocked = await world.runJson(settings.cwd ?? '', ['--env', 'npm_config_fetch_retries=0', '--env', 'PIP_RETRIES=0'], settings)
    assert.equal(blocked.exitCode, 1, blocked.why)
    assert.ok(
      blocked.document.doors.refused.some(({ target }) => project.hosts.some((host) => target.includes(host))),
      JSON.stringify(blocked.document.doors),
    )

    const observed = await world.run(['run', '--egress', 'observe'], settings)
    passes(observed)
    assert.match(observed.stdout + observed.stderr, /observ/i)
    passes(await world.run(['access', 'learn', '--write', '--trust'], settings))
    const green = await world.runJson(settings.cwd ?? '', [], settings)
    assert.equal(green.exitCode, 0, green.why)
    assert.equal(green.document.doors.observed, false)
    assert.deepEqual(green.document.doors.refused, [])
    assert.deepEqual([...new Set(green.document.doors.used.map(({ host }) => host))].toSorted(), project.hosts)

    // It is the smallest such file, and what it does not name stays shut.
    const file = join(settings.cwd ?? '', 'sallyport.yml')
    const learned = readFileSync(file, 'utf8')
    passes(await world.run(['access', 'replay', file], settings))
    for (const host of project.hosts) {
      writeFileSync(file, learned.replaceAll(host, 'other.test'))
      assert.equal((await world.run(['access', 'replay', file], settings)).exitCode, 1)
    }
  })
}

test('of a run whose rules have conditions the requests are learned, with what else they needed', async () => {
  const script = `curl -sS -i -m 2 --http1.1 -H 'Connection: Upgrade' -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13' \\
  -H 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==' http://web.test/socket || true
curl -sS -H 'Content-Type: application/graphql' -d '{ all }' http://web.test/graph`
  const rule = '{ host: web.test, port: 80, methods: [GET, POST], path: /**, graphql: true, websocket: true }'
  const cwd = world.workflow(
    'on: push\njobs: { build: { runs-on: linux, steps: [{ uses: actions/checkout@v4 }, { id: ask, run: bash ./ask.sh }] } }\n',
    { 'sallyport.yml': `version: 1\negress: [${rule}]\n`, 'ask.sh': script },
  )
  const settings: RunSettings = { cwd, wrap: internet.wrapResolving }
  passes(await world.run(['trust', '--yes'], settings))
  passes(await world.run(['run'], settings))
  const file = join(cwd, 'learned.yml')
  passes(await world.run(['access', 'learn', '-o', file], settings))
  const learned = readFileSync(file, 'utf8')
  assert.match(learned, /methods: \[GET\], path: \/socket, websocket: true/)
  assert.match(learned, /methods: \[POST\], path: \/graph, graphql: true/)
  passes(await world.run(['access', 'replay', file], settings))
  writeFileSync(file, learned.replace(', websocket: true', ''))
  assert.equal((await world.run(['access', 'replay', file], settings)).exitCode, 1)
})
