// SPDX-License-Identifier: Apache-2.0
import type { Refusal } from '@sallyport/access'
import { JOB_NETWORK } from '@sallyport/core'
import type { RefusedPacket } from '@sallyport/sandbox'

const TEXT_MAX = 300

/** Masks secrets; a path or a name can hold one. */
export type Redact = (text: string) => string

/**
 * Text of the gate's, for one line. Untrusted: names and paths in it are the job's, and the gate that cleaned them has parsed the job's bytes. Nothing
 * that ends a line, steers a terminal or turns the direction of writing is left. Cut after it is masked: half of a secret is no form of it any more.
 */
export function cleanText(text: string, redact: Redact, lengthMax: number = TEXT_MAX): string {
  const clean = redact(text)
    .replaceAll(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]+/gu, ' ')
    .trim()
  return clean.length > lengthMax ? `${clean.slice(0, lengthMax - 1)}…` : clean
}

export function cleanRefusal({ code, target, reason, rule, remedy }: Refusal, redact: Redact): Refusal {
  return {
    code,
    target: cleanText(target, redact),
    reason: cleanText(reason, redact),
    rule: rule === null ? null : cleanText(rule, redact),
    remedy: remedy === null ? null : cleanText(remedy, redact),
  }
}

/** The line of a step's log. It begins with our name, so that no text of the job begins a line. */
export function refusalNote({ target, reason, remedy }: Refusal): string {
  return `sallyport: refused ${target}: ${reason}${remedy === null ? '' : `; ${remedy}`}`
}

/** What the kernel refused before the gate could see it. `hasEnded`: it came from no running step. */
export function packetRefusal({ address, port, protocol }: RefusedPacket, hasEnded: boolean): Refusal {
  const target = protocol === 'other' ? `${address}/other` : `${address}:${port}/${protocol}`
  const code = hasEnded ? 'step-ended' : 'datagram'
  const reason = hasEnded ? 'no running step sent it: the doors of a step shut at its end' : DATAGRAM_REASONS[protocol]
  return { code, target, reason: `${reason}${meaningOf(address)}`, rule: null, remedy: null }
}

const DATAGRAM_REASONS: Readonly<Record<RefusedPacket['protocol'], string>> = {
  udp: 'UDP, QUIC too, leaves a job only by a rule with a host name and "protocol: udp"',
  tcp: 'the kernel refused it before the gate',
  other: 'only TCP and UDP can leave a job, each by a rule',
}

/** Addresses that nobody has written down anywhere need a word; which name one stood for, only the gate knows. */
function meaningOf(address: string): string {
  if (address === JOB_NETWORK.gateAddress) return ' (the address is the name server of the job)'
  return address.startsWith(NAME_PREFIX) ? ' (the address stands for a name that was asked for)' : ''
}

const NAME_PREFIX = JOB_NETWORK.nameNetwork.split('.', 2).join('.').concat('.')
