// SPDX-License-Identifier: Apache-2.0
// Real clients through the gate to real servers: what a build uses must work when its door is named, and tell why when it is not.
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { assertNothingLeft } from '../_host.ts'
import { Internet } from '../_internet/internet.ts'
import { publishDebianPackage, publishGitRepository, publishNpmPackage, publishWheel } from '../_internet/packages.ts'
import { NPM_PROJECT, NPM_SCRIPT, PIP_SCRIPT } from '../_internet/projects.ts'
import { type JsonRun, World } from '../_world.ts'

const world = new World()
let internet: Internet
let bareRepository: string

before(async () => {
  internet = await Internet.start()
  publishNpmPackage(internet.root)
  publishWheel(internet.root)
  publishDebianPackage(internet.root)
  bareRepository = publishGitRepository(internet.root)
})
after(async () => {
  await internet[Symbol.asyncDispose]()
  await world[Symbol.asyncDispose]()
})

/** One job with these rules and this script, in a checkout that holds the origins' authority as `ca.pem`. */
async function job(rules: string, script: string, files: Readonly<Record<string, string>> = {}): Promise<JsonRun> {
  const repository = world.workflow(
    `on: push
jobs:
  build:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - id: work
        run: bash ./script.sh
`,
    {
      'ca.pem': readFileSync(internet.certificates.authority, 'utf8'),
      'script.sh': script,
      'sallyport.yml': `version: 1\negress:\n${rules}\n`,
      ...files,
    },
  )
  return world.runJson(repository, ['--config', internet.operatorFile()], { wrap: internet.wrap })
}

// apt asks for the service first (SRV): that is no door.
const isService = ({ target }: { readonly target: string }): boolean => target.startsWith('_')

const SSH = 'ssh -i key -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR'

const aptScript = (scheme: 'http' | 'https'): string => `echo 'deb [trusted=yes] ${scheme}://deb.test/debian /' > /tmp/sources.list
options='-o Dir::Etc::SourceList=/tmp/sources.list -o Dir::Etc::SourceParts=/dev/null -o APT::Sandbox::User=root -o Acquire::Retries=0'
sudo apt-get $options -q -o APT::Update::Error-Mode=any update && sudo apt-get $options -q -y install small-sum && echo "the sum is $(bash /usr/share/small-sum/sum.sh 2 3)"`

const succeeds = (run: JsonRun, expected: RegExp): void => {
  assert.equal(run.exitCode, 0, run.why)
  assert.match(run.output('build', '2'), expected)
}

describe('a named door is open for', () => {
  test('curl, over TLS and in clear', async () => {
    const run = await job(
      '  - web.test:443\n  - web.test:80',
      'curl -sS --cacert ca.pem https://web.test/title; curl -sS http://web.test/title',
    )
    succeeds(run, /^honest web\.test GET\nhonest web\.test GET$/m)
    const used = run.document.doors.used.map(({ job, step, host, port, bytesIn }) => [job, step, host, port, bytesIn > 0])
    assert.deepEqual(used, [
      ['build', '2', 'web.test', 443, true],
      ['build', '2', 'web.test', 80, true],
    ])
    assert.deepEqual(run.document.doors.refused, [])
    await assertNothingLeft(world)
  })

  test('git over HTTPS and over SSH', async () => {
    const key = readFileSync(join(internet.directory, 'ssh-client'), 'utf8')
    const run = await job(
      '  - git.test:443\n  - ssh.test:22',
      `git -c http.sslCAInfo=$PWD/ca.pem clone -q https://git.test/acme/library.git by-https && cat by-https/README.md
chmod 600 key
export GIT_SSH_COMMAND='${SSH}'
git clone -q --upload-pack 'git -c safe.directory=* upload-pack' ssh://root@ssh.test${bareRepository} by-ssh && cat by-ssh/README.md`,
      { key },
    )
    succeeds(run, /^a library\na library$/m)
    // git asks for the sandbox's own name, too.
    assert.deepEqual(run.document.doors.refused, [])
  })

  test('dig, over UDP and TCP, with an address that the gate makes up', async () => {
    const run = await job('  - web.test:443', 'dig +short web.test; dig +short +tcp web.test')
    succeeds(run, /^(198\.1[89]\.\d+\.\d+)\n\1$/m)
  })

  test('a host that has no address but of IPv6', async () => {
    const run = await job('  - six.test:80', 'curl -sS http://six.test/title')
    succeeds(run, /^honest six\.test GET$/m)
  })

  test('npm', async () => {
    const run = await job('  - registry.test:443', NPM_SCRIPT, NPM_PROJECT)
    succeeds(run, /the sum is 5/)
  })

  test('pip, whose index and files are on two hosts', async () => {
    const run = await job('  - pypi.test:443\n  - files.test:443', PIP_SCRIPT)
    succeeds(run, /the sum is 5/)
  })

  test('apt', async () => {
    const run = await job('  - deb.test:80', aptScript('http'))
    succeeds(run, /the sum is 5/)
  })

  test('openssl, which sees the origin’s own certificate', async () => {
    const run = await job(
      '  - web.test:443',
      'openssl s_client -connect web.test:443 -servername web.test -CAfile ca.pem -verify_return_error </dev/null',
    )
    succeeds(run, /Verify return code: 0 \(ok\)/)
    assert.match(run.output('build', '2'), /issuer=CN = Test Authority/)
  })

  test('UDP to one host and port', async () => {
    const run = await job(
      '  - { host: time.test, port: 123, protocol: udp }',
      `python3 -c "
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(3)
s.connect(('time.test', 123))
s.send(b'what time is it')
print(s.recv(100))
"`,
    )
    succeeds(run, /heard 15/)
  })

  test('a large upload, whole', async () => {
    const run = await job(
      '  - web.test:443\n  - web.test:80',
      `head -c 50000000 /dev/urandom > up
for scheme in https http; do curl -sS --cacert ca.pem -T up $scheme://web.test/upload; done`,
    )
    succeeds(run, /stored\nstored/)
    for (const { bytesOut } of run.document.doors.used) assert.ok(bytesOut > 50_000_000)
  })
})

