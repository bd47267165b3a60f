// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { buildFile, used } from './_world.ts'
import { parseAccessFile } from './access-file.ts'
import type { DoorUse } from './contract.ts'
import { learn } from './learn.ts'
import type { Recording } from './recording.ts'
import { replay } from './replay.ts'

function recorded(step: string | null, ...uses: readonly DoorUse[]): Recording {
  return { run: 'r1', workflow: 'ci.yml', job: 'build', step, uses }
}

describe('a learned file', () => {
  it('has a rule for each destination, where it is needed, with the reason', async () => {
    const text = learn([
      recorded('install', used('registry.test:443'), used('files.test:80/http', ['GET /a/1', 'GET /a/2', 'GET /a/3'])),
      recorded('publish', used('registry.test:443'), used('api.test:443', ['PUT /pkg', 'POST /graphql'])),
      recorded(
        null,
        used('db.test:5432/tcp'),
        used('db.test:5433/tcp'),
        used('git.test:2222/ssh'),
        used('ntp.test:123/udp'),
        used('2001:db8::1:22/ssh'),
      ),
    ])
    assert.equal(
      text,
      `# What ci.yml did in run r1, and nothing more.
# Written by \`sallyport access learn\`: read it before you approve it with \`sallyport trust\`.
version: 1
jobs:
  build:
    egress:
      # 1 connection, 100 B out, 1000 B in
      - "[2001:db8::1]:22"
      # 2 connections, 200 B out, 2.0 KiB in
      - { host: db.test, ports: [5432, 5433] }
      # 1 connection, 100 B out, 1000 B in
      - { host: git.test, port: 2222, protocol: ssh }
      # 1 connection, 100 B out, 1000 B in
      - { host: ntp.test, port: 123, protocol: udp }
      # steps install, publish: 2 connections, 200 B out, 2.0 KiB in
      - registry.test:443
    steps:
      install:
        egress:
          # 1 connection, 100 B out, 1000 B in
          - { host: files.test, port: 80, methods: [GET], path: /a/* }
      publish:
        egress:
          # 1 connection, 100 B out, 1000 B in
          - { host: api.test, port: 443, methods: [POST], path: /graphql, graphql: true }
          # 1 connection, 100 B out, 1000 B in
          - { host: api.test, port: 443, methods: [PUT], path: /pkg }
`,
    )
    await parseAccessFile('sallyport.yml', text)
  })

  it('asks for nothing when nothing was recorded', async () => {
    const text = learn([recorded('a')])
    assert.deepEqual((await parseAccessFile('sallyport.yml', text)).jobs, [])
    assert.match(text, /nothing has to be allowed/)
  })

  it('has no conditions where the gate did not see all requests', () => {
    const withoutConditions = [
      [used('a.test:443')],
      [used('a.test:443', ['GET /x']), used('a.test:443')],
      [used('a.test:443', ['M$ /x'])],
      [used('192.0.2.1:80/http', ['GET /x'])],
    ]
    for (const uses of withoutConditions) assert.doesNotMatch(learn([recorded('s', ...uses)]), /methods|path/)
    const idle = used('a.test:443', [], { bytesOut: 0 })
    assert.match(learn([recorded('s', used('a.test:443', ['GET /x']), idle)]), /methods: \[GET\], path: \/x/)
  })

  it('has every path where the record has not all of them, or not the whole of one', () => {
    const long = [`GET /${'a'.repeat(600)}`]
    for (const use of [used('a.test:443', ['GET /x'], { requestsMore: 1 }), used('a.test:443', long), used('a.test:443', ['GET /a%2'])]) {
      const text = learn([recorded('s', use)])
      assert.match(
        text,
        /in; every path, because the record does not hold all of them\n +- \{ host: a\.test, port: 443, methods: \[GET\] \}/,
      )
    }
  })

  it('says what else a request needed, and once for each path', async () => {
    const recording = recorded(
      's',
      used('a.test:443', ['POST /rpc graphql', 'GET /socket websocket', 'GET /socket', 'GET /a/1', 'GET /a/2', 'GET /a/3 websocket']),
    )
    const text = learn([recording])
    assert.match(text, /methods: \[POST\], path: \/rpc, graphql: true/)
    assert.match(text, /methods: \[GET\], paths: \[\/a\/\*, \/socket\], websocket: true/)
    const file = await parseAccessFile('f', text)
    assert.equal(replay(file, [recording]).sufficient, true)
    const without = await parseAccessFile('f', text.replaceAll(/, (graphql|websocket): true/g, ''))
    assert.deepEqual(
      replay(without, [recording]).missing.map(({ target }) => target),
      ['POST https://a.test/rpc', 'GET https://a.test/socket', 'GET https://a.test/a/3'],
    )
  })

  it('has a wildcard for what was masked in the record', async () => {
    const recording = recorded('s', used('a.test:443', ['GET /bot***/x', 'GET /y']))
    const text = learn([recording])
    assert.match(text, /paths: \[\/\*, \/\*\/x\]/)
    assert.equal(replay(await parseAccessFile('f', text), [recording]).sufficient, true)
  })

  it('breaks a long rule into lines', async () => {
    const requests = ['GET /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/b', 'GET /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/c', 'GET /x/d']
    const text = learn([recorded('s', used('a.test:443', requests))])
    assert.match(text, /- host: a\.test\n +port: 443\n +methods:\n +- GET\n +paths:\n +- \/aaa/)
    assert.equal(replay(await parseAccessFile('f', text), [recorded('s', used('a.test:443', requests))]).sufficient, true)
  })

  it('is not written by what a job called its hosts', async () => {
    const evil = 'x.test\n  - "*.evil.test"'
    const text = learn([
      recorded('s', used('a.test:443'), used('a.test:443', [], { host: evil }), used('a.test:443', [], { host: 'under_score.test' })),
    ])
    const file = await parseAccessFile('sallyport.yml', text)
    assert.equal(file.jobs[0]?.steps[0]?.egress.length, 1)
    assert.match(text, /^# No rule can name under_score\.test, which was reached too\.$/m)
    assert.match(text, /^# No rule can name x\.test\\u000a {2}- /m)
  })
})

describe('a replay', () => {
  it('says what would be refused, for whom, and what would allow it', async () => {
    const file = await buildFile('a.test', '{ host: b.test, methods: [GET], path: /x }')
    const { sufficient, missing, unused } = replay(file, [
      recorded('s', used('c.test:443'), used('c.test:443'), used('b.test:443', ['GET /x', 'POST /x'])),
    ])
    assert.equal(sufficient, false)
    assert.deepEqual(
      missing.map(({ run, job, step, target }) => [run, job, step, target]),
      [
        ['r1', 'build', 's', 'c.test:443'],
        ['r1', 'build', 's', 'POST https://b.test/x'],
      ],
    )
    assert.equal(missing[0]?.remedy, 'add `- c.test:443` to `jobs.build.egress` in sallyport.yml')
    assert.deepEqual(unused, [{ rule: 'sallyport.yml:5', text: 'a.test' }])
  })

  it('proves nothing about requests that nobody saw', async () => {
    const file = await buildFile('{ host: a.test, methods: [GET], path: /x }')
    const { missing } = replay(file, [recorded('s', used('a.test:443'))])
    assert.match(missing[0]?.reason ?? '', /TLS was not terminated/)
    assert.equal(replay(file, [recorded('s', used('a.test:443', [], { bytesOut: 0 }))]).sufficient, true)
    const cut = replay(file, [recorded('s', used('a.test:443', [`GET /x${'y'.repeat(600)}`]))])
    assert.match(cut.missing[0]?.reason ?? '', /does not hold the whole path/)
    const many = replay(file, [recorded('s', used('a.test:443', ['GET /x'], { requestsMore: 7 }))])
    assert.deepEqual([many.sufficient, many.notices.length], [true, 1])
  })

  it('proves nothing for a program that nobody knows', async () => {
    const file = await buildFile('{ host: a.test, executables: [/usr/bin/git] }')
    assert.equal(replay(file, [recorded('s', used('a.test:443'))]).sufficient, false)
  })

  it('adds up what went through a rule in one job of one run', async () => {
    const file = await buildFile('{ host: "*.a.test", budget: { out: 150 } }')
    const [one, two] = [used('x.a.test:443'), used('y.a.test:443')]
    assert.equal(replay(file, [recorded('s', one)]).sufficient, true)
    const { missing } = replay(file, [recorded('s', one), recorded('t', two)])
    assert.match(missing[0]?.reason ?? '', /^200 B went out, and 150 B may$/)
    assert.equal(replay(file, [recorded('s', one), { ...recorded('s', two), run: 'r2' }]).sufficient, true)
  })
})
