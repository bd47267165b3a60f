// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, readdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { PresetHosts } from '@sallyport/access'
import { makeDirectory } from './_temporary-directory.ts'
import { readPackageManagerSettings } from './config.ts'
import { parseAptSources, parseCargoConfig, parseMavenSettings } from './package-manager-files.ts'
import { endpointOf, gitEndpointOf, parseGoEnv, parseNpmConfig, parsePipConfig } from './package-manager-output.ts'
import { readPackageManagerHosts } from './package-managers.spawn.ts'

/** `protocol host:port` of each. */
function placesOf({ endpoints }: PresetHosts): string[] {
  return endpoints.map(({ protocol, host, port }) => `${protocol} ${host}:${port}`)
}

test('of a URL the host, the port and the protocol are taken, and nothing else', () => {
  for (const [url, place] of [
    ['https://Registry.Test/npm/', { host: 'registry.test', port: 443, protocol: 'tls' }],
    ['https://user:hunter2@registry.test.:8443/x', { host: 'registry.test', port: 8443, protocol: 'tls' }],
    ['http://[2001:db8::1]/', { host: '2001:db8::1', port: 80, protocol: 'http' }],
    ['git://git.test/x', { host: 'git.test', port: 9418, protocol: 'tcp' }],
    ['file:///srv/wheels', null],
    ['/srv/wheels', null],
    ['https://', null],
  ] as const)
    assert.deepEqual(endpointOf(url), place, url)
})

test('npm: the registry, and those of scopes; the same one once', () => {
  const config = {
    registry: 'https://npm.test/',
    '@acme:registry': 'http://npm.acme.test:4873/',
    '@more:registry': 'https://npm.test/more/',
    'metrics-registry': 'https://metrics.test/',
  }
  assert.deepEqual(placesOf(parseNpmConfig(JSON.stringify(config))), ['tls npm.test:443', 'http npm.acme.test:4873'])
  assert.equal(parseNpmConfig('{"registry":null}').problems.length, 1)
})

const PIP_DEFAULTS = 'https://index.test/simple\nfiles.test\n'

test('pip: its own default, unless it is configured', () => {
  assert.deepEqual(placesOf(parsePipConfig("global.cert='/etc/ca.pem'\n", PIP_DEFAULTS)), ['tls index.test:443', 'tls files.test:443'])
  const configured = "global.index-url='https://mirror.test/simple'\nglobal.extra-index-url='\\nhttps://a.test/s\\nhttps://b.test/s'\n"
  assert.deepEqual(placesOf(parsePipConfig(configured, PIP_DEFAULTS)), ['tls mirror.test:443', 'tls a.test:443', 'tls b.test:443'])
})

test('pip: the environment wins over a file, and a local directory is no host', () => {
  const text = ":env:.index-url='https://env.test/s'\n:env:.find-links='/opt/wheels'\nglobal.index-url='https://file.test/s'\n"
  assert.deepEqual(placesOf(parsePipConfig(text, PIP_DEFAULTS)), ['tls env.test:443'])
  const offline = parsePipConfig(":env:.no-index='1'\n", PIP_DEFAULTS)
  assert.deepEqual(offline, { endpoints: [], problems: [] })
  assert.equal(parsePipConfig('', '').problems.length, 1)
})

test('go: proxies and the checksum database; "direct" alone needs the names of hosts', () => {
  assert.deepEqual(placesOf(parseGoEnv('https://proxy.test|https://second.test,direct\nsum.test\n')), [
    'tls proxy.test:443',
    'tls second.test:443',
    'tls sum.test:443',
  ])
  assert.deepEqual(placesOf(parseGoEnv('off\nsum.test+1234+key https://mirror.test/sum\n')), ['tls mirror.test:443'])
  const direct = parseGoEnv('direct\noff\n')
  assert.deepEqual(direct.endpoints, [])
  assert.match(direct.problems.join(), /name each of them/)
})

const CARGO = `
[source.crates-io]
replace-with = "mirror"   # not the default

[source.mirror]
registry = "sparse+https://cargo.test/index/"

[registries]
acme = { index = "https://acme.test/git", token = "x" }
[registries."other"]
index = 'ssh://git@git.test/index.git'
`

