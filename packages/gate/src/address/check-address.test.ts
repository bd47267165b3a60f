// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { test } from 'node:test'
import fc from 'fast-check'
import { type AddressVerdict, checkAddress, createAddressPolicy, isSameAddress } from './check-address.ts'

const lines = (name: string): string[] =>
  readFileSync(new URL(`../../vectors/${name}`, import.meta.url), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))

const check = (address: string, privateNetworks: string[] = [], ownAddresses: string[] = []): AddressVerdict =>
  checkAddress(address, createAddressPolicy({ privateNetworks, ownAddresses }))

test('every special-purpose address is refused in every form, with its reason', () => {
  for (const line of lines('address.refused.txt')) {
    const [, address = '', reason = ''] = /^(\S+)\s+(.+)$/.exec(line) ?? []
    const verdict = check(address)
    assert.ok(!verdict.allowed && verdict.why.includes(reason), `${line}: ${JSON.stringify(verdict)}`)
  }
})

test('public addresses next to the special ones are allowed', () => {
  for (const address of lines('address.allowed.txt'))
    assert.deepEqual([address, check(address)], [address, { allowed: true, openedBy: null }])
})

test('the operator opens ranges, and only those', () => {
  assert.deepEqual(check('10.1.2.3', ['10.1.0.0/16']), { allowed: true, openedBy: '10.1.0.0/16' })
  assert.equal(check('10.2.0.1', ['10.1.0.0/16']).allowed, false)
  assert.equal(check('127.0.0.1', ['127.0.0.0/8']).allowed, true)
  assert.equal(check('::1', ['127.0.0.0/8']).allowed, false)
  assert.equal(check('::1', ['::1']).allowed, true)
  assert.equal(check('fd12::1', ['fd12::/16']).allowed, true)
})

test('an embedded form is opened by what opens the embedded address', () => {
  assert.deepEqual(check('::ffff:10.1.2.3', ['10.0.0.0/8']), { allowed: true, openedBy: '10.0.0.0/8' })
  assert.deepEqual(check('64:ff9b::10.1.2.3', ['10.0.0.0/8']), { allowed: true, openedBy: '10.0.0.0/8' })
  assert.equal(check('::ffff:192.168.0.1', ['10.0.0.0/8']).allowed, false)
})

test('an opened range of IPv6 does not open the IPv4 addresses that are inside of its addresses', () => {
  for (const address of [
    '::ffff:127.0.0.1',
    '64:ff9b::127.0.0.1',
    '64:ff9b:1::127.0.0.1',
    '::127.0.0.1',
    '::ffff:0:127.0.0.1',
    '2002:7f00:1::',
    '2001:0:7f00:1::',
    '2001:0:808:808:0:0:80ff:fffe',
    'fd00::5efe:127.0.0.1',
  ])
    assert.equal(check(address, ['::/0']).allowed, false, address)
  assert.equal(check('64:ff9b:1::127.0.0.1', ['::/0', '127.0.0.1']).allowed, true)
  assert.equal(check('64:ff9b:1::8.8.8.8', ['64:ff9b:1::/48']).allowed, true)
})

test('a metadata service is opened by its very address, never by a range around it', () => {
  for (const [address, range] of [
    ['169.254.169.254', '169.254.0.0/16'],
    ['169.254.169.254', '0.0.0.0/0'],
    ['fd00:ec2::254', 'fc00::/7'],
    ['100.100.100.200', '100.64.0.0/10'],
    ['::ffff:169.254.169.254', '::/0'],
  ] as const)
    assert.equal(check(address, [range, '0.0.0.0/0']).allowed, false, address)
  assert.equal(check('169.254.169.254', ['169.254.169.254/32']).allowed, true)
  assert.equal(check('::ffff:169.254.169.254', ['169.254.169.254']).allowed, true)
  assert.equal(check('fd00:ec2::254', ['fd00:ec2::254']).allowed, true)
})

test('an own address of the host is refused, however public it is and however it is written, unless it is opened', () => {
  const own = ['8.8.4.4', '2a00::1']
  for (const address of ['8.8.4.4', '::ffff:8.8.4.4', '64:ff9b::8.8.4.4', '2a00::1', '2a00:0:0:0:0:0:0:1', '2a01::5efe:8.8.4.4']) {
    const verdict = check(address, [], own)
    assert.ok(!verdict.allowed && verdict.why.includes('own addresses'), address)
  }
  assert.equal(check('8.8.4.4', ['8.8.4.4'], own).allowed, true)
  assert.equal(check('8.8.4.5', [], own).allowed, true)
})

test('what a refusal advises opens the address', () => {
  for (const line of lines('address.refused.txt').filter((text) => !/no IP address|:.*\.|IPv4-|6to4|Teredo|5efe|ffff:[7a]|9b/.test(text))) {
    const address = line.split(/\s/)[0] ?? ''
    const verdict = check(address)
    const entry = verdict.allowed ? null : /add (\S+) to/.exec(verdict.remedy ?? '')?.[1]
    assert.equal(check(address, [entry ?? '']).allowed, true, line)
  }
})

test('a policy with an address or network that is none is an error', () => {
  for (const bad of ['', '10.0.0.0/33', 'x', '10.0.0/8', '::/129']) {
    assert.throws(() => createAddressPolicy({ privateNetworks: [bad], ownAddresses: [] }), TypeError)
    assert.throws(() => createAddressPolicy({ privateNetworks: [], ownAddresses: [bad] }), TypeError)
  }
})

test('whatever the text, there is a verdict; and a verdict about IPv4 is the same for its other spellings', () => {
  const policy = createAddressPolicy({ privateNetworks: ['10.7.0.0/16'], ownAddresses: ['9.9.9.9'] })
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.ipV6(), fc.ipV4Extended()), (text) => typeof checkAddress(text, policy).allowed === 'boolean'),
  )
  const octets = fc.array(fc.oneof(fc.nat(255), fc.constantFrom(10, 7, 127, 169, 254, 192, 168, 9)), { minLength: 4, maxLength: 4 })
  fc.assert(
    fc.property(octets, (parts) => {
      const verdicts = ['', '::ffff:', '64:ff9b::'].map((prefix) => checkAddress(prefix + parts.join('.'), policy).allowed)
      assert.equal(new Set(verdicts).size, 1)
    }),
    { numRuns: 5000 },
  )
})

test('the same address is the same however it is written', () => {
  assert.ok(isSameAddress('::ffff:127.0.0.1', '127.0.0.1'))
  assert.ok(isSameAddress('2A00:0::1', '2a00::1'))
  assert.ok(!isSameAddress('::1', '127.0.0.1'))
  assert.ok(!isSameAddress('64:ff9b::7f00:1', '127.0.0.1'))
  assert.ok(!isSameAddress('x', 'x'))
})

test("the addresses of this machine's interfaces make a policy that refuses them", () => {
  const ownAddresses = Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map(({ address }) => address))
  assert.ok(ownAddresses.length > 0)
  for (const address of ownAddresses) assert.equal(check(address, [], ownAddresses).allowed, false)
})
