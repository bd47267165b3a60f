// SPDX-License-Identifier: Apache-2.0
// docs/egress.md, followed to the letter: each file of it is checked, its first minute and its three recipes are run against the tests' internet.
import assert from 'node:assert/strict'
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { Internet } from '../_internet/internet.ts'
import { publishGitRepository, publishNpmPackage, publishWheel } from '../_internet/packages.ts'
import { NPM_PROJECT } from '../_internet/projects.ts'
import { type JsonRun, World, writeFiles } from '../_world.ts'

const DOCUMENT = readFileSync(join(import.meta.dirname, '../../docs/egress.md'), 'utf8')
const PUBLISHED_WHEEL = 'simple/small-sum/index.html'

const world = new World()
let internet: Internet

before(async () => {
  internet = await Internet.start()
  const { root } = internet
  publishNpmPackage(root)
  publishWheel(root)
  publishGitRepository(root)
  cpSync(join(root, 'acme/library.git'), join(root, 'acme/tool.git'), { recursive: true })
  // The same index, whose files lie on the host that the recipe names.
  const index = readFileSync(join(root, PUBLISHED_WHEEL), 'utf8').replaceAll('files.test', 'files.example.test')
  writeFiles(root, { [`example/${PUBLISHED_WHEEL}`]: index })
})
after(async () => {
  await internet[Symbol.asyncDispose]()
  await world[Symbol.asyncDispose]()
})

/** What the machine's package managers are configured with, for the presets. */
const MACHINE = {
  npm_config_registry: 'https://registry.example.test/',
  PIP_INDEX_URL: 'https://pypi.example.test/example/simple/',
}

