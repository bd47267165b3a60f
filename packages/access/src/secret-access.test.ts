// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { AccessError } from './access-error.ts'
import { type AccessFile, parseAccessFile } from './access-file.ts'
import { canonicalAsk } from './canonical-ask.ts'
import { decideConnection } from './decide.ts'
import { decideSecret } from './decide-secret.ts'
import { asksOf } from './describe.ts'
import { type OperatorFile, parseOperatorFile } from './operator-file.ts'
import { requestSet, terminatingSet } from './rule-sets.ts'
import type { GrantFacts } from './secret-contract.ts'

const FILE = `version: 1
egress: [packages.example.test:443]
jobs:
  build:
    steps:
      publish:
        secrets:
          PACKAGE_TOKEN: { deliver: placeholder, in: { header: authorization }, methods: [PUT], when: { refs: [refs/heads/main, refs/tags/*], events: [push] } }
          KEY: { deliver: file, as: KEY_FILE }
      test:
        secrets: { GIVEN_ONE: {} }
secrets:
  PACKAGE_TOKEN: { from: openbao, path: kv/ci/packages#token, hosts: [packages.example.test] }
  KEY: { from: store, path: signing-key }
  given_one: { hosts: ['*.example.test'] }
`

const CEILING = `version: 1
providers:
  openbao: { kind: vault, address: 'https://bao.example.test:8200', auth: { method: approle, role-id: r } }
secrets:
  allow:
    - { from: openbao, paths: [kv/ci/**], repositories: [acme/*], deliver: placeholder, when: { refs: [refs/heads/main] } }
`

const facts: GrantFacts = {
  repository: 'acme/app',
  ref: 'refs/heads/main',
  event: 'push',
  environment: null,
  actor: 'someone',
  isForkPullRequest: false,
}

async function decide(
  question: { step?: string | null; job?: string; secret?: string; facts?: Partial<GrantFacts>; operator?: OperatorFile } = {},
): Promise<string> {
  const file = await parseAccessFile('sallyport.yml', FILE)
  const { step = 'publish', job = 'build', secret = 'PACKAGE_TOKEN', operator = null } = question
  const decision = decideSecret({ file, operator, job, step, secret, facts: { ...facts, ...question.facts } })
  return decision.granted ? 'granted' : decision.code
}

async function problemsOf(parse: Promise<unknown>): Promise<readonly string[]> {
  try {
    await parse
  } catch (error) {
    if (error instanceof AccessError) return error.problems.map(({ message }) => message)
    throw error
  }
  return []
}

const withSecrets = (declaration: string, grant: string): Promise<AccessFile> =>
  parseAccessFile(
    'sallyport.yml',
    `version: 1\njobs: { a: { steps: { b: { secrets: { T: ${grant} } } } } }\nsecrets: { T: ${declaration} }\n`,
  )

