// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { AccessError } from './access-error.ts'
import { parseAccessFile } from './access-file.ts'
import { canonicalAsk } from './canonical-ask.ts'
import { decidePublish } from './decide-publish.ts'
import { asksOf } from './describe.ts'
import { parseOperatorFile } from './operator-file.ts'
import type { GrantFacts } from './secret-contract.ts'

const ENTRY =
  "{ name: package, path: dist/app.tgz, to: 'https://packages.example.test/acme/app.tgz', secret: TOKEN, when: { refs: [refs/tags/*] } }"
const fileOf = (entry: string): string => `version: 1
jobs:
  build:
    publish:
      - ${entry}
secrets:
  TOKEN: { from: store, path: ci/packages, hosts: ['*.example.test'] }
  OTHER: { hosts: [other.test] }
`

const facts: GrantFacts = {
  repository: 'acme/app',
  ref: 'refs/tags/v1',
  event: 'push',
  environment: null,
  actor: 'someone',
  isForkPullRequest: false,
}

async function problemOf(parse: Promise<unknown>): Promise<string> {
  const error = await parse.then(
    () => assert.fail('it was taken'),
    (thrown: unknown) => thrown,
  )
  assert.ok(error instanceof AccessError)
  return error.message
}

async function decide(changed: { facts?: Partial<GrantFacts>; operator?: string; entry?: string } = {}): Promise<string> {
  const file = await parseAccessFile('sallyport.yml', fileOf(changed.entry ?? ENTRY))
  const operator = changed.operator === undefined ? null : await parseOperatorFile('config.yml', `version: 1\n${changed.operator}\n`)
  const entry = file.jobs[0]?.publish[0] ?? assert.fail()
  const decision = decidePublish({ file, operator, entry, facts: { ...facts, ...changed.facts } })
  return decision.allowed ? `allowed ${decision.declaration?.name ?? 'without'}` : decision.code
}

describe('publish in an access file', () => {
  it('is what somebody approves, in words and in the digest', async () => {
    const file = await parseAccessFile('sallyport.yml', fileOf(ENTRY))
    assert.deepEqual(asksOf(file), [
      {
        job: 'build',
        step: null,
        text: 'publish dist/app.tgz as package: PUT https://packages.example.test/acme/app.tgz, with secret TOKEN from store:ci/packages in header authorization, on refs/tags/*',
        rule: 'sallyport.yml:5',
      },
    ])
    const changes = [
      ['dist/app.tgz', 'dist/b.tgz'],
      ['acme/app.tgz', 'acme/b.tgz'],
      ['packages.example', 'b.example'],
      ['name: package', 'name: b'],
      ['secret: TOKEN', 'secret: TOKEN, method: POST'],
      ['secret: TOKEN', 'secret: TOKEN, in: { header: x-token }'],
      ['refs/tags/*', 'refs/heads/*'],
      ['.test/', '.test:8443/'],
      ['https://packages.example.test/acme/app.tgz', 'oci://packages.example.test/acme/app:1.0'],
      ['https://packages.example.test/acme/app.tgz', 'oci://packages.example.test/acme/app:1.1'],
    ] as const
    const known = new Set([canonicalAsk(file)])
    for (const [from, to] of changes) known.add(canonicalAsk(await parseAccessFile('sallyport.yml', fileOf(ENTRY.replace(from, to)))))
    known.add(canonicalAsk(await parseAccessFile('sallyport.yml', fileOf(ENTRY).replace('ci/packages', 'ci/b'))))
    assert.equal(known.size, changes.length + 2, 'a change that is no other ask')
    const without = await parseAccessFile('sallyport.yml', 'version: 1\njobs: { build: {} }\n')
    assert.doesNotMatch(canonicalAsk(without), /publish/)
  })

  const wrong: readonly (readonly [string, string, RegExp])[] = [
    ['a path out of the workspace', ENTRY.replace('dist/app.tgz', 'dist/../../x'), /is no path of a file in the workspace/],
    ['an absolute path', ENTRY.replace('dist/app.tgz', '/etc/passwd'), /is no path of a file in the workspace/],
    ['clear text', ENTRY.replace('https:', 'http:'), /is no address to publish to/],
    ['a user in the address', ENTRY.replace('packages.', 'user:x@packages.'), /is no address to publish to/],
    ['many hosts', ENTRY.replace('packages.', '*.'), /is many names/],
    ['no path', ENTRY.replace('.test/acme/app.tgz', '.test'), /is no address to publish to/],
    ['a path that servers read differently', ENTRY.replace('acme/app.tgz', 'acme/..;/app.tgz'), /means different things/],
    ['a port that is none', ENTRY.replace('.test/', '.test:70000/'), /is no port/],
    ['an image without a tag', ENTRY.replace('https:', 'oci:').replace(".tgz'", "'"), /is no image/],
    ['an image with another place', ENTRY.replace('https:', 'oci:').replace("app.tgz'", "app:1', in: { header: x }"), /says itself where/],
    ['an image with a method', ENTRY.replace('https:', 'oci:').replace("app.tgz'", "app:1', method: PUT"), /has no method/],
    ['an image in upper case', ENTRY.replace('https:', 'oci:').replace('acme/app.tgz', 'acme/App:1'), /is no image/],
    ['a secret of another host', ENTRY.replace('secret: TOKEN', 'secret: OTHER'), /OTHER is not for packages\.example\.test/],
    ['a secret that is not declared', ENTRY.replace('secret: TOKEN', 'secret: NONE'), /"NONE" is not declared/],
    ['a place without a secret', ENTRY.replace('secret: TOKEN', 'in: { header: x }'), /none is named/],
    [
      'a header of the request itself',
      ENTRY.replace('secret: TOKEN', 'secret: TOKEN, in: { header: Content-Length }'),
      /in names a header/,
    ],
    ['another method', ENTRY.replace('secret: TOKEN', 'secret: TOKEN, method: DELETE'), /method cannot be "DELETE"/],
    ['no name', ENTRY.replace('name: package, ', ''), /has a name, a path and where to/],
    ['a name twice', `${ENTRY}\n      - ${ENTRY}`, /is there twice/],
    ['too many', Array.from({ length: 21 }, (_, index) => ENTRY.replace('package', `p${index}`)).join('\n      - '), /at most 20/],
  ]
  for (const [what, entry, problem] of wrong)
    it(`refuses ${what}`, async () => {
      assert.match(await problemOf(parseAccessFile('sallyport.yml', fileOf(entry))), problem)
    })
})

