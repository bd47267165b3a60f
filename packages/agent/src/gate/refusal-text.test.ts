// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RefusedPacket } from '@sallyport/sandbox'
import { cleanRefusal, cleanText, packetRefusal, refusalNote } from './refusal-text.ts'

const same = (text: string): string => text

test('hostile text in a refusal can neither end a line nor steer a terminal, and is cut', () => {
  const hostile = 'a\u001b[2J\r\n::set-env name=X::y\u2028b\u202ec\ud800\u200b\u0085d'
  const clean = cleanRefusal({ code: 'path', target: hostile, reason: hostile, rule: hostile, remedy: hostile }, same)
  const note = refusalNote(clean)
  assert.doesNotMatch(note, /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u)
  assert.match(note, /^sallyport: refused a \[2J ::set-env/)
  assert.equal(cleanText('x'.repeat(1e6), same).length, 300)
})

test('a secret is masked before the text is cut', () => {
  const redact = (text: string): string => text.replaceAll('correct-horse', '***')
  assert.ok(!cleanText(`${'x'.repeat(290)}correct-horse`, redact).includes('corr'))
})

test('the note names target, reason and what to add', () => {
  const refusal = {
    code: 'no-rule',
    target: 'evil.test:443',
    reason: 'no rule allows it',
    rule: null,
    remedy: 'add "- evil.test:443"',
  } as const
  assert.equal(refusalNote(refusal), 'sallyport: refused evil.test:443: no rule allows it; add "- evil.test:443"')
  assert.equal(refusalNote({ ...refusal, remedy: null }), 'sallyport: refused evil.test:443: no rule allows it')
})

test('a datagram without a rule says that UDP needs one; one of no running step says that', () => {
  const packet: RefusedPacket = { source: '198.18.1.1', address: '203.0.113.5', protocol: 'udp', port: 443 }
  const refusal = packetRefusal(packet, false)
  assert.deepEqual([refusal.code, refusal.target], ['datagram', '203.0.113.5:443/udp'])
  assert.match(refusal.reason, /QUIC/)
  assert.equal(packetRefusal({ ...packet, source: null, protocol: 'tcp' }, true).code, 'step-ended')
  assert.equal(packetRefusal({ ...packet, protocol: 'other', port: 0 }, false).target, '203.0.113.5/other')
  assert.match(packetRefusal({ ...packet, address: '198.19.0.7' }, false).reason, /stands for a name/)
  assert.match(packetRefusal({ ...packet, address: '198.18.0.1', port: 53 }, true).reason, /name server/)
})
