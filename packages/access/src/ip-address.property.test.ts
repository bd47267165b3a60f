// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { BlockList, isIP } from 'node:net'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { embeddedIpv4, formatAddress, formatNetwork, maskNetwork, networkContains, parseAddress, parseNetwork } from './ip-address.ts'

const ipv4 = fc.ipV4()
const ipv6 = fc.ipV6()
const textLikeAnAddress = fc.string({ unit: fc.constantFrom('0', '1', 'f', '2', '9', ':', '.', 'x', '%', '/', ' '), maxLength: 40 })

describe('an address', () => {
  it('is read as Node reads it, but for zones, and in one form only', () => {
    fc.assert(
      fc.property(fc.oneof(ipv4, ipv6, textLikeAnAddress), (text) => {
        const address = parseAddress(text)
        assert.equal(address?.version ?? 0, text.includes('%') ? 0 : isIP(text), text)
        if (address === null) return
        assert.deepEqual(parseAddress(formatAddress(address)), address)
      }),
      { numRuns: 2000 },
    )
  })

  it('is in a network exactly when Node says so', () => {
    const pair = fc.oneof(fc.tuple(ipv4, ipv4, fc.integer({ min: 0, max: 32 })), fc.tuple(ipv6, ipv6, fc.integer({ min: 0, max: 128 })))
    fc.assert(
      fc.property(pair, ([one, other, prefix]) => {
        const address = parseAddress(one)
        const base = parseAddress(other)
        assert.ok(address !== null && base !== null)
        const network = maskNetwork({ address: base, prefix })
        assert.deepEqual(parseNetwork(formatNetwork(network)), network)
        const family = base.version === 4 ? 'ipv4' : 'ipv6'
        const list = new BlockList()
        list.addSubnet(formatAddress(network.address), prefix, family)
        // Node also finds IPv4-mapped addresses in IPv4 networks and the other way round: here they are told apart.
        if (embeddedIpv4(address) === null && embeddedIpv4(network.address) === null)
          assert.equal(networkContains(network, address), list.check(formatAddress(address), family))
        assert.ok(networkContains(network, base))
      }),
      { numRuns: 1000 },
    )
  })

  it('of version 4 is known in its IPv4-mapped form, and is in no IPv6 network', () => {
    const mapped = parseAddress('::ffff:169.254.169.254')
    assert.ok(mapped !== null)
    const plain = embeddedIpv4(mapped)
    assert.equal(plain && formatAddress(plain), '169.254.169.254')
    const all = parseNetwork('0.0.0.0/0')
    assert.ok(all !== null && !networkContains(all, mapped))
    for (const other of ['::169.254.169.254', '64:ff9b::169.254.169.254', '169.254.169.254']) {
      const address = parseAddress(other)
      assert.equal(address && embeddedIpv4(address), null)
    }
  })
})
