// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseOperatorFile } from '@sallyport/access'
import { egressNeeds, systemdFragment } from './egress-needs.ts'

const OPERATOR = `
version: 1
publish:
  allow:
    - { to: 'https://packages.example.test/acme/**', methods: [PUT] }
`

test('what the supervisor dials is what the configuration names, and no more', async () => {
  const operator = await parseOperatorFile('config.yml', OPERATOR)
  const facts = {
    operator,
    nameServers: ['192.0.2.53', '[2001:db8::53]:5353'],
    witnesses: ['https://witness-1.example.test/', 'http://198.51.100.7:8471/'],
    hosts: { 'witness-1.example.test': ['203.0.113.9'] },
  }
  const needs = egressNeeds(facts)
  assert.deepEqual(needs, [
    { who: 'name servers', host: '192.0.2.53', port: 53, addresses: ['192.0.2.53'] },
    { who: 'name servers', host: '2001:db8::53', port: 5353, addresses: ['2001:db8::53'] },
    { who: 'a witness', host: 'witness-1.example.test', port: 443, addresses: ['203.0.113.9'] },
    { who: 'a witness', host: '198.51.100.7', port: 8471, addresses: ['198.51.100.7'] },
    { who: 'publishing', host: 'packages.example.test', port: 443, addresses: [] },
  ])
  assert.deepEqual(egressNeeds({ operator: null, nameServers: [], witnesses: [], hosts: {} }), [])
})

test('providers are found by the URLs among their settings, however deep', () => {
  const at = { line: 1, column: 1 } as never
  const settings = {
    address: 'https://vault.example.test:8200',
    endpoints: { sts: 'https://sts.example.test' },
    region: 'eu',
    list: ['http://b.example.test'],
  }
  const operator = { providers: [{ name: 'v', at, kind: 'x', settings }], publish: { allow: null, bytesMax: 1 } }
  const needs = egressNeeds({ operator, nameServers: [], witnesses: [], hosts: {} })
  assert.deepEqual(
    needs.map(({ host, port }) => `${host}:${port}`),
    ['vault.example.test:8200', 'sts.example.test:443', 'b.example.test:80'],
  )
})

test('the fragment refuses all else, and says which names it cannot hold', () => {
  const text = systemdFragment([
    { who: 'a witness', host: '198.51.100.7', port: 443, addresses: ['198.51.100.7'] },
    { who: 'the provider "v\nIPAddressAllow=any"', host: 'vault.example.test', port: 8200, addresses: [] },
  ])
  const lines = text.split('\n')
  assert.deepEqual(
    lines.filter((line) => line !== '' && !line.startsWith('#')),
    ['[Service]', 'IPAddressDeny=any', 'IPAddressAllow=localhost', 'IPAddressAllow=198.51.100.7'],
  )
  assert.match(text, /# the provider "v IPAddressAllow=any": vault\.example\.test, port 8200: a name/)
})