describe('secrets of an access file', () => {
  it('are granted to the steps that it names, with their conditions', async () => {
    assert.equal(await decide(), 'granted')
    assert.equal(await decide({ secret: 'KEY' }), 'granted')
    assert.equal(await decide({ step: 'test', secret: 'GIVEN_ONE' }), 'granted')
    assert.equal(await decide({ step: 'test' }), 'not-granted')
    assert.equal(await decide({ step: null }), 'not-granted')
    assert.equal(await decide({ job: 'other' }), 'not-granted')
    assert.equal(await decide({ secret: 'OTHER' }), 'undeclared')
    assert.equal(await decide({ facts: { ref: 'refs/tags/v1' } }), 'granted')
    assert.equal(await decide({ facts: { ref: 'refs/tags/a/b' } }), 'condition')
    assert.equal(await decide({ facts: { ref: 'refs/heads/main/../main' } }), 'condition')
    assert.equal(await decide({ facts: { ref: null } }), 'condition')
    assert.equal(await decide({ facts: { event: 'pull_request' } }), 'condition')
  })

  it("are not granted to a fork's pull request, whatever the file says", async () => {
    for (const secret of ['PACKAGE_TOKEN', 'KEY']) assert.equal(await decide({ secret, facts: { isForkPullRequest: true } }), 'fork')
  })

  it('end at the ceiling: provider, path, repository, delivery and conditions', async () => {
    const operator = await parseOperatorFile('config.yml', CEILING)
    assert.equal(await decide({ operator }), 'granted')
    assert.equal(await decide({ operator, facts: { ref: 'refs/tags/v1' } }), 'ceiling')
    assert.equal(await decide({ operator, facts: { repository: 'evil/app' } }), 'ceiling')
    assert.equal(await decide({ operator, facts: { repository: null } }), 'ceiling')
    assert.equal(await decide({ operator, secret: 'KEY' }), 'ceiling')
    assert.equal(await decide({ operator, step: 'test', secret: 'GIVEN_ONE' }), 'granted')
    const elsewhere = await parseOperatorFile('config.yml', CEILING.replace('kv/ci/**', 'kv/prod/**'))
    assert.equal(await decide({ operator: elsewhere }), 'ceiling')
    const inFile = await parseOperatorFile('config.yml', CEILING.replace('deliver: placeholder', 'deliver: [file, fd]'))
    assert.equal(await decide({ operator: inFile }), 'ceiling')
  })

  it('are what somebody approves: every word of them counts', async () => {
    const file = await parseAccessFile('sallyport.yml', FILE)
    assert.deepEqual(
      asksOf(file).map(({ text }) => text),
      [
        'packages.example.test:443 (tls)',
        'secret PACKAGE_TOKEN from openbao:kv/ci/packages#token, as a placeholder in header authorization to packages.example.test PUT, on refs/heads/main refs/tags/*, for push',
        'secret KEY from store:signing-key, as a file, in the variable KEY_FILE',
        'secret GIVEN_ONE from given, as a placeholder in header authorization to *.example.test',
      ],
    )
    const others = [
      ['kv/ci/packages#token', 'kv/ci/packages#other'],
      ['[packages.example.test] }', '[packages.example.test, evil.example.test] }'],
      ['deliver: file', 'deliver: env'],
      ['refs/tags/*', 'refs/tags/**'],
      ['methods: [PUT], ', ''],
      ['as: KEY_FILE', 'as: OTHER'],
      ['path: signing-key', 'path: signing-key, version: 3'],
      ['path: signing-key', 'path: signing-key, parameters: { a: b }'],
    ].map(([from = '', to = '']) => parseAccessFile('sallyport.yml', FILE.replace(from, to)))
    const forms = (await Promise.all([file, ...others])).map(canonicalAsk)
    assert.equal(new Set(forms).size, others.length + 1)
  })

  it('are refused with what is wrong', async () => {
    const cases: readonly (readonly [declaration: string, grant: string, problem: RegExp])[] = [
      ['{}', '{}', /names no hosts/],
      ['{ path: a }', '{ deliver: env }', /no provider/],
      ['{ from: store }', '{ deliver: env }', /does not say where/],
      ['{ from: store, path: ../a }', '{ deliver: env }', /no path of a secret/],
      ['{ from: store, path: "a#" }', '{ deliver: env }', /field is missing/],
      ['{ hosts: ["*"] }', '{ deliver: placeholder }', /every host/],
      ['{}', '{ deliver: mail }', /deliver cannot be/],
      ['{}', '{ deliver: placeholder }', /names no hosts/],
      ['{}', '{ deliver: file, in: { header: a } }', /is said of a placeholder/],
      ['{ hosts: [a.test] }', '{ in: { header: a, query: b } }', /one place/],
      ['{ hosts: [a.test] }', '{ in: { header: "a b" } }', /one place/],
      ['{ hosts: [a.test] }', '{ as: "A B" }', /name of a variable/],
      ['{ hosts: [a.test] }', '{ when: { refs: [/refs] } }', /cannot be one of refs/],
      ['{ hosts: [a.test] }', '{ when: { ref: a } }', /has no key "ref"/],
    ]
    for (const [declaration, grant, problem] of cases)
      assert.match((await problemsOf(withSecrets(declaration, grant))).join('\n'), problem, `${declaration} ${grant}`)
    const file = (text: string): Promise<unknown> => parseAccessFile('f', `version: 1\n${text}\n`)
    assert.match((await problemsOf(file('secrets: { a: {}, A: {} }'))).join(), /declared twice/)
    assert.match((await problemsOf(file('secrets: { GITHUB_TOKEN: {} }'))).join(), /cannot be the name/)
    assert.match((await problemsOf(file('jobs: { a: { steps: { b: { secrets: { T: {} } } } } }'))).join(), /not declared/)
    assert.match((await problemsOf(file('jobs: { a: { secrets: {} } }'))).join(), /granted to a step/)
  })

  it('of the operator are refused with what is wrong', async () => {
    const file = (text: string): Promise<unknown> => parseOperatorFile('f', `version: 1\n${text}\n`)
    assert.match((await problemsOf(file('providers: { store: { kind: vault } }'))).join(), /there already/)
    assert.match((await problemsOf(file('providers: { Bao: { kind: vault } }'))).join(), /name of a provider/)
    assert.match((await problemsOf(file('providers: { bao: {} }'))).join(), /has no kind/)
    assert.match((await problemsOf(file('secrets: { allow: [{ from: bao }] }'))).join(), /which paths/)
    assert.match((await problemsOf(file('secrets: {}'))).join(), /allows nothing/)
  })
})

