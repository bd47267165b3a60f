// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { secretFields } from './fields.ts'

const TOKEN = 'q7Rk2mZx9LpW4vTn8sBd'

test('JSON: what a telling name holds, and what looks like a key by itself', () => {
  const value = JSON.stringify({
    type: 'service_account',
    project_id: 'my-project-4711',
    private_key: 'k9Rw2mQz',
    client_email: 'job@my-project-4711.iam.example',
    nested: [{ api: { password: 'hunter22' } }],
    material: TOKEN,
    pin: 482_635,
    token_uri: 'https://accounts.example/token',
  })
  assert.deepEqual(secretFields(value).toSorted(), ['482635', TOKEN, 'hunter22', 'k9Rw2mQz'].toSorted())
})

test('lines of YAML, INI and dotenv, comments and quotes left out', () => {
  const value = `# comment\n[section]\nuser = admin\nexport API_TOKEN=${TOKEN} # rotated\npassword: "p4ss w0rd"\n  - secret_key: 'zX9kQw'\nhost: db.example`
  assert.deepEqual(secretFields(value).toSorted(), [TOKEN, 'p4ss w0rd', 'zX9kQw'].toSorted())
})

test('connection strings: user information and parameters', () => {
  assert.deepEqual(secretFields('postgres://app:s3cr%40tw0rd@db.example/app?sslmode=require'), ['s3cr%40tw0rd', 's3cr@tw0rd'])
  assert.deepEqual(secretFields(`https://${TOKEN}@git.example/repo.git`), [TOKEN])
  assert.deepEqual(secretFields('https://api.example/?access_token=t0kenValue9&page=2'), ['t0kenValue9'])
  assert.deepEqual(secretFields('Server=db.example;User Id=app;Password=Zx81!kq;Encrypt=true'), ['Zx81!kq'])
})

test('a plain value has no fields, and weak ones are no secrets', () => {
  for (const value of ['hunter22', TOKEN, '{not json', '{"password":"password"}', 'password=true', '{}', '[]', 'https://example.test/'])
    assert.deepEqual(secretFields(value), [], value)
})

test('the number of fields is bounded, and their nesting', () => {
  const many = Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`token${index}`, `x9k${index * 7919 + 100_000}q`]))
  assert.equal(secretFields(JSON.stringify(many)).length, 64)
  let deep: unknown = { password: 'hunter22' }
  for (let level = 0; level < 40; level += 1) deep = [deep]
  assert.deepEqual(secretFields(JSON.stringify(deep)), [])
})