describe('a terminated door', () => {
  const RULE = '  - { host: web.test, methods: [GET], path: /title }\n  - { host: registry.test, methods: [GET], path: /** }'

  test('is trusted by what builds use', async () => {
    const run = await job(
      RULE,
      `curl -sS https://web.test/title
node -e "fetch('https://web.test/title').then((r) => r.text()).then(console.log)"
python3 -c "import urllib.request; print(urllib.request.urlopen('https://web.test/title').read())"
openssl s_client -connect web.test:443 -servername web.test -verify_return_error </dev/null | grep 'Verify return code'
git ls-remote https://web.test/none 2>&1 | grep -i -e 403 -e 'not found' -e 'returned error'`,
    )
    succeeds(run, /honest web\.test GET\nhonest web\.test GET\n\nb'honest web\.test GET/)
    assert.match(run.output('build', '2'), /Verify return code: 0 \(ok\)/)
    assert.match(run.output('build', '2'), /403/)
  })

  test('is trusted by git, pip, wget and apt, also where the environment is empty', async () => {
    const run = await job(
      ['git', 'pypi', 'files', 'web', 'deb'].map((host) => `  - { host: ${host}.test, methods: [GET], path: /** }`).join('\n'),
      `git clone -q https://git.test/acme/library.git library && cat library/README.md
python3 -m pip install -q --break-system-packages --target packages --index-url https://pypi.test/simple/ small-sum==1.0
PYTHONPATH=packages python3 -c "import small_sum; print('the sum is', small_sum.add(2, 3))"
for program in 'wget -qO-' 'curl -sS'; do env -i PATH="$PATH" $program https://web.test/title; done
echo 'deb [trusted=yes] https://deb.test/debian /' > /tmp/sources.list
sudo apt-get -o Dir::Etc::SourceList=/tmp/sources.list -o Dir::Etc::SourceParts=/dev/null -o APT::Sandbox::User=root -q update`,
    )
    succeeds(run, /a library\n[\s\S]*the sum is 5\nhonest web\.test GET\nhonest web\.test GET\n[\s\S]*Get:\d https:\/\/deb\.test/)
  })

  const noJava = existsSync('/usr/bin/java') ? false : 'no Java on this machine'
  test('is trusted by Java, also where JAVA_TOOL_OPTIONS is somebody else’s', { skip: noJava }, async () => {
    const source = `public class Get { public static void main(String[] urls) throws Exception {
  var request = java.net.http.HttpRequest.newBuilder(java.net.URI.create(urls[0])).build();
  var answers = java.net.http.HttpResponse.BodyHandlers.ofString();
  System.out.print(java.net.http.HttpClient.newHttpClient().send(request, answers).body());
} }`
    const run = await job(
      RULE,
      'for options in "$JAVA_TOOL_OPTIONS" -Xmx200m; do JAVA_TOOL_OPTIONS=$options java Get.java https://web.test/title; done',
      {
        'Get.java': source,
      },
    )
    succeeds(run, /^honest web\.test GET\n[\s\S]*^honest web\.test GET$/m)
  })

  const go = ['/usr/local/go/bin/go', '/usr/bin/go'].find((path) => existsSync(path))
  test('is trusted by Go', { skip: go === undefined ? 'no Go on this machine' : false }, async () => {
    const source = `package main
import ("crypto/tls"; "fmt")
func main() { _, err := tls.Dial("tcp", "web.test:443", nil); fmt.Println("go says", err) }`
    const run = await job(RULE, `${go} run get.go`, { 'get.go': source })
    succeeds(run, /go says <nil>/)
  })

  test('carries npm', async () => {
    const files = { ...NPM_PROJECT, '.npmrc': 'registry=https://registry.test/\n' }
    const run = await job(RULE, NPM_SCRIPT, files)
    succeeds(run, /the sum is 5/)
    const requests = run.document.doors.used.flatMap((door) => door.requests.map(({ method, path }) => `${method} ${path}`))
    assert.ok(requests.includes('GET /tarballs/small-sum-1.0.0.tgz'), JSON.stringify(requests))
  })

  test('carries pip, git and apt', async () => {
    const run = await job(
      `  - { host: pypi.test, methods: [GET], path: /simple/small-sum/** }
  - { host: files.test, methods: [GET], path: /wheels/* }
  - { host: git.test, methods: [GET], path: /acme/library.git/** }
  - { host: deb.test, methods: [GET], path: /debian/** }`,
      `${PIP_SCRIPT.replace(' --cert ca.pem', '')}
git clone -q https://git.test/acme/library.git && cat library/README.md
${aptScript('https')}`,
    )
    succeeds(run, /the sum is 5\na library\n[\s\S]*the sum is 5/)
    for (const { host, requests } of run.document.doors.used) assert.notEqual(requests.length, 0, `${host} was not terminated`)
    assert.equal(run.document.doors.used.length, 4)
  })

  test('refuses what pip, git, npm and apt ask beyond it', async () => {
    const run = await job(
      `  - { host: pypi.test, methods: [GET], path: /simple/other/** }
  - { host: git.test, methods: [GET], path: /acme/** }
  - { host: registry.test, methods: [GET], path: /** }
  - { host: deb.test, methods: [GET], path: /ubuntu/** }`,
      `python3 -m pip download -q --retries 0 --no-deps --index-url https://pypi.test/simple/ small-sum==1.0 || echo pip was refused
git clone -q https://git.test/attacker/library.git || echo git was refused
echo '//registry.test/:_authToken=token' >> .npmrc; npm publish --fetch-retries=0 || echo npm was refused
(${aptScript('https')}) || echo apt was refused`,
      { ...NPM_PROJECT, '.npmrc': 'registry=https://registry.test/\n' },
    )
    succeeds(run, /pip was refused\n[\s\S]*git was refused\n[\s\S]*npm was refused\n[\s\S]*apt was refused/)
    const refused = new Set(
      run.document.doors.refused
        .filter((refusal) => !isService(refusal))
        .map(({ code, target }) => `${code} ${/[a-z]+\.test/.exec(target)?.[0]}`),
    )
    assert.deepEqual([...refused].toSorted(), ['method registry.test', 'path deb.test', 'path git.test', 'path pypi.test'])
  })

  test('answers what it refuses with the rule and the line to add', async () => {
    const run = await job(RULE, 'curl -sS -X POST -d x https://web.test/title; curl -sS https://web.test/other')
    const output = run.output('build', '2')
    assert.match(output, /sallyport\.yml/)
    assert.deepEqual(
      run.document.doors.refused.map(({ code }) => code),
      ['method', 'path'],
    )
  })
})

describe('a refused door', () => {
  const CLIENTS: Readonly<Record<string, string>> = {
    'git.test': 'git clone -q https://git.test/acme/library.git',
    'ssh.test': `GIT_SSH_COMMAND='${SSH}' git clone -q ssh://root@ssh.test/library.git`,
    'registry.test': 'npm ci --no-audit --no-fund --fetch-retries=0',
    'pypi.test': 'python3 -m pip download -q --retries 0 --index-url https://pypi.test/simple/ small-sum==1.0',
    'deb.test': aptScript('http'),
    'other.test': 'openssl s_client -connect other.test:443 -servername other.test < /dev/null',
    'api.test': 'dig +noall +comments api.test | grep NOERROR',
    'evil.test': 'curl -sS https://evil.test/',
  }
  test('makes each client fail, and says which', async () => {
    const script = Object.entries(CLIENTS).map(([host, command]) => `(${command}) && echo ${host} was reached`)
    const run = await job('  - web.test:443', `${script.join('\n')}\ntrue`, NPM_PROJECT)
    succeeds(run, /refused/)
    assert.doesNotMatch(run.output('build', '2'), /was reached/)
    for (const host of Object.keys(CLIENTS)) assert.match(run.output('build', '2'), new RegExp(`refused ${host.replace('.', '[.]')}`))
    const refused = new Set(
      run.document.doors.refused.filter((refusal) => !isService(refusal)).map(({ code, target }) => `${code} ${target}`),
    )
    assert.deepEqual(
      [...refused].toSorted(),
      Object.keys(CLIENTS)
        .map((host) => `no-rule ${host}`)
        .toSorted(),
    )
  })

  test('is named in the step’s log, with what to add and where', async () => {
    const run = await job('  - web.test:443', 'curl -sS -m 5 https://registry.test/ || echo curl says $?')
    assert.equal(run.exitCode, 0, run.why)
    const output = run.output('build', '2')
    assert.match(output, /refused registry\.test/)
    assert.match(output, /registry\.test.*sallyport\.yml|sallyport\.yml.*registry\.test/)
    assert.match(output, /curl says 6/)
    const [refusal] = run.document.doors.refused
    assert.deepEqual([refusal?.code, refusal?.job, refusal?.step], ['no-rule', 'build', '2'])
  })
})