describe('terminatingSet', () => {
  it('ends TLS where a placeholder is put in, and nowhere else', async () => {
    const file = await parseAccessFile('f', 'version: 1\negress: [a.example.test:443, b.example.test:443]\n')
    const set = requestSet({ file, source: 'f', allow: [], job: null, step: null, observes: false })
    const terminating = terminatingSet(set, [{ kind: 'exact', name: 'a.example.test' }])
    const terminates = (name: string): unknown => {
      const decision = decideConnection([terminating], { name, address: null, port: 443, transport: 'tcp', executable: null })
      return decision.allowed && decision.terminates
    }
    assert.deepEqual([terminates('a.example.test'), terminates('b.example.test')], [true, false])
  })
})

describe('rotation in the file of the operator', () => {
  const entriesOf = async (yaml: string): Promise<unknown> =>
    (await parseOperatorFile('config.yml', `version: 1\nrotation: [${yaml}]\n`)).rotation

  it('says which secret, how old it may get, and how it is replaced', async () => {
    const [plain, hooked] = (await entriesOf(
      "{ from: openbao, path: database/static-creds/app, every: 30d }, { from: aws, path: 'a#b', every: 2w, hook: /h, generate: 20 }",
    )) as Record<string, unknown>[]
    assert.deepEqual(
      { ...plain, at: 0 },
      { at: 0, provider: 'openbao', path: 'database/static-creds/app', field: null, everyMs: 30 * 86_400e3, hook: null, generate: null },
    )
    assert.deepEqual(
      { ...hooked, at: 0 },
      { at: 0, provider: 'aws', path: 'a', field: 'b', everyMs: 14 * 86_400e3, hook: '/h', generate: 20 },
    )
  })

  for (const flawed of [
    '{ from: openbao, path: kv/a }',
    '{ from: openbao, every: 3d }',
    '{ from: openbao, path: /kv/a, every: 3d }',
    '{ from: openbao, path: kv/a, every: 3m }',
    '{ from: openbao, path: kv/a, every: 0d }',
    '{ from: openbao, path: kv/a, every: 3d, hook: h }',
    '{ from: openbao, path: kv/a, every: 3d, generate: 15 }',
    '{ from: openbao, path: kv/a, every: 3d, hooks: /h }',
  ])
    it(`refuses ${flawed}`, () => assert.rejects(entriesOf(flawed), { code: 'ACCESS_CEILING_INVALID' }))
})
