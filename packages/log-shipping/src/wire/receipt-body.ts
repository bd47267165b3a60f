// SPDX-License-Identifier: Apache-2.0
// A receipt as it is sent: one line of JSON, such as {"next":11,"refused":0,"reason":null}.
import { printable } from '@sallyport/core'
import type { Receipt } from '@sallyport/store'

export const RECEIPT_BYTES_MAX = 1024
const REASON_CHARS_MAX = 200

export function formatReceipt({ next, refused, reason }: Receipt): string {
  return `${JSON.stringify({ next, refused, reason })}\n`
}

/** Untrusted: whether it can be true is the spool's question. Null for what is none. */
export function parseReceipt(bytes: Uint8Array): Receipt | null {
  try {
    const { next, refused, reason } = JSON.parse(Buffer.from(bytes).toString('utf8')) as Readonly<Record<string, unknown>>
    if (!Number.isSafeInteger(next) || !Number.isSafeInteger(refused)) return null
    if (reason !== null && typeof reason !== 'string') return null
    return {
      next: next as number,
      refused: refused as number,
      reason: reason === null ? null : printable(reason.slice(0, REASON_CHARS_MAX)),
    }
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return null
    throw error
  }
}