/** Fenced blocks of a section, or of the whole page. */
function blocks(language: string, heading: string | null = null): readonly string[] {
  const section = heading === null ? DOCUMENT : (DOCUMENT.split(/^(?=#{2,3} )/m).find((part) => part.startsWith(`${heading}\n`)) ?? '')
  const found = [...section.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'gm'))].map((match) => match[1] ?? '')
  assert.ok(found.length > 0, `${language} below ${heading}`)
  return found
}

/** A workflow with this one job, whose rules are the recipe's. */
function follow(recipe: string, job: string, steps: string, files: Readonly<Record<string, string>> = {}): Promise<JsonRun> {
  const checkout = '      - uses: actions/checkout@v4\n'
  const repository = world.workflow(`on: push\njobs:\n  ${job}:\n    runs-on: ubuntu-latest\n    steps:\n${checkout}${steps}`, {
    'ca.pem': readFileSync(internet.certificates.authority, 'utf8'),
    'sallyport.yml': recipe,
    ...files,
  })
  return world.runJson(repository, ['--config', internet.operatorFile()], { wrap: internet.wrap, env: MACHINE })
}

function step(script: string, id: string | null = null): string {
  const lines = script.split('\n').map((line) => `          ${line}\n`)
  return `      - run: |\n${lines.join('')}${id === null ? '' : `        id: ${id}\n`}`
}

const refusedBy = ({ document }: JsonRun): readonly (readonly [string | null, string, string])[] =>
  document.doors.refused.map(({ step: at, code, target }) => [at, code, target])

const requestsTo = async (host: string): Promise<readonly string[]> =>
  (await internet.arrivals()).flatMap(({ kind, ...request }) =>
    kind === 'http' && request['host'] === host ? [`${request['method']} ${request['uri']}`] : [],
  )

test('every file of the page is valid', async () => {
  const repository = world.repository({})
  for (const [index, text] of blocks('yaml').entries()) {
    const isOperators = /^ {2}allow:/m.test(text)
    const [access, operators] = [join(repository, `access-${index}.yml`), join(repository, `operator-${index}.yml`)]
    writeFileSync(access, isOperators ? 'version: 1\n' : text)
    writeFileSync(operators, isOperators ? text : 'version: 1\n')
    const { exitCode, stderr } = await world.run(['access', 'check', access, '--config', operators], { cwd: repository, env: MACHINE })
    assert.equal(exitCode, 0, `${text}\n${stderr}`)
  }
})

test('the first minute: refused with the line that the page shows, then allowed', async () => {
  const [commands = ''] = blocks('sh', '## In one minute')
  const lines = commands.split('\n').filter((line) => line.startsWith('sallyport exec'))
  const words = lines.map((line) => line.replace(/ *#.*/, '').split(/ +/).slice(1))
  assert.equal(words.length, 2)
  const [blocked, allowed] = await Promise.all(
    words.map(([command = '', ...rest]) =>
      world.run([command, '--config', internet.operatorFile(), '--env', 'CURL_CA_BUNDLE=ca.pem', ...rest], {
        cwd: world.repository({ 'ca.pem': readFileSync(internet.certificates.authority, 'utf8') }),
        wrap: internet.wrap,
      }),
    ),
  )
  assert.notEqual(blocked?.exitCode, 0)
  assert.match(blocked?.stderr ?? '', /refused registry\.example\.test/)
  assert.equal(allowed?.exitCode, 0, allowed?.stderr)

  const [shown = ''] = blocks('text', '## In one minute')
  const run = await follow('version: 1\n', 'build', step('curl -sS https://registry.example.test/ || true'))
  assert.ok(run.output('build', '2').includes(shown), `${run.output('build', '2')}\nis not\n${shown}`)
})

test('the three commands from blocked to green are those that egress-learn.test.ts runs', () => {
  const [commands = ''] = blocks('sh', '## From blocked, to learned, to green')
  assert.deepEqual(
    commands
      .trimEnd()
      .split('\n')
      .map((line) => line.replace(/ +#.*/, '')),
    ['sallyport run --egress observe', 'sallyport access learn --write --trust', 'sallyport run'],
  )
})

describe('the recipe for npm', () => {
  const FILES = {
    ...NPM_PROJECT,
    'package-lock.json': NPM_PROJECT['package-lock.json']?.replaceAll('registry.test', 'registry.example.test') ?? '',
    '.npmrc': 'registry=https://registry.example.test/\n//registry.example.test/:_authToken=token\n',
  }
  const recipes = blocks('yaml', '### An npm project behind a registry')

  test('reaches the registry of the machine, and nothing else', async () => {
    const install = step('npm ci --no-audit --no-fund --cafile ca.pem && node test.js')
    const run = await follow(recipes[0] ?? '', 'test', install + step('curl -sS https://evil.test/ || echo no way out'), FILES)
    assert.equal(run.exitCode, 0, run.why)
    assert.match(run.output('test', '2'), /the sum is 5/)
    assert.match(run.output('test', '3'), /no way out/)
    assert.deepEqual(refusedBy(run), [['3', 'no-rule', 'evil.test']])
  })

  test('read-only: installs, asks for advisories, and cannot publish', async () => {
    const script = 'npm ci --no-fund && node test.js\nnpm publish 2>&1 || echo not published'
    const run = await follow(recipes[1] ?? '', 'test', step(script), FILES)
    assert.equal(run.exitCode, 0, run.why)
    assert.match(run.output('test', '2'), /the sum is 5[\s\S]*not published/)
    assert.deepEqual(refusedBy(run), [['2', 'method', 'PUT https://registry.example.test/project']])
    const requests = await requestsTo('registry.example.test')
    assert.ok(requests.includes('GET /tarballs/small-sum-1.0.0.tgz'), requests.join('\n'))
    assert.ok(
      requests.some((request) => request.startsWith('POST /-/npm/v1/security/')),
      requests.join('\n'),
    )
    assert.ok(!requests.some((request) => request.startsWith('PUT')), requests.join('\n'))
  })
})

test('the recipe for Python: the index, its files, and a database for one step', async () => {
  const [recipe = ''] = blocks('yaml', '### A Python project whose index and files are two hosts')
  const install = `python3 -m pip install -q --break-system-packages --target packages --cert ca.pem --index-url ${MACHINE.PIP_INDEX_URL} small-sum==1.0
PYTHONPATH=packages python3 -c "import small_sum; print('the sum is', small_sum.add(2, 3))"`
  const query = `python3 -c "
import socket
with socket.create_connection(('database.example.test', 5432), 5) as s:
  s.sendall(b'select')
  print(s.recv(100))
"`
  const steps = step(install) + step(`${query} 2>&1 || echo no database`) + step(query, 'integration')
  const run = await follow(recipe, 'test', steps)
  assert.equal(run.exitCode, 0, run.why)
  assert.match(run.output('test', '2'), /the sum is 5/)
  assert.match(run.output('test', '3'), /no database/)
  assert.match(run.output('test', '4'), /received/)
  assert.deepEqual(refusedBy(run), [['3', 'no-rule', 'database.example.test']])
  const used = run.document.doors.used.map((door) => `${door.step} ${door.host}:${door.port}`).toSorted()
  assert.deepEqual(used, ['2 files.example.test:443', '2 pypi.example.test:443', '4 database.example.test:5432'])
})

test('the recipe for a release: one repository is cloned, and one step writes to one place', async () => {
  const [recipe = ''] = blocks('yaml', '### A release that may write to one place')
  const upload = (path: string): string => `curl -sS -T sallyport.yml https://packages.example.test/${path} || true`
  const clone = `git clone -q https://git.example.test/acme/tool.git && cat tool/README.md
git clone -q https://git.example.test/attacker/library.git 2>&1 || true
${upload('acme/tool/1.0/early')}`
  const publish = `${upload('acme/tool/1.0/file')}
${upload('eve/tool/1.0/file')}
curl -sS -X DELETE https://packages.example.test/acme/tool/1.0/file`
  const run = await follow(recipe, 'release', step(clone) + step(publish, 'publish'))
  assert.equal(run.exitCode, 0, run.why)
  assert.match(run.output('release', '2'), /^a library$/m)
  assert.deepEqual(refusedBy(run), [
    ['2', 'path', 'GET https://git.example.test/attacker/library.git/info/refs'],
    ['2', 'no-rule', 'packages.example.test'],
    ['3', 'path', 'PUT https://packages.example.test/eve/tool/1.0/file'],
    ['3', 'method', 'DELETE https://packages.example.test/acme/tool/1.0/file'],
  ])
  assert.deepEqual(await requestsTo('packages.example.test'), ['PUT /acme/tool/1.0/file'])
  assert.ok((await requestsTo('git.example.test')).every((request) => request.includes('/acme/tool.git/')))
})
