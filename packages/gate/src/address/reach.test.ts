// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { embeddedIpv4, formatAddress, networkContains, parseAddress, parseNetwork } from '@sallyport/access'
import fc from 'fast-check'
import type { GateConfig } from '../contract.ts'
import { checkAddress, createAddressPolicy } from './check-address.ts'
import { embeddedAddresses } from './embedded-addresses.ts'
import { reachOf } from './reach.ts'

type Part = Partial<Pick<GateConfig, 'nameServers' | 'hosts' | 'trustedHosts' | 'privateNetworks' | 'ownAddresses'>>

function configOf(part: Part): GateConfig {
  const limits = { connections: 1, helloMs: 1, connectMs: 1, idleMs: 1, bytesOut: null }
  const nothing = { nameServers: [], hosts: {}, trustedHosts: [], privateNetworks: [], ownAddresses: [], authorities: null, terminates: [] }
  return { ...nothing, limits, ...part }
}

/** As native/src/keeper-gate-reach.c has the kernel decide. */
function leadsTo(part: Part, text: string, to = 443): boolean {
  const address = parseAddress(text) ?? assert.fail(text)
  const first = reachOf(configOf(part)).find(({ network, port }) => {
    const parsed = parseNetwork(network) ?? assert.fail(network)
    return networkContains(parsed, address) && (port === null || port === to)
  })
  return first?.allowed ?? false
}

const vectors = (name: string): string[] =>
  readFileSync(new URL(`../../vectors/${name}`, import.meta.url), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.split(/\s+/)[0] ?? '')

const OPENED = { privateNetworks: ['10.1.0.0/16', '127.0.0.3', 'fd12::/16', '169.254.0.0/16'], ownAddresses: ['20.10.255.2', '2a00::7'] }

/** An address of the public internet that carries another one. */
function isCarrier(text: string): boolean {
  const address = parseAddress(text)
  return address !== null && embeddedIpv4(address) === null && embeddedAddresses(address).addresses.length > 0
}

function assertSame(text: string, part: typeof OPENED): void {
  const gate = checkAddress(text, createAddressPolicy(part)).allowed
  const kernel = leadsTo(part, text)
  assert.ok(kernel === gate || (kernel && isCarrier(text)), `${text}: the gate says ${gate}, the kernel ${kernel}`)
}

test('the kernel is told what the gate decides, for every special address in every form, and its public neighbours', () => {
  for (const text of [...vectors('address.refused.txt'), ...vectors('address.allowed.txt')]) {
    if (parseAddress(text) === null) continue
    assertSame(text, { privateNetworks: [], ownAddresses: [] })
    assertSame(text, OPENED)
  }
})

test('and for any address', () => {
  const four = fc.bigInt({ min: 0n, max: (1n << 32n) - 1n }).map((value) => formatAddress({ version: 4, value }))
  const six = fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }).map((value) => formatAddress({ version: 6, value }))
  const mapped = four.map((text) => `::ffff:${text}`)
  const near = fc.constantFrom(
    '10.1.2.3',
    '10.2.0.1',
    '127.0.0.3',
    '127.0.0.1',
    '169.254.169.254',
    '169.254.1.1',
    'fd12::1',
    'fd13::1',
    '20.10.255.2',
  )
  fc.assert(fc.property(fc.oneof(four, six, mapped, near), (text) => assertSame(text, OPENED)))
})

test('name servers are reached at their port, and hosts that a person named wherever they are', () => {
  const part = {
    nameServers: ['127.0.0.53', '[fd00::1]:5353'],
    hosts: { 'A.test': ['10.0.0.1'], 'b.test': ['10.0.0.2'] },
    trustedHosts: ['a.TEST'],
  }
  assert.ok(leadsTo(part, '127.0.0.53', 53) && !leadsTo(part, '127.0.0.53', 443) && !leadsTo(part, '127.0.0.1', 53))
  assert.ok(leadsTo(part, 'fd00::1', 5353) && !leadsTo(part, 'fd00::1', 53))
  assert.ok(leadsTo(part, '10.0.0.1') && !leadsTo(part, '10.0.0.2'))
})
