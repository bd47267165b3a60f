// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import { createJobAuthority } from './job-authority.ts'

const patterns = [
  { kind: 'exact', name: 'api.example.test' },
  { kind: 'suffix', name: 'below.test' },
] as const

test('it issues for the names that rules terminate, and for no other', async () => {
  const authority = await createJobAuthority(patterns, new Date())
  for (const name of ['api.example.test', 'a.below.test', 'a.b.below.test']) {
    const certificate = new X509Certificate(authority.certificateFor(name).certificate)
    assert.equal(certificate.checkHost(name), name)
    assert.equal(certificate.verify(new X509Certificate(authority.certificate).publicKey), true)
  }
  for (const name of ['below.test', 'notbelow.test', 'www.api.example.test', 'evil.test', '127.0.0.1', '']) {
    assert.throws(() => authority.certificateFor(name), RangeError)
  }
})

test('two jobs have nothing in common', async () => {
  const [one, other] = [await createJobAuthority(patterns, new Date()), await createJobAuthority(patterns, new Date())]
  const [first, second] = [new X509Certificate(one.certificate), new X509Certificate(other.certificate)]
  assert.notEqual(first.subject, second.subject)
  assert.notEqual(first.serialNumber, second.serialNumber)
  assert.equal(new X509Certificate(one.certificateFor('a.below.test').certificate).verify(second.publicKey), false)
})

test('it ends a little after the longest job', async () => {
  const now = new Date('2030-01-01T00:00:00Z')
  const certificate = new X509Certificate((await createJobAuthority(patterns, now)).certificate)
  assert.equal(certificate.validFromDate.toISOString(), '2029-12-31T23:55:00.000Z')
  assert.equal(certificate.validToDate.toISOString(), '2030-01-08T01:00:00.000Z')
})

test('it keeps a bounded number of certificates, the last used ones', async () => {
  const authority = await createJobAuthority(patterns, new Date())
  const first = authority.certificateFor('api.example.test')
  for (let index = 0; index < 200; index += 1) authority.certificateFor(`n${index}.below.test`)
  assert.equal(authority.certificateFor('api.example.test'), first)
  const early = authority.certificateFor('n0.below.test')
  for (let index = 200; index < 600; index += 1) authority.certificateFor(`n${index}.below.test`)
  assert.notEqual(authority.certificateFor('n0.below.test'), early)
})
