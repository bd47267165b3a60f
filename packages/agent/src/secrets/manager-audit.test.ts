// SPDX-License-Identifier: Apache-2.0
// With files of CloudTrail, made after its published reference; a real audit device is read by test/servers/openbao-audit.test.ts.
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import type { ManagerFinding } from '@sallyport/secrets'
import { makeDirectory } from '../access/_temporary-directory.ts'
import { openOperatorLog } from '../audit/operator-log.ts'
import { auditManager } from './manager-audit.ts'

const ROLE = 'arn:aws:iam::123456789012:role/ci'
const OPERATOR = `version: 1
providers:
  aws:
    kind: aws
    region: eu-central-1
    auth: { method: job-token, role: '${ROLE}' }
secrets:
  allow: [{ from: aws, paths: [ci/**] }]
`

function record(eventName: string, accessKeyId: string, requestParameters: object, more: object = {}): object {
  const eventSource = eventName.startsWith('Assume') ? 'sts.amazonaws.com' : 'secretsmanager.amazonaws.com'
  const userIdentity = { type: 'AssumedRole', arn: 'arn:aws:sts::123456789012:assumed-role/ci/sallyport-r1-build', accessKeyId }
  const common = { eventTime: '2026-11-22T20:15:00Z', awsRegion: 'eu-central-1', eventID: 'e', sourceIPAddress: '198.51.100.7' }
  return { ...common, userIdentity, eventSource, eventName, requestParameters, ...more }
}

const login = (accessKeyId: string): object =>
  record('AssumeRoleWithWebIdentity', '', { roleArn: ROLE }, { responseElements: { credentials: { accessKeyId } } })

test('a trail is compared by access keys: what only calls itself as a job of ours does is found', async (t) => {
  const directory = makeDirectory(t)
  const [state, config, trail] = ['state', 'operator.yml', 'trail'].map((name) => join(directory, name)) as [string, string, string]
  writeFileSync(config, OPERATOR)
  const log = openOperatorLog(state)
  await log.record('secret.session', { run: 'r1', job: 'build', provider: 'aws', mark: 'ASIAOURS000000000001' })
  await log.record('secret.session', { run: 'r1', job: 'build', provider: 'other', mark: 'ASIAOTHERPROVIDER001' })
  await log.close()
  mkdirSync(join(trail, '2026/11/22'), { recursive: true })
  const records = [
    login('ASIAOURS000000000001'),
    record('GetSecretValue', 'ASIAOURS000000000001', { secretId: 'ci/token' }),
    login('ASIATHIEF00000000001'),
    record('GetSecretValue', 'ASIATHIEF00000000001', {
      secretId: 'arn:aws:secretsmanager:eu-central-1:123456789012:secret:ci/token-AbCdEf',
    }),
    record('GetSecretValue', 'ASIAOTHERPROVIDER001', { secretId: 'ci/token' }),
    record('GetSecretValue', 'ASIATHIEF00000000001', { secretId: 'people/diary' }),
  ]
  for (const [index, each] of records.entries())
    writeFileSync(join(trail, `2026/11/22/${index}.json.gz`), gzipSync(JSON.stringify({ Records: [each] })))
  const found: ManagerFinding[] = []
  const request = { operatorFile: config, provider: 'aws', logs: [trail], device: 'file', since: null, all: false, known: [], follow: null }
  const report = await auditManager(state, request, (finding) => found.push(finding))
  assert.deepEqual(
    found.map(({ rule, place }) => [rule, place?.slice(trail.length)]),
    [
      ['login-around-broker', '/2026/11/22/2.json.gz:1'],
      ['read-around-broker', '/2026/11/22/3.json.gz:1'],
      ['read-around-broker', '/2026/11/22/4.json.gz:1'],
    ],
  )
  assert.deepEqual([report.files, report.reads, report.ours, report.findings], [6, 5, 2, 3])
  writeFileSync(join(trail, '2026/11/22/7.json.gz'), 'no gzip')
  const expected = { ...request, known: ['arn:aws:sts::123456789012:assumed-role/ci/sallyport-r1-build'] }
  const rules: string[] = []
  await auditManager(state, expected, ({ rule }) => rules.push(rule))
  assert.deepEqual(rules, ['log-unreadable'])
})

test('what cannot be compared is refused', async (t) => {
  const directory = makeDirectory(t)
  const [state, config] = [join(directory, 'state'), join(directory, 'operator.yml')]
  writeFileSync(config, OPERATOR)
  const request = {
    operatorFile: config,
    provider: 'aws',
    logs: [config],
    device: 'file',
    since: null,
    all: false,
    known: [],
    follow: null,
  }
  const refused = (changes: object): Promise<unknown> => auditManager(state, { ...request, ...changes }, () => undefined)
  await assert.rejects(refused({ provider: 'none' }), { code: 'SECRET_PROVIDER_UNKNOWN' })
  await assert.rejects(refused({ provider: 'store' }), { code: 'PROVIDER_CONFIG_INVALID' })
  await assert.rejects(refused({ follow: AbortSignal.timeout(1) }), { code: 'MANAGER_LOG_UNREADABLE' })
  await assert.rejects(refused({ logs: [join(directory, 'none')] }), { code: 'MANAGER_LOG_UNREADABLE' })
})