test('cargo: what replaces its default registry, and other registries', () => {
  const hosts = parseCargoConfig(CARGO)
  assert.deepEqual(placesOf(hosts), ['tls cargo.test:443', 'tls acme.test:443', 'ssh git.test:22'])
  assert.deepEqual(hosts.problems, [])
  assert.deepEqual(placesOf(parseCargoConfig('source.crates-io.replace-with = "m"\nsource.m.registry = "https://m.test/"\n')), [
    'tls m.test:443',
  ])
  assert.match(parseCargoConfig('').problems.join(), /name the hosts/)
})

test('cargo: sources that replace each other in a circle end', () => {
  const text =
    '[source.crates-io]\nreplace-with="a"\n[source.a]\nreplace-with="b"\n[source.b]\nreplace-with="a"\nregistry="https://b.test"\n'
  assert.deepEqual(placesOf(parseCargoConfig(text)), ['tls b.test:443'])
})

test('maven: mirrors, and the repositories of profiles', () => {
  const text = `<settings><!-- <mirror><url>https://old.test</url></mirror> -->
    <mirrors><mirror><id>m</id><url>https://maven.test/repo?a=1&amp;b=2</url></mirror></mirrors>
    <profiles><profile><repositories><repository><url> http://more.test:8081/x </url></repository></repositories></profile></profiles></settings>`
  assert.deepEqual(placesOf(parseMavenSettings(text)), ['tls maven.test:443', 'http more.test:8081'])
  assert.match(parseMavenSettings('').problems.join(), /name it/)
})

test('apt: one source a line, and deb822 with what is switched off', () => {
  const list =
    '# deb http://no.test/ x y\ndeb [signed-by=/k arch=amd64] http://one.test/debian stable main\ndeb-src https://two.test/ x y\ndeb cdrom:[x]/ y\n'
  const sources = `Types: deb
# a comment
URIs: http://three.test/debian
 https://four.test/
Suites: stable

Enabled: no
URIs: https://off.test/
`
  const files = [
    { name: 'sources.list', text: list },
    { name: 'x.sources', text: sources },
  ]
  assert.deepEqual(placesOf(parseAptSources(files)), ['http one.test:80', 'tls two.test:443', 'http three.test:80', 'tls four.test:443'])
  assert.equal(parseAptSources([]).problems.length, 1)
})

test('git: remotes in all forms that git knows', () => {
  for (const [url, place] of [
    ['git@git.test:acme/x.git', 'ssh git.test:22'],
    ['git.test:acme/x', 'ssh git.test:22'],
    ['ssh://git@git.test:2222/acme/x', 'ssh git.test:2222'],
    ['https://token@git.test/acme/x', 'tls git.test:443'],
    ['/srv/git/x', null],
    ['../x', null],
    ['./a:b', null],
    ['file:///srv/x', null],
    ['ext::sh -c evil', null],
  ] as const) {
    const endpoint = gitEndpointOf(url)
    assert.equal(endpoint === null ? null : `${endpoint.protocol} ${endpoint.host}:${endpoint.port}`, place, url)
  }
})

/** A directory with a program that prints this, and settings that find nothing else. */
function settingsWith(directory: string): ReturnType<typeof readPackageManagerSettings> {
  return readPackageManagerSettings({ PATH: `${directory}:/usr/bin:/bin`, HOME: directory })
}

test('a package manager is asked outside of the repository, in a directory that ends its search for a project', async (t) => {
  const script = '#!/bin/sh\nread -r line && exit 9\n[ -e package.json ] && [ -e go.mod ] && printf \'{"registry":"https://npm.test/"}\'\n'
  const directory = makeDirectory(t, { npm: script })
  chmodSync(join(directory, 'npm'), 0o755)
  assert.deepEqual(placesOf(await readPackageManagerHosts('npm', null, settingsWith(directory))), ['tls npm.test:443'])
})

