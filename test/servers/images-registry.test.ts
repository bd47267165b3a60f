// SPDX-License-Identifier: Apache-2.0
// Images of a real registry, over TLS, with two users: what is stored is given to whom the registry gives it to.
import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { buildImage, digestOf, file, INDEX, json, outcomeOf, tar, writeLayout } from '../../packages/images/src/_image.ts'
import { type ImageStore, openImageStore, type RegistryCredentials } from '../../packages/images/src/index.ts'
import { registryProgram } from '../../scripts/servers/registry.ts'

const ALICE: RegistryCredentials = { username: 'alice', password: 'words-of-alice' }
const MALLORY: RegistryCredentials = { username: 'mallory', password: 'words-of-mallory' }
const directory = mkdtempSync(join(tmpdir(), 'sallyport-registry-'))
const servers: ChildProcess[] = []
let authority = ''

interface Registry {
  readonly host: string
}

before(async () => {
  chmodSync(directory, 0o755)
  authority = makeCertificate()
})
after(() => {
  for (const server of servers) server.kill('SIGKILL')
  rmSync(directory, { recursive: true, force: true })
})

function makeCertificate(): string {
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
  const subject = ['-subj', '/CN=registry', '-addext', 'subjectAltName=IP:127.0.0.1']
  const files = ['-keyout', join(directory, 'key.pem'), '-out', join(directory, 'cert.pem')]
  execFileSync('openssl', ['req', '-x509', ...curve, ...subject, ...files], { stdio: 'ignore' })
  return readFileSync(join(directory, 'cert.pem'), 'utf8')
}

/** One registry for each user: distribution's htpasswd knows who somebody is, not what they may read. Both have the same storage. */
async function startRegistry(name: string, users: readonly RegistryCredentials[], storage = name): Promise<Registry> {
  const program = registryProgram()
  assert.ok(program !== null, 'the registry is not there: make test-servers gets it')
  const port = await freePort()
  const passwords = users.map(({ username, password }) => {
    const hash = execFileSync('perl', ['-e', 'print crypt($ARGV[0], "\\$2y\\$05\\$abcdefghijklmnopqrstuu")', password]).toString()
    return `${username}:${hash}\n`
  })
  writeFileSync(join(directory, `${name}.htpasswd`), passwords.join(''))
  mkdirSync(join(directory, storage), { recursive: true })
  const settings = {
    version: 0.1,
    log: { level: 'error', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: join(directory, storage) } },
    http: { addr: `127.0.0.1:${port}`, tls: { certificate: join(directory, 'cert.pem'), key: join(directory, 'key.pem') } },
    auth: { htpasswd: { realm: 'registry', path: join(directory, `${name}.htpasswd`) } },
  }
  writeFileSync(join(directory, `${name}.yml`), JSON.stringify(settings))
  servers.push(spawn(program, ['serve', join(directory, `${name}.yml`)], { stdio: 'ignore' }))
  const host = `127.0.0.1:${port}`
  await untilAnswers(host)
  return { host }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}

async function untilAnswers(host: string): Promise<void> {
  for (let attempt = 0; attempt < 300; attempt += 1) {
    try {
      execFileSync('curl', ['-s', '--cacert', join(directory, 'cert.pem'), `https://${host}/v2/`], { stdio: 'ignore' })
      return
    } catch {
      await sleep(100) // Not yet.
    }
  }
  throw new Error('the registry does not answer')
}

function push(host: string, layout: string, name: string, { username, password }: RegistryCredentials, ...more: readonly string[]): void {
  const place = `docker://${host}/${name}`
  const certificates = join(directory, 'certs')
  mkdirSync(certificates, { recursive: true })
  writeFileSync(join(certificates, 'ca.crt'), authority)
  const words = [
    '--insecure-policy',
    'copy',
    '--quiet',
    '--dest-creds',
    `${username}:${password}`,
    '--dest-cert-dir',
    certificates,
    ...more,
  ]
  execFileSync('skopeo', [...words, layout, place], { stdio: ['ignore', 'ignore', 'inherit'] })
}

