// SPDX-License-Identifier: Apache-2.0
import { type HttpAnswer, type HttpHandler, type HttpRequest, textAnswer } from '@sallyport/http'
import { type Receipt, StoreError } from '@sallyport/store'
import type { ShipmentReceiver } from '../receive/shipment-receiver.ts'
import { ShippingError } from '../shipping-error.ts'
import { nameOfBearer, type ShippingCredential } from './credentials.ts'
import { formatReceipt } from './receipt-body.ts'
import { BODY_BYTES_MAX, parseBody } from './shipment-body.ts'

export const SHIPMENTS_PATH = '/v1/shipments'

export interface ShipmentHandlerOptions {
  readonly receiver: Pick<ShipmentReceiver, 'receive'>
  /** Asked at each request, so that one can come and go. */
  readonly credentials: () => readonly ShippingCredential[]
  /** The storage failed: receiver and log have to be opened again. */
  readonly onFailure: (error: StoreError) => void
  readonly limits?: Partial<HandlerLimits>
}

/** A shipment is in memory while it is received and stored: `shipmentsMax` of 4 MiB. */
export interface HandlerLimits {
  readonly shipmentsMax: number
  /** Of one name: its spool ships one after the other, and comes back when an answer was lost. */
  readonly shipmentsOfNameMax: number
}

const LIMITS: HandlerLimits = { shipmentsMax: 32, shipmentsOfNameMax: 3 }
const BUSY_S = 1
const FAILED_S = 5

/** `POST /v1/shipments`, over TLS: here, or at a proxy before it. The credential is asked for before anything is read. */
export function shipmentHandler({ receiver, credentials, onFailure, limits }: ShipmentHandlerOptions): HttpHandler {
  const { shipmentsMax, shipmentsOfNameMax } = { ...LIMITS, ...limits }
  const atWork = new Map<string, number>()
  let all = 0
  return async (request) => {
    if (request.path !== SHIPMENTS_PATH) return textAnswer(404, 'not found\n', ENDS)
    if (request.method !== 'POST') return textAnswer(405, 'method not allowed\n', { allow: 'POST', ...ENDS })
    const name = nameOfBearer(request.header('authorization'), credentials())
    if (name === null) return textAnswer(401, 'no credential that is known here\n', { 'www-authenticate': 'Bearer', ...ENDS })
    const ofName = atWork.get(name) ?? 0
    if (ofName >= shipmentsOfNameMax) return later(429, 'one shipment after the other', BUSY_S)
    if (all >= shipmentsMax) return later(503, 'too many shipments at a time', BUSY_S)
    atWork.set(name, ofName + 1)
    all += 1
    try {
      return await takeShipment(request, { name, receiver, onFailure })
    } finally {
      all -= 1
      const left = (atWork.get(name) ?? 1) - 1
      if (left === 0) atWork.delete(name)
      else atWork.set(name, left)
    }
  }
}

/** The rest of the request is not read. */
const ENDS = { connection: 'close' } as const

function later(status: 429 | 503, why: string, afterS: number): HttpAnswer {
  return textAnswer(status, `${why}\n`, { 'retry-after': String(afterS), ...ENDS })
}

interface Taking extends Pick<ShipmentHandlerOptions, 'receiver' | 'onFailure'> {
  readonly name: string
}

async function takeShipment(request: HttpRequest, { name, receiver, onFailure }: Taking): Promise<HttpAnswer> {
  const body = await request.body(BODY_BYTES_MAX)
  if (body === null) return textAnswer(413, `more than ${BODY_BYTES_MAX} bytes\n`)
  const content = parseBody(body)
  if (content === null) return textAnswer(400, 'that is no shipment\n')
  const { id, ...rest } = content
  try {
    return receiptAnswer(await receiver.receive(name, { source: `${name}/${id}`, ...rest }))
  } catch (error) {
    if (error instanceof ShippingError) return textAnswer(403, `${error.message}\n`)
    if (!(error instanceof StoreError)) throw error
    if (error.code === 'LOG_OVERLOADED') return later(503, 'too much waits for the disk', BUSY_S)
    onFailure(error)
    return later(503, 'the log cannot be written at the moment', FAILED_S)
  }
}

function receiptAnswer(receipt: Receipt): HttpAnswer {
  return { status: 200, headers: { 'content-type': 'application/json' }, body: formatReceipt(receipt) }
}
