// SPDX-License-Identifier: Apache-2.0
// An image that a job made, in a real registry: the whole way, by a run whose jobs never have the credential.
import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { digestOf, layout, tar } from '../../packages/publisher/src/oci/_layout.ts'
import { registryProgram } from '../../scripts/servers/registry.ts'
import { ORIGINS } from '../_internet/addresses.ts'
import { Internet } from '../_internet/internet.ts'
import { type JsonRun, World } from '../_world.ts'

const PORT = 5443
const CREDENTIAL = 'pusher:pass-word-of-the-registry'
const world = new World()
let internet: Internet
let registry: ChildProcess

before(async () => {
  const program = registryProgram()
  assert.ok(program !== null, 'the registry is not there: make test-servers gets it')
  internet = await Internet.start()
  registry = startRegistry(program)
  await untilAnswers()
})
after(async () => {
  registry?.kill('SIGKILL')
  await internet?.[Symbol.asyncDispose]()
  await world[Symbol.asyncDispose]()
})

function startRegistry(program: string): ChildProcess {
  const directory = join(internet.directory, 'registry')
  mkdirSync(directory)
  const [user = '', password = ''] = CREDENTIAL.split(':')
  const hash = execFileSync('perl', ['-e', 'print crypt($ARGV[0], "\\$2y\\$05\\$abcdefghijklmnopqrstuu")', password]).toString()
  writeFileSync(join(directory, 'htpasswd'), `${user}:${hash}\n`)
  const { certificate, key } = internet.certificates
  const settings = {
    version: 0.1,
    log: { level: 'error', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: join(directory, 'data') } },
    http: { addr: `${ORIGINS.web}:${PORT}`, tls: { certificate, key } },
    auth: { htpasswd: { realm: 'registry', path: join(directory, 'htpasswd') } },
  }
  writeFileSync(join(directory, 'config.yml'), JSON.stringify(settings))
  const [enter = '', ...rest] = [...internet.wrapOrigin, program, 'serve', join(directory, 'config.yml')]
  return spawn(enter, rest, { stdio: ['ignore', 'ignore', 'ignore'] })
}

function ask(path: string, ...words: readonly string[]): Buffer {
  const resolve = ['--resolve', `web.test:${PORT}:${ORIGINS.web}`, '--cacert', internet.certificates.authority, '-u', CREDENTIAL]
  const [enter = '', ...rest] = [...internet.wrapOrigin, 'curl', '-sSf', ...resolve, ...words, `https://web.test:${PORT}${path}`]
  return execFileSync(enter, rest, { stdio: ['ignore', 'pipe', 'ignore'] })
}

async function untilAnswers(): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    try {
      ask('/v2/')
      return
    } catch {
      await sleep(100) // Not yet.
    }
  }
  throw new Error('the registry does not answer')
}

function push(image: Buffer, tag: string, credential = CREDENTIAL): Promise<JsonRun> {
  const workflow = `on: push
jobs:
  build:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - run: base64 -d image.b64 > image.tar
`
  const entry = `{ name: image, path: image.tar, to: 'oci://web.test:${PORT}/acme/app:${tag}', secret: REGISTRY }`
  const access = `version: 1\njobs: { build: { publish: [${entry}] } }\nsecrets: { REGISTRY: { hosts: [web.test] } }\n`
  const repository = world.workflow(workflow, { 'image.b64': image.toString('base64'), 'sallyport.yml': access })
  return world.runJson(repository, ['--config', internet.operatorFile(), '--secret', 'REGISTRY'], {
    wrap: internet.wrapResolving,
    env: { REGISTRY: credential },
  })
}

test('an image arrives whole, under its tag, and the record has its digest', async () => {
  const { entries, layers, root } = layout()
  const ran = await push(tar(entries), '1.0')
  assert.equal(ran.exitCode, 0, ran.why)
  assert.equal(ran.document.published[0]?.digest, digestOf(root))
  assert.deepEqual(ask('/v2/acme/app/manifests/1.0', '-H', 'accept: application/vnd.oci.image.index.v1+json'), root)
  for (const layer of layers) assert.deepEqual(ask(`/v2/acme/app/blobs/${digestOf(layer)}`), layer)
  assert.ok(!ran.stdout.includes('pass-word-of'))
  const again = await push(tar(entries), 'latest')
  assert.equal(again.exitCode, 0, again.why)
  assert.deepEqual(JSON.parse(ask('/v2/acme/app/tags/list').toString()).tags.toSorted(), ['1.0', 'latest'])
})

test('what is no image, and a credential that is wrong, changes no tag', async () => {
  const { entries } = layout()
  const [first] = layout().layers
  const broken = entries.filter(({ content }) => content === undefined || first === undefined || !content.equals(first))
  const hostile = await push(tar(broken), 'broken')
  assert.equal(hostile.exitCode, 1, hostile.why)
  assert.match(JSON.stringify(hostile.document.refusals), /is not in the archive/)
  const refused = await push(tar(entries), 'refused', 'pusher:wrong-word-of-the-registry')
  assert.equal(refused.exitCode, 1, refused.why)
  const tags = JSON.parse(ask('/v2/acme/app/tags/list').toString()).tags as readonly string[]
  assert.ok(!tags.includes('broken') && !tags.includes('refused'))
})
