// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { buildFile } from './_world.ts'
import { canonicalAsk } from './canonical-ask.ts'
import { asksOf } from './describe.ts'
import { parseOperatorFile } from './operator-file.ts'
import { expandOperatorPresets, expandPresets, presetsOf, type ResolvedPresets } from './presets.ts'
import { ceilingSet, requestSet } from './rule-sets.ts'

const npm: ResolvedPresets = {
  npm: {
    endpoints: [
      { host: 'registry.test', port: 443, protocol: 'tls' },
      { host: '192.0.2.7', port: 4873, protocol: 'http' },
    ],
    problems: [],
  },
}

describe('a preset', () => {
  it('becomes a rule for each host that it means here, with its own origin', async () => {
    const file = await buildFile('a.test', 'preset: npm', 'b.test')
    assert.deepEqual(presetsOf(file), ['npm'])
    const { file: expanded, notices } = expandPresets(file, npm)
    assert.deepEqual(notices, [])
    assert.deepEqual(asksOf(expanded), [
      { job: 'build', step: null, text: 'a.test:443 (tls)', rule: 'sallyport.yml:5' },
      { job: 'build', step: null, text: 'registry.test:443 (tls); from preset: npm', rule: 'sallyport.yml:6' },
      { job: 'build', step: null, text: '192.0.2.7:4873 (http); from preset: npm', rule: 'sallyport.yml:6' },
      { job: 'build', step: null, text: 'b.test:443 (tls)', rule: 'sallyport.yml:7' },
    ])
    assert.deepEqual(presetsOf(expanded), [])
  })

  it('hands its conditions to each of them', async () => {
    const one: ResolvedPresets = { npm: { endpoints: [{ host: 'registry.test', port: 443, protocol: 'tls' }], problems: [] } }
    const file = await buildFile('{ preset: npm, methods: [GET], executables: [/usr/bin/node], budget: { out: 1MiB } }')
    const [ask] = asksOf(expandPresets(file, one).file)
    assert.equal(ask?.text, 'registry.test:443 (tls, terminated); GET every path; only /usr/bin/node; at most 1 MiB out; from preset: npm')
  })

  it('that means no host, or one that no rule can name, is a problem with its reason and place', async () => {
    const file = await buildFile('preset: pip', 'preset: git', '{ preset: go, methods: [GET] }')
    const resolved: ResolvedPresets = {
      pip: { endpoints: [], problems: ['pip is not installed here'] },
      git: { endpoints: [{ host: 'localhost', port: 443, protocol: 'tls' }], problems: [] },
      go: { endpoints: [{ host: 'a.test', port: 22, protocol: 'ssh' }], problems: [] },
    }
    assert.throws(() => expandPresets(file, resolved), {
      code: 'ACCESS_PRESET_UNRESOLVED',
      message: [
        'sallyport.yml:5:9: the preset pip means no host here: pip is not installed here (name the hosts instead)',
        'sallyport.yml:6:9: "localhost" is the job itself (no rule is needed for what a job serves to itself)',
        'sallyport.yml:7:9: methods and paths cannot be told in ssh (they need protocol tls or http)',
      ].join('\n'),
    })
  })

  it('of which not everything is known says so', async () => {
    const { notices } = expandPresets(await buildFile('preset: npm'), {
      npm: { endpoints: npm.npm?.endpoints ?? [], problems: ['a scope has no registry'] },
    })
    assert.deepEqual(notices, ['sallyport.yml:5: preset npm: a scope has no registry'])
  })

  it('that nobody looked up is no rule by accident', async () => {
    const file = await buildFile('preset: npm')
    assert.throws(() => expandPresets(file, {}), TypeError)
    assert.throws(() => requestSet({ file, source: null, allow: [], job: 'build', step: null, observes: false }), TypeError)
    assert.throws(() => canonicalAsk(file), TypeError)
  })

  it('can be in the ceiling', async () => {
    const file = await parseOperatorFile('config.yml', 'version: 1\negress: { allow: [preset: npm] }')
    const set = ceilingSet(expandOperatorPresets(file, npm).file)
    assert.equal(set?.rules.length, 2)
    const open = await parseOperatorFile('config.yml', 'version: 1')
    assert.equal(ceilingSet(expandOperatorPresets(open, {}).file), null)
  })
})

describe('what is approved', () => {
  const same: readonly (readonly [string[], string[]])[] = [
    [
      ['a.test', 'b.test'],
      ['b.test', 'a.test:443', '{ host: A.test }'],
    ],
    [['{ host: a.test, methods: [GET, HEAD], paths: [/a, /b] }'], ['{ host: a.test, methods: [HEAD, GET, GET], paths: [/b, /a] } # why']],
    [['{ host: a.test, path: /x/* }'], ['{ host: a.test, path: "/x/{id}" }']],
    [['{ host: a.test, ports: [8000-8002] }'], ['{ host: a.test, ports: [8002, 8000-8001] }']],
  ]
  for (const [left, right] of same) {
    it(`${left.join(' and ')} is what ${right.join(' and ')} is`, async () => {
      assert.equal(canonicalAsk(await buildFile(...left)), canonicalAsk(await buildFile(...right)))
    })
  }

  it('changes with everything that a job gets more or less of', async () => {
    const items = [
      ['a.test'],
      ['a.test', 'b.test'],
      ['"*.a.test"'],
      ['a.test:80'],
      ['a.test:400-443'],
      ['{ host: a.test, protocol: tcp, port: 443 }'],
      ['{ host: a.test, methods: [GET] }'],
      ['{ host: a.test, path: /x }'],
      ['{ host: a.test, path: /x/* }'],
      ['{ host: a.test, path: /x/** }'],
      ['{ host: a.test, graphql: true }'],
      ['{ host: a.test, websocket: true }'],
      ['{ host: a.test, sni: any }'],
      ['{ host: a.test, executables: [/bin/a] }'],
      ['{ host: a.test, budget: { out: 1 } }'],
      ['{ host: a.test, budget: { in: 1 } }'],
      ['{ host: a.test, budget: { rate: 1 } }'],
      ['{ host: a.test, ports: [80, 443], budget: { out: 1 } }'],
      ['{ host: a.test, port: 80, budget: { out: 1 } }', '{ host: a.test, port: 443, budget: { out: 1 } }'],
      ['192.0.2.1'],
      ['{ cidr: 192.0.2.0/24 }'],
    ]
    const forms = await Promise.all(items.map(async (item) => canonicalAsk(await buildFile(...item))))
    const file = await buildFile('a.test')
    const [job] = file.jobs
    assert.ok(job !== undefined)
    const others = [
      { ...file, isolation: 'oci' as const },
      { ...file, limits: { cpu: 2 } },
      { ...file, egress: job.egress },
      { ...file, jobs: [{ ...job, id: 'other' }] },
      { ...file, jobs: [{ ...job, egress: [], steps: [{ id: 's', at: job.at, egress: job.egress, secrets: [], identity: null }] }] },
    ].map(canonicalAsk)
    assert.equal(new Set([...forms, ...others]).size, items.length + others.length)
  })

  it('is the host that a preset means, not the word', async () => {
    const file = await buildFile('preset: npm')
    const elsewhere: ResolvedPresets = { npm: { endpoints: [{ host: 'other.test', port: 443, protocol: 'tls' }], problems: [] } }
    assert.notEqual(canonicalAsk(expandPresets(file, npm).file), canonicalAsk(expandPresets(file, elsewhere).file))
  })
})