describe('whether an artifact is published', () => {
  it('goes by facts of the run; a fork publishes nothing, with or without a secret', async () => {
    assert.equal(await decide(), 'allowed TOKEN')
    assert.equal(await decide({ facts: { ref: 'refs/heads/main' } }), 'condition')
    assert.equal(await decide({ facts: { ref: null } }), 'condition')
    assert.equal(await decide({ facts: { isForkPullRequest: true } }), 'fork')
    const open = ENTRY.replace(', secret: TOKEN', '')
    assert.equal(await decide({ entry: open }), 'allowed without')
    assert.equal(await decide({ entry: open, facts: { isForkPullRequest: true } }), 'fork')
  })

  it('is within what the operator allows', async () => {
    const allow = (entry: string): string => `publish: { allow: [${entry}] }`
    const to = (place: string, more = ''): string => allow(`{ to: '${place}'${more} }`)
    assert.equal(await decide({ operator: 'publish: { allow: [] }' }), 'ceiling')
    assert.equal(await decide({ operator: 'publish: { bytes: 1GiB }' }), 'allowed TOKEN')
    assert.equal(await decide({ operator: to('https://packages.example.test') }), 'allowed TOKEN')
    assert.equal(await decide({ operator: to('https://*.example.test/acme/**') }), 'allowed TOKEN')
    assert.equal(await decide({ operator: to('https://packages.example.test:8443/acme/**') }), 'ceiling')
    assert.equal(await decide({ operator: to('https://packages.example.test/other/**') }), 'ceiling')
    assert.equal(await decide({ operator: to('oci://packages.example.test') }), 'ceiling')
    assert.equal(await decide({ operator: to('https://other.example.test/acme/**') }), 'ceiling')
    assert.equal(await decide({ operator: to('https://packages.example.test', ', methods: [POST]') }), 'ceiling')
    assert.equal(await decide({ operator: to('https://packages.example.test', ', repositories: [other/*]') }), 'ceiling')
    assert.equal(await decide({ operator: to('https://packages.example.test', ', when: { events: [release] }') }), 'ceiling')
  })

  it('needs a secret that the operator lets be used so', async () => {
    const secrets = (deliver: string): string => `secrets: { allow: [{ from: store, paths: [ci/**], deliver: ${deliver} }] }`
    assert.equal(await decide({ operator: secrets('[placeholder, publish]') }), 'allowed TOKEN')
    assert.equal(await decide({ operator: secrets('[placeholder]') }), 'secret')
    assert.equal(await decide({ operator: 'secrets: { allow: [] }' }), 'secret')
  })

  it('refuses an operator’s file that allows nothing in particular', async () => {
    const of = (entry: string): Promise<string> => problemOf(parseOperatorFile('config.yml', `version: 1\npublish: ${entry}\n`))
    assert.match(await of('{ allow: [{ methods: [PUT] }] }'), /says where to/)
    assert.match(await of("{ allow: [{ to: 'http://a.example.test/' }] }"), /is nowhere to publish to/)
    assert.match(await of("{ allow: [{ to: 'https://*/' }] }"), /every host there is cannot be a rule/)
    assert.match(await of('{ bytes: 3GiB }'), /more than a job may hand over/)
  })
})
