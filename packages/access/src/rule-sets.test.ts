// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { asks, ceiling, named, request } from './_world.ts'
import { parseAccessFile } from './access-file.ts'
import { explainConnection, explainRequest } from './explain.ts'
import { formatName } from './host-pattern.ts'
import { effectiveTerminates, requestSet } from './rule-sets.ts'
import { parseRule } from './rule-syntax.ts'

describe('what a step asks for', () => {
  it('is what the file says for all jobs, for its job and for itself, and what the command line adds', async () => {
    const file = await parseAccessFile(
      'sallyport.yml',
      'version: 1\negress: [all.test]\njobs:\n  a: { egress: [a.test], steps: { s: { egress: [s.test] }, t: { egress: [t.test] } } }\n  b: { egress: [b.test] }\n',
    )
    const hosts = (job: string | null, step: string | null): readonly string[] =>
      requestSet({ file, source: 'sallyport.yml', allow: [parseRule('x.test', '--allow')], job, step, observes: false }).rules.map(
        (rule) => rule.origin.text,
      )
    assert.deepEqual(hosts('a', 's'), ['all.test', 'a.test', 's.test', 'x.test'])
    assert.deepEqual(hosts('a', null), ['all.test', 'a.test', 'x.test'])
    assert.deepEqual(hosts('b', 's'), ['all.test', 'b.test', 'x.test'])
    assert.deepEqual(hosts('c', null), ['all.test', 'x.test'])
    assert.deepEqual(hosts(null, null), ['all.test', 'x.test'])
    const none = requestSet({ file: null, source: null, allow: [], job: null, step: null, observes: false })
    assert.deepEqual([none.rules, none.source], [[], '--allow'])
  })
})

describe('the names of a job’s authority', () => {
  const names = async (mine: string[], theirs: string[] | null): Promise<readonly string[]> => {
    const sets = [await request(...mine), ...(theirs === null ? [] : [await ceiling(...theirs)])]
    return effectiveTerminates([sets]).map(formatName)
  }

  it('are those of rules with conditions on TLS', async () => {
    assert.deepEqual(await names(['{ host: a.test, methods: [GET] }', 'b.test', '{ host: c.test, port: 80, path: /x }'], null), ['a.test'])
    assert.deepEqual(await names(['a.test'], null), [])
  })

  it('are no more than every set allows TLS to', async () => {
    const conditional = '{ host: "*.corp.test", methods: [GET] }'
    assert.deepEqual(await names(['a.corp.test', 'b.test'], [conditional, 'b.test']), ['a.corp.test'])
    assert.deepEqual(await names([conditional], ['"*.a.corp.test"', 'c.test']), ['*.a.corp.test'])
    assert.deepEqual(await names([conditional], ['c.test']), [])
  })

  it('are none of a set that only observes, and none twice', async () => {
    const set = await request('{ host: a.example.test, methods: [GET] }', '{ host: "*.example.test", methods: [GET] }')
    assert.deepEqual(effectiveTerminates([[{ ...set, observes: true }]]), [])
    assert.deepEqual(effectiveTerminates([[set], [set], []]).map(formatName), ['*.example.test'])
  })
})

describe('an explanation', () => {
  it('names the rule of each set, and what the connection may carry', async () => {
    const sets = [await request('{ host: a.test, methods: [GET] }'), await ceiling('"*.test.test"', 'a.test')]
    const { allowed, lines } = explainConnection(sets, named('a.test'))
    assert.equal(allowed, true)
    const text = lines.join('\n')
    assert.match(text, /^a\.test:443 may be connected to$/m)
    assert.match(text, /^sallyport\.yml:5 allows it: a\.test:443 \(tls, terminated\); GET every path$/m)
    assert.match(text, /^\/etc\/sallyport\/config\.yml:5 allows it: a\.test:443 \(tls\)$/m)
    assert.match(text, /TLS ends at the gate/)
  })

  it('of a refusal says what would allow it', async () => {
    const { allowed, lines } = explainConnection([await request('a.test')], named('b.test'))
    assert.equal(allowed, false)
    assert.deepEqual(lines, [
      'b.test:443 is refused: no rule of sallyport.yml names it',
      'To allow it, add `- b.test:443` to `jobs.build.egress` in sallyport.yml',
    ])
    const program = explainConnection([await request('{ host: a.test, executables: [/bin/x] }')], named('a.test'))
    assert.match(program.lines.join('\n'), /only[\s\S]*Some rules are for named programs only/)
  })

  it('of a request begins with its connection', async () => {
    const sets = [await request('{ host: a.test, methods: [GET], path: /x }')]
    assert.equal(explainRequest(sets, asks('GET', 'https://a.test/x')).allowed, true)
    assert.match(
      explainRequest(sets, asks('POST', 'https://a.test/x')).lines[0] ?? '',
      /^POST https:\/\/a\.test\/x is refused: no rule for this host allows the method POST/,
    )
    assert.match(explainRequest(sets, asks('GET', 'https://b.test/x')).lines[0] ?? '', /^b\.test:443 is refused/)
  })

  it('says that nothing is refused while observing', async () => {
    const set = { ...(await request('a.test')), observes: true }
    assert.match(explainConnection([set], named('b.test')).lines.join('\n'), /has no rule for it, and is only observing/)
    assert.match(explainConnection([set], named('a.test')).lines.join('\n'), /sallyport\.yml:5 allows it: .*only observing/)
  })
})
