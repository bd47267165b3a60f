// SPDX-License-Identifier: Apache-2.0
// Records have the fields that AWS publishes for them (see cloudtrail.ts); no real trail is at hand here.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { CloudTrailReader, namesOfSecret } from './cloudtrail.ts'
import type { ManagerEntry } from './manager-log.ts'

const ROLE = 'arn:aws:iam::123456789012:role/ci'
const ARN = 'arn:aws:secretsmanager:eu-central-1:123456789012:secret:ci/token-AbCdEf'

interface Shown {
  readonly eventName?: string
  readonly eventSource?: string
  readonly awsRegion?: string
  readonly requestParameters?: object | null
  readonly responseElements?: object | null
  readonly errorCode?: string
}

function record(shown: Shown): object {
  return {
    eventVersion: '1.08',
    userIdentity: {
      type: 'AssumedRole',
      principalId: 'AROAEXAMPLE:sallyport-run-7-build',
      arn: 'arn:aws:sts::123456789012:assumed-role/ci/sallyport-run-7-build',
      accountId: '123456789012',
      accessKeyId: 'ASIAEXAMPLE000000001',
      sessionContext: { sessionIssuer: { type: 'Role', arn: ROLE, userName: 'ci' }, attributes: { creationDate: '2026-11-22T20:14:00Z' } },
    },
    eventTime: '2026-11-22T20:15:00Z',
    eventSource: 'secretsmanager.amazonaws.com',
    eventName: 'GetSecretValue',
    awsRegion: 'eu-central-1',
    sourceIPAddress: '198.51.100.7',
    requestParameters: { secretId: 'ci/token' },
    responseElements: null,
    eventID: 'e-1',
    ...shown,
  }
}

function read(...records: readonly object[]): readonly ManagerEntry[] {
  return readText(JSON.stringify({ Records: records }))
}

function readText(text: string): readonly ManagerEntry[] {
  const reader = new CloudTrailReader({ region: 'eu-central-1', role: ROLE })
  const middle = text.length >> 1
  return [...reader.read(Buffer.from(text.slice(0, middle))), ...reader.read(Buffer.from(text.slice(middle))), ...reader.endFile()]
}

describe('CloudTrail', () => {
  test('shows who read which secret, with which access key', () => {
    const [entry] = read(record({}))
    assert.deepEqual(entry?.kind === 'read' && entry.read, {
      atMs: Date.parse('2026-11-22T20:15:00Z'),
      id: 'e-1',
      operation: 'GetSecretValue',
      paths: ['ci/token'],
      mark: 'ASIAEXAMPLE000000001',
      who: ROLE,
      name: 'arn:aws:sts::123456789012:assumed-role/ci/sallyport-run-7-build',
      from: '198.51.100.7',
      isLogin: false,
    })
  })

  test('does not show as a read what was refused, is elsewhere, or hands out nothing', () => {
    const others = [
      record({ errorCode: 'AccessDenied' }),
      record({ awsRegion: 'us-east-1' }),
      record({ eventName: 'DescribeSecret' }),
      record({ eventSource: 'kms.amazonaws.com', eventName: 'Decrypt' }),
    ]
    assert.deepEqual(
      read(...others).map(({ kind }) => kind),
      others.map(() => 'other'),
    )
  })

  test('shows batches: by name, or as what may be any secret', () => {
    const named = record({ eventName: 'BatchGetSecretValue', requestParameters: { secretIdList: ['ci/token', ARN] } })
    const filtered = record({ eventName: 'BatchGetSecretValue', requestParameters: { filters: [{ key: 'name', values: ['ci'] }] } })
    assert.deepEqual(
      read(named, filtered).map((entry) => entry.kind === 'read' && entry.read.paths),
      [['ci/token', ARN, 'ci/token-AbCdEf', 'ci/token'], ['*']],
    )
  })

  test('shows credentials of the role, by the access key that was handed out', () => {
    const made = { responseElements: { credentials: { accessKeyId: 'ASIAEXAMPLE000000002', expiration: 'Nov 22, 2026' } } }
    const login = { eventSource: 'sts.amazonaws.com', eventName: 'AssumeRoleWithWebIdentity', ...made }
    const [ours, other] = read(
      record({ ...login, requestParameters: { roleArn: ROLE, roleSessionName: 'sallyport-run-7-build' } }),
      record({ ...login, requestParameters: { roleArn: `${ROLE}-other`, roleSessionName: 'x' } }),
    )
    assert.deepEqual(ours?.kind === 'read' && [ours.read.mark, ours.read.isLogin, ours.read.paths], ['ASIAEXAMPLE000000002', true, [ROLE]])
    assert.equal(other?.kind, 'other')
  })

  test('says what is none', () => {
    for (const text of ['', 'no JSON', '{}', '{"Records":{}}'])
      assert.deepEqual(
        readText(text).map(({ kind }) => kind),
        ['unreadable'],
      )
    assert.deepEqual(
      read({}, { eventTime: 'never' }).map(({ kind }) => kind),
      ['unreadable', 'unreadable'],
    )
  })
})

test('a secret of AWS has its name and its ARN, with and without what AWS appends', () => {
  assert.deepEqual(namesOfSecret('ci/token-abcdef'), ['ci/token-abcdef'])
  assert.deepEqual(namesOfSecret(ARN), [ARN, 'ci/token-AbCdEf', 'ci/token'])
})
