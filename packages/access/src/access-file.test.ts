// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { AccessError } from './access-error.ts'
import { entriesOf, parseAccessFile } from './access-file.ts'
import { parseOperatorFile } from './operator-file.ts'
import { parseRule } from './rule-syntax.ts'

const parse = (text: string): ReturnType<typeof parseAccessFile> => parseAccessFile('sallyport.yml', text)

async function problemsOf(text: string, read: (text: string) => Promise<unknown> = parse): Promise<readonly string[]> {
  const error = await read(text).then(
    () => null,
    (thrown: unknown) => thrown,
  )
  assert.ok(error instanceof AccessError, String(error))
  return error.message.split('\n')
}

describe('sallyport.yml', () => {
  it('is read as the repository’s requests, by job and step', async () => {
    const file = await parse(`version: 1
image: host
isolation: oci
limits: { cpu: 2, memory: 4GiB, pids: 512, disk: 10GiB, time: 30m }
egress: [all.test]
jobs:
  build:
    egress:
      - preset: npm
      - job.test:22
    steps:
      publish: { egress: [step.test] }
  test-2: {}
`)
    assert.equal(file.isolation, 'oci')
    assert.deepEqual(file.limits, { cpu: 2, memoryBytes: 4 * 2 ** 30, pids: 512, diskBytes: 10 * 2 ** 30, timeMs: 1_800_000 })
    const texts = entriesOf(file).map((entry) => (entry.kind === 'rule' ? entry.rule.origin : entry.preset.origin))
    assert.deepEqual(
      texts.map(({ line, column, text }) => [line, column, text]),
      [
        [5, 10, 'all.test'],
        [9, 9, 'preset: npm'],
        [10, 9, 'job.test:22'],
        [12, 27, 'step.test'],
      ],
    )
    assert.deepEqual(
      file.jobs.map(({ id, steps }) => [id, steps.map((step) => step.id)]),
      [
        ['build', ['publish']],
        ['test-2', []],
      ],
    )
  })

  it('needs its version and nothing else', async () => {
    assert.deepEqual(await parse('version: 1'), {
      source: 'sallyport.yml',
      image: null,
      isolation: null,
      limits: {},
      sourceTree: null,
      egress: [],
      jobs: [],
      secrets: [],
    })
    assert.deepEqual(await problemsOf('egress: []'), [
      'sallyport.yml:1:1: the file does not say which version of the format it has (add version: 1)',
    ])
    assert.match((await problemsOf('version: 1.0'))[0] ?? '', /^sallyport\.yml:1:10: this release reads version 1/)
  })

  it('asks for a source that stays as it is, for all jobs or one', async () => {
    const file = await parse('version: 1\nsource: read-only\njobs: { build: { source: read-only }, test: {} }')
    assert.deepEqual([file.sourceTree, ...file.jobs.map(({ sourceTree }) => sourceTree)], ['read-only', 'read-only', null])
    assert.match((await problemsOf('version: 1\nsource: writable'))[0] ?? '', /^sallyport\.yml:2:9: .*read-only/)
  })

  it('is told all of its problems at once, each with its place and what would be right', async () => {
    const text = `version: 1
imag: host
egress:
  - { host: a.test, methds: [GET] }
  - "*.test"
jobs:
  build:
    egres: []
    steps: { publish: { egress: a.test } }
`
    assert.deepEqual(await problemsOf(text), [
      'sallyport.yml:2:1: the file has no key "imag" (did you mean "image"?)',
      'sallyport.yml:4:21: a rule has no key "methds" (did you mean "methods"?)',
      'sallyport.yml:5:5: *.test is a whole top-level domain (name the domain too: *.example.test)',
      'sallyport.yml:8:5: the job "build" has no key "egres" (did you mean "egress"?)',
      'sallyport.yml:9:33: egress has to be a list (write [a.test])',
    ])
  })

  it('names what comes with a later release as such', async () => {
    const texts = ['isolation: microvm']
    for (const text of texts) {
      const error = await parse(`version: 1\n${text}`).catch((thrown: unknown) => thrown)
      assert.ok(error instanceof AccessError)
      assert.deepEqual(
        error.problems.map(({ kind }) => kind),
        ['unsupported'],
        text,
      )
    }
  })

  it('suggests a host and a port only for what has both', async () => {
    assert.match((await problemsOf('version: 1\negress: [{ host: "a..test:22" }]')).join(), /write host: a\.\.test, port: 22/)
    const network = await problemsOf('version: 1\negress: [{ cidr: "::ffff:192.0.2.0/120", port: 22 }]')
    assert.match(network.join(), /write it as an IPv4 address/)
  })

  it('says how to write a star, which YAML takes for an alias', async () => {
    for (const text of ['egress: [*.example.test:443]', 'egress:\n  - *.example.test', 'egress: [{ host: *.example.test }]']) {
      assert.match((await problemsOf(`version: 1\n${text}`))[0] ?? '', /has to be in quotes/)
    }
  })

  it('has no wall that another line of it takes away', async () => {
    const around = `version: 1
egress: [ "*.example.test" ]
jobs:
  a:
    egress:
      - { host: api.example.test, methods: [GET] }
      - { host: api.example.test, port: 8443, methods: [GET] }
      - { host: other.test, methods: [GET] }
    steps: { s: { egress: [ { host: other.test, port: 80, path: /x }, { host: third.test, path: /x } ] } }
  b: { egress: [ third.test, { host: other.test, port: 80, protocol: tcp } ] }
`
    assert.deepEqual(await problemsOf(around), [
      'sallyport.yml:6:9: the methods and paths of this rule have no effect: \'"*.example.test"\' (sallyport.yml:2) lets everything through to api.example.test (take that rule away, or narrow it)',
    ])
  })

  it('cannot be a bomb, a riddle, or endless', async () => {
    const texts: Readonly<Record<string, string>> = {
      empty: '',
      comment: '# nothing',
      scalar: 'version',
      list: '- version: 1',
      twoDocuments: 'version: 1\n---\nversion: 1',
      alias: 'version: 1\nlimits: &a { cpu: 1 }\njobs: { a: *a }',
      bomb: `a: &a [x]\n${Array.from({ length: 30 }, (_, n) => `b${n}: &b${n} [*${n === 0 ? 'a' : `b${n - 1}`}, *${n === 0 ? 'a' : `b${n - 1}`}]`).join('\n')}`,
      mergeKey: 'version: 1\n<<: { egress: [] }',
      tag: 'version: !!int 1',
      ownTag: 'version: 1\negress: !rules []',
      keyTwice: 'version: 1\nversion: 1',
      keyOtherwiseTwice: 'version: 1\n"version": 1',
      listAsKey: 'version: 1\n? [egress]\n: []',
      nothing: 'version: 1\negress:',
      nullText: 'version: 1\negress: null',
      control: 'version: 1\negress: ["\\u0000"]',
      yaml11: '%YAML 1.1\n---\nversion: 0b1',
      deepFlow: `version: 1\negress: ${'['.repeat(100_000)}`,
      deepBlock: `version: 1\njobs:\n${Array.from({ length: 100 }, (_, n) => `${' '.repeat(n + 1)}a:`).join('\n')}`,
      errors: '}'.repeat(100_000),
      long: `version: 1\n#${'x'.repeat(300_000)}`,
      manyRules: `version: 1\negress:\n${'  - a.test\n'.repeat(1001)}`,
      prototype: 'version: 1\n__proto__: {}',
      jobId: 'version: 1\njobs: { "a b": {} }',
      stepId: 'version: 1\njobs: { a: { steps: { "1": {} } } }',
      isolation: 'version: 1\nisolation: none',
      limit: 'version: 1\nlimits: { memory: 1 }',
      limitKey: 'version: 1\nlimits: { inodes: 100000 }',
      limitSign: 'version: 1\nlimits: { cpu: -1 }',
    }
    for (const [name, text] of Object.entries(texts)) {
      const problems = await problemsOf(text)
      assert.ok(problems.length >= 1 && problems.length <= 101, `${name}: ${problems.length}`)
      for (const problem of problems) assert.match(problem, /^sallyport\.yml:\d+:\d+: \S/, name)
    }
  })

  it('may begin with a byte order mark and have any line ends', async () => {
    const file = await parse('\ufeffversion: 1\r\negress:\r\n  - a.test\r\n')
    assert.equal(entriesOf(file).length, 1)
    assert.equal((await problemsOf('version: 1\r\negress:\r\n  - a_b.test\r\n'))[0]?.slice(0, 20), 'sallyport.yml:3:5: "')
  })

  it('shows nothing of its text that could steer a terminal', async () => {
    const problems = await problemsOf('version: 1\n"\\e[2J": 1\negress: ["\\e[2J", { host: "\\u202e.test" }]')
    assert.doesNotMatch(problems.join('\n'), /[\u001b\u202e]/)
  })
})

