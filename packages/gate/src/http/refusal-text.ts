// SPDX-License-Identifier: Apache-2.0
// How a person at the other end of a refused request learns why, in the protocol that they speak.
import type { Socket } from 'node:net'
import type { Refusal, RefusalCode } from '@sallyport/access'

/** Of every answer that is the gate's own. */
const REFUSED_HEADER = 'x-sallyport-refused'

/** Problems of the destination, not of the rules: clients may try again. */
const STATUS: Partial<Record<RefusalCode, number>> = {
  malformed: 400,
  unresolved: 502,
  address: 403,
  unreachable: 502,
  'upstream-certificate': 502,
}

const CLEANED_MAX = 200

/** Untrusted text for a report: cut, and without what a terminal or a log would take for more than text. */
export function cleaned(text: string): string {
  const printable = text.replaceAll(/[^\x20-\x7e]/g, '?')
  return printable.length <= CLEANED_MAX ? printable : `${printable.slice(0, CLEANED_MAX)}…`
}

export function refusalStatus(refusal: Refusal): number {
  return STATUS[refusal.code] ?? 403
}

export function refusalHeaders(refusal: Refusal): Record<string, string> {
  return { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store', [REFUSED_HEADER]: refusal.code }
}

export function refusalText(refusal: Refusal): string {
  const lines = [`Sallyport refused ${refusal.target}`, `  why: ${refusal.reason}`]
  if (refusal.rule !== null) lines.push(`  nearest rule: ${refusal.rule}`)
  if (refusal.remedy !== null) lines.push(`  to allow it: ${refusal.remedy}`)
  return `${lines.join('\n')}\n`
}

/** For a socket that no HTTP parser owns. Ends it when the text is out. */
export function refuseHttp(socket: Socket, refusal: Refusal): void {
  if (!socket.writable) {
    socket.destroy()
    return
  }
  const body = Buffer.from(refusalText(refusal))
  const fields = { ...refusalHeaders(refusal), 'content-length': String(body.length), connection: 'close' }
  const head = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.end(Buffer.concat([Buffer.from(`HTTP/1.1 ${statusLine(refusal)}\r\n${head.join('')}\r\n`), body]))
}

function statusLine(refusal: Refusal): string {
  return refusalStatus(refusal) === 403 ? '403 Forbidden' : `${refusalStatus(refusal)} Refused by Sallyport`
}
