// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { awsDocument, awsKeyOf, awsPlaceholder, awsVariables } from './aws-key.ts'

const KEY = {
  accessKeyId: 'ASIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
  sessionToken: 'IQoJb3JpZ2luX2VjEXAMPLEtoken//////////==',
}

const fields = (entries: Readonly<Record<string, string>>): ReadonlyMap<string, Uint8Array> =>
  new Map(Object.entries(entries).map(([name, text]) => [name, Buffer.from(text)]))

test('a key is found by the names that its places use, and in one text that is JSON', () => {
  const { accessKeyId, secretAccessKey, sessionToken } = KEY
  for (const secret of [
    fields({ access_key_id: accessKeyId, secret_access_key: secretAccessKey, session_token: sessionToken }),
    // The engine of Vault and OpenBao.
    fields({ access_key: accessKeyId, secret_key: secretAccessKey, security_token: sessionToken, arn: 'x' }),
    fields({ AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey, AWS_SESSION_TOKEN: sessionToken }),
    fields({
      value: JSON.stringify({ AccessKeyId: accessKeyId, SecretAccessKey: secretAccessKey, SessionToken: sessionToken, Version: 1 }),
    }),
  ])
    assert.deepEqual(awsKeyOf('AWS', secret), KEY)
  assert.equal(awsKeyOf('AWS', fields({ access_key: accessKeyId, secret_key: secretAccessKey, security_token: '' })).sessionToken, null)
})

test('what is none is refused, without a word of it', () => {
  for (const secret of [
    fields({}),
    fields({ value: 'plain-text-value' }),
    fields({ access_key: 'A/B', secret_key: 'plain-text-value' }),
    fields({ access_key: KEY.accessKeyId, other: 'x' }),
  ])
    assert.throws(
      () => awsKeyOf('AWS', secret),
      (error: Error & { code?: string }) => error.code === 'SECRET_FIELD_MISSING' && !error.message.includes('plain-text-value'),
    )
})

test('its placeholder has its shape, another one each time, and nothing of it but the kind', () => {
  const [one, other] = [awsPlaceholder(KEY), awsPlaceholder(KEY)]
  assert.match(one.accessKeyId, /^ASIA[A-Z2-7]{16}$/)
  assert.equal(one.secretAccessKey.length, KEY.secretAccessKey.length)
  assert.equal(one.sessionToken?.length, KEY.sessionToken.length)
  for (const part of ['accessKeyId', 'secretAccessKey', 'sessionToken'] as const) {
    assert.notEqual(one[part], KEY[part])
    assert.notEqual(one[part], other[part])
  }
  assert.deepEqual(awsVariables({ ...one, sessionToken: null }), {
    AWS_ACCESS_KEY_ID: one.accessKeyId,
    AWS_SECRET_ACCESS_KEY: one.secretAccessKey,
  })
  assert.deepEqual(awsKeyOf('AWS', fields({ value: awsDocument(one) })), one)
})