test('no program of the repository is asked, whatever PATH says, and none of its code is loaded', async (t) => {
  const repository = makeDirectory(t, {
    'node_modules/.bin/npm': '#!/bin/sh\ntouch "$(dirname "$0")/../../sprung"\necho \'{"registry":"https://evil.test/"}\'\n',
    'pip.py': 'open(__file__ + ".sprung", "w")\n',
  })
  chmodSync(join(repository, 'node_modules/.bin/npm'), 0o755)
  const own = makeDirectory(t, { npm: '#!/bin/sh\necho \'{"registry":"https://npm.test/"}\'\n' })
  chmodSync(join(own, 'npm'), 0o755)
  const link = join(makeDirectory(t), 'link')
  symlinkSync(join(repository, 'node_modules/.bin'), link)
  const settings = readPackageManagerSettings({
    PATH: `${repository}/node_modules/.bin:${link}:node_modules/.bin:.::${own}:/usr/bin:/bin`,
    HOME: own,
    PYTHONPATH: repository,
    NODE_OPTIONS: `--require=${repository}/pip.py`,
  })
  assert.deepEqual(placesOf(await readPackageManagerHosts('npm', repository, settings)), ['tls npm.test:443'])
  await readPackageManagerHosts('pip', repository, settings)
  assert.deepEqual(readdirSync(repository).sort(), ['node_modules', 'pip.py'])
})

test('a package manager that is missing, or does not answer as it should, is a problem and no exception', async (t) => {
  const directory = makeDirectory(t, {
    npm: '#!/bin/sh\necho no >&2\necho broken by https://me:hunter2@npm.test/ >&2\nexit 1\n',
    go: '#!/bin/sh\necho\n',
  })
  for (const name of ['npm', 'go']) chmodSync(join(directory, name), 0o755)
  const settings = settingsWith(directory)
  assert.match((await readPackageManagerHosts('npm', null, settings)).problems.join(), /broken by https:\/\/npm\.test\//)
  assert.match((await readPackageManagerHosts('go', null, settings)).problems.join(), /name each of them/)
  const empty = { ...settings, environment: { PATH: makeDirectory(t) } }
  assert.match((await readPackageManagerHosts('pip', null, empty)).problems.join(), /not installed here/)
})

test('configuration files are read below the home directory, and a FIFO in the place of one is a problem', async (t) => {
  const directory = makeDirectory(t, { '.cargo/config.toml': CARGO, '.m2/x': '' })
  assert.deepEqual(placesOf(await readPackageManagerHosts('cargo', null, settingsWith(directory))).length, 3)
  execFileSync('mkfifo', [join(directory, '.m2/settings.xml')])
  assert.match((await readPackageManagerHosts('maven', null, settingsWith(directory))).problems.join(), /not a regular file/)
})

test('the remotes of a repository are read without its configuration taking effect', async (t) => {
  const config =
    '[include]\npath = ../evil\n[remote "origin"]\nurl = git@git.test:a/b\npushurl = https://push.test/a/b\n[remote "local"]\nurl = /srv/x\n'
  const repository = makeDirectory(t)
  execFileSync('git', ['init', '-q', repository], { env: { PATH: process.env['PATH'], HOME: repository } })
  execFileSync('sh', ['-c', 'cat >> "$0/.git/config"', repository], { input: config })
  assert.deepEqual(placesOf(await readPackageManagerHosts('git', repository)), ['ssh git.test:22', 'tls push.test:443'])
  assert.match((await readPackageManagerHosts('git', null)).problems.join(), /no repository/)
})

test('what npm hands on to its scripts, a repository could have chosen', () => {
  const env = { PATH: '/bin', npm_execpath: '/npm', npm_config_registry: 'https://evil.test', NPM_CONFIG_X: '1', NPM_TOKEN: 't' }
  assert.deepEqual(readPackageManagerSettings(env).environment, { PATH: '/bin', npm_execpath: '/npm', NPM_TOKEN: 't' })
  const own = { npm_config_registry: 'https://mine.test' }
  assert.deepEqual(readPackageManagerSettings(own).environment, own)
})