const storeFor = (name: string, ...hosts: readonly string[]): ImageStore =>
  openImageStore(join(directory, name), { authorities: Object.fromEntries(hosts.map((host) => [host, authority])) })
const options = (credentials: RegistryCredentials | null) => ({ credentials, signal: AbortSignal.timeout(120_000) })
const built = buildImage({ layers: [tar([file('etc/motd', 'of acme')]), tar([file('two')])], config: { Cmd: ['/two'] } })

test('an image of a registry arrives whole; who has no access gets nothing, also once it is stored', async () => {
  const registry = await startRegistry('one', [ALICE, MALLORY])
  push(registry.host, writeLayout(join(directory, 'layout'), built), 'acme/app:1', ALICE)
  const store = storeFor('store-one', registry.host)
  const reference = `${registry.host}/acme/app:1`
  for (const credentials of [null, { ...ALICE, password: 'other-words' }])
    assert.equal(await outcomeOf(store.pull(reference, options(credentials))), 'IMAGE_ACCESS_DENIED')
  const image = await store.pull(reference, options(ALICE))
  assert.equal(image.digest, digestOf(built.manifest))
  assert.equal(readFileSync(join(image.root, 'etc/motd'), 'utf8'), 'of acme')
  for (const credentials of [null, { username: 'eve', password: 'words-of-eve' }, { ...ALICE, password: 'other-words' }])
    assert.equal(await outcomeOf(store.pull(reference, options(credentials))), 'IMAGE_ACCESS_DENIED')
  assert.equal((await store.pull(`${registry.host}/acme/app@${image.digest}`, options(MALLORY))).digest, image.digest)
  assert.equal(await outcomeOf(store.pull(`${registry.host}/acme/none:1`, options(ALICE))), 'IMAGE_NOT_FOUND')
  assert.equal(await outcomeOf(store.pull(`${registry.host}/acme/app:none`, options(ALICE))), 'IMAGE_NOT_FOUND')
  assert.equal((await store.verify(image.digest, AbortSignal.timeout(60_000))).isIntact, true)
})

test('two registries with a user each, one store: each gets what its own registry gives it', async () => {
  const [first, second] = [await startRegistry('alices', [ALICE]), await startRegistry('mallorys', [MALLORY])]
  const layout = writeLayout(join(directory, 'layout-two'), built)
  push(first.host, layout, 'acme/private:1', ALICE)
  const store = storeFor('store-two', first.host, second.host)
  const image = await store.pull(`${first.host}/acme/private:1`, options(ALICE))
  assert.equal(await outcomeOf(store.pull(`${first.host}/acme/private:1`, options(MALLORY))), 'IMAGE_ACCESS_DENIED')
  assert.equal(await outcomeOf(store.pull(`${second.host}/acme/private:1`, options(MALLORY))), 'IMAGE_NOT_FOUND')
  push(second.host, layout, 'mallory/own:1', MALLORY)
  assert.equal((await store.pull(`${second.host}/mallory/own:1`, options(MALLORY))).digest, image.digest)
})

test('an index leads to the manifest of this machine, whose digest is recorded', async () => {
  const registry = await startRegistry('three', [ALICE])
  const many = buildImage({
    layers: [tar([file('one')])],
    wrap: (manifest, add) => {
      const platform = { os: 'linux', architecture: { x64: 'amd64', arm64: 'arm64' }[process.arch as 'x64'] }
      return { mediaType: INDEX, ...add(json({ schemaVersion: 2, mediaType: INDEX, manifests: [{ ...manifest, platform }] })) }
    },
  })
  push(registry.host, writeLayout(join(directory, 'layout-three'), many), 'acme/many:1', ALICE, '--all')
  const image = await storeFor('store-three', registry.host).pull(`${registry.host}/acme/many:1`, options(ALICE))
  assert.equal(image.digest, digestOf(many.manifest))
})

test('a registry whose certificate nobody vouches for gets no credentials', async () => {
  const registry = await startRegistry('four', [ALICE])
  const store = openImageStore(join(directory, 'store-four'))
  assert.equal(await outcomeOf(store.pull(`${registry.host}/acme/app:1`, options(ALICE))), 'IMAGE_TRANSFER_FAILED')
})