describe('the operator’s file', () => {
  const read = (text: string): ReturnType<typeof parseOperatorFile> => parseOperatorFile('config.yml', text)

  it('is read as the ceiling', async () => {
    const file = await read(`version: 1
egress:
  allow: ["*.example.test", { cidr: 10.0.0.0/8, port: 5432 }]
  private: [10.0.0.0/8, "fd00::/8", 192.168.7.9]
  observe: true
  authorities: /etc/ssl/corp.pem
  nameServers: [192.0.2.53, "192.0.2.53:5353", "[2001:db8::53]:53"]
  hosts: { Git.example.test: [10.0.0.7, "2001:DB8::7"] }
  budget: { out: 1GiB }
limits: { memory: 8GiB }
`)
    assert.equal(file.egress.allow?.length, 2)
    const { allow, ...egress } = file.egress
    assert.ok(allow !== null)
    assert.deepEqual(egress, {
      private: ['10.0.0.0/8', 'fd00::/8', '192.168.7.9/32'],
      observe: true,
      authorities: ['/etc/ssl/corp.pem'],
      nameServers: ['192.0.2.53', '192.0.2.53:5353', '[2001:db8::53]:53'],
      hosts: { 'git.example.test': ['10.0.0.7', '2001:db8::7'] },
      bytesOut: 2 ** 30,
    })
    assert.deepEqual(file.limits, { memoryBytes: 8 * 2 ** 30 })
  })

  it('says of each of the host’s logs whether jobs run without', async () => {
    assert.deepEqual((await read('version: 1')).hostLogs, { kernel: 'available', auth: 'available', journal: 'available' })
    assert.deepEqual((await read('version: 1\nhostLogs: off')).hostLogs, { kernel: 'off', auth: 'off', journal: 'off' })
    const file = await read('version: 1\nhostLogs: { kernel: required, journal: off }')
    assert.deepEqual(file.hostLogs, { kernel: 'required', auth: 'available', journal: 'off' })
    const problems = await problemsOf('version: 1\nhostLogs: { kernel: need, journald: off }', read)
    assert.deepEqual(
      problems.map((problem) => problem.split(': ')[0]),
      ['config.yml:2:21', 'config.yml:2:27'],
    )
    assert.equal((await problemsOf('version: 1\nhostLogs: yes', read)).length, 1)
  })

  it('says how well jobs are kept apart at least, and where a runtime is', async () => {
    assert.deepEqual((await read('version: 1')).isolation, { minimum: 'oci', runsc: null })
    assert.deepEqual((await read('version: 1\nisolation: gvisor')).isolation, { minimum: 'gvisor', runsc: null })
    const file = await read('version: 1\nisolation: { minimum: gvisor, runsc: /opt/runsc }')
    assert.deepEqual(file.isolation, { minimum: 'gvisor', runsc: '/opt/runsc' })
    for (const text of ['auto', 'none', '[gvisor]', '{ minimum: strong }', '{ runsc: runsc }', '{ least: gvisor }'])
      assert.equal((await problemsOf(`version: 1\nisolation: ${text}`, read)).length, 1, text)
  })

  it('tells no ceiling from one that lets nothing through', async () => {
    assert.equal((await read('version: 1')).egress.allow, null)
    assert.equal((await read('version: 1\negress: { observe: false }')).egress.allow, null)
    assert.deepEqual((await read('version: 1\negress: { allow: [] }')).egress.allow, [])
    assert.equal((await problemsOf('version: 1\negress: { allow: }', read)).length, 1)
  })

  it('is told all of its problems', async () => {
    const problems = await problemsOf(
      `version: 1
egress:
  alow: []
  private: [10.0.0.1/8, "::ffff:10.0.0.0/104", intranet.test]
  observe: yes
  authorities: [corp.pem]
  nameServers: [dns.test, "192.0.2.53:0", "2001:db8::53", "[192.0.2.53]:53", "192.0.2.53:99999"]
  hosts: { "*.a.test": 10.0.0.1, b_c.test: 10.0.0.1, d.test: 10.0.0 }
  budget: { in: 1MiB }
image: host
`,
      read,
    )
    assert.deepEqual(
      problems.map((problem) => problem.split(': ')[0]),
      ['3:3', '4:13', '4:25', '4:48', '5:12', '6:17', '7:17', '7:27', '7:43', '7:59', '7:78', '8:12', '8:34', '8:62', '9:13', '10:1'].map(
        (at) => `config.yml:${at}`,
      ),
    )
    const error = await read('version: 2').catch((thrown: unknown) => thrown)
    assert.equal(error instanceof AccessError && error.code, 'ACCESS_CEILING_INVALID')
  })
})

describe('a rule of the command line', () => {
  it('has the option as its origin', () => {
    const { origin, ports, protocol } = parseRule('example.test', '--allow')
    assert.deepEqual(origin, { source: '--allow', line: null, column: null, text: 'example.test' })
    assert.deepEqual([ports, protocol], [[{ first: 443, last: 443 }], 'tls'])
  })

  it('is refused with the option and what would be right', () => {
    for (const text of ['', '*', 'https://example.test', '{ host: example.test }', '- example.test', 'a.test:0', 'preset: npm']) {
      assert.throws(() => parseRule(text, '--allow'), { name: 'AccessError', code: 'ACCESS_RULE_INVALID', message: /^--allow:1:1: / })
    }
  })
})
