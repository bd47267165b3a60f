// SPDX-License-Identifier: Apache-2.0
import { printable } from '@sallyport/core'
import { ask, type HttpReply } from '@sallyport/http'
import type { Receipt, Shipment, Transport } from '@sallyport/store'
import { ShippingError } from '../shipping-error.ts'
import { isToken } from './credentials.ts'
import { parseReceipt, RECEIPT_BYTES_MAX } from './receipt-body.ts'
import { encodeBody } from './shipment-body.ts'
import { SHIPMENTS_PATH } from './shipment-handler.ts'

export interface HttpTransportOptions {
  /** `https:` alone: the token, and what jobs did, are for the receiver's eyes. Without a path. */
  readonly url: string
  /** Of the source. A secret. */
  readonly token: string
  /** Certificates (PEM) that the receiver's may be issued by, in place of the system's. */
  readonly ca?: string
  /** For one shipment, from the connection to the last byte of the answer. */
  readonly timeoutMs?: number
}

const TIMEOUT_MS = 60_000
const WORDS_CHARS_MAX = 200

/** Ships by HTTPS. @throws TypeError for a URL or a token that is none */
export function httpTransport({ url, token, ca, timeoutMs = TIMEOUT_MS }: HttpTransportOptions): Transport {
  const base = new URL(url)
  if (base.protocol !== 'https:' || base.pathname !== '/' || base.search !== '' || base.username !== '')
    throw new TypeError(`"${base.origin}" cannot be shipped to: an https: address without a path can`)
  if (!isToken(token)) throw new TypeError('A token has 32 to 512 printable characters')
  const address = new URL(SHIPMENTS_PATH, base).href
  return async (shipment, signal) => {
    const reply = await ask({
      method: 'POST',
      url: address,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/octet-stream' },
      body: encodeBody({ ...shipment, id: idOf(shipment) }),
      timeoutMs,
      answerBytesMax: RECEIPT_BYTES_MAX,
      signal,
      ...(ca === undefined ? {} : { ca }),
    })
    return receiptOf(reply, address)
  }
}

function idOf({ source }: Shipment): string {
  return source.slice(source.lastIndexOf('/') + 1)
}

/** Untrusted: a server that was proven to be the receiver may still say anything. */
function receiptOf({ status, headers, body }: HttpReply, address: string): Receipt {
  const receipt = status === 200 ? parseReceipt(body) : null
  if (receipt !== null) return receipt
  const words = printable(Buffer.from(body).toString('latin1').split('\n', 1)[0]?.slice(0, WORDS_CHARS_MAX) ?? '')
  const isLater = status === 200 || status === 429 || status >= 500
  throw new ShippingError(
    isLater ? 'SHIPPING_FAILED' : 'SHIPPING_REFUSED',
    `Cannot ship to ${address}: it answered with status ${status}: ${words}`,
    {
      retryAfterMs: retryAfterMs(headers['retry-after']),
    },
  )
}

/** Seconds; a date is of a clock that may be wrong. What is too long is bounded by whoever waits. */
function retryAfterMs(header: string | string[] | undefined): number | null {
  return typeof header === 'string' && /^[0-9]{1,6}$/.test(header) ? Number(header) * 1000 : null
}
