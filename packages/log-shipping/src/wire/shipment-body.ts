// SPDX-License-Identifier: Apache-2.0
// A shipment as it is sent. All numbers are big endian:
//
//   bytes   0  "SPS1"
//           4  the spool's id, 8 bytes
//          12  number of the first record, 8 bytes
//          20  number of the record before it, 8 bytes; 0: none is known
//          28  its leaf hash, 32 bytes; zeros where there is none
//          60  count of the records, 4 bytes
//          64  each record, with its length in two bytes before it
//
// The name is not in it: it is that of the credential.
import { HASH_BYTES } from '@sallyport/audit-log'
import { RECORDS_MAX, type RecordLink, SHIPMENT_BYTES_MAX, type Shipment } from '@sallyport/store'

const MAGIC = Buffer.from('SPS1')
const AT = { id: 4, first: 12, previous: 20, hash: 28, count: 60, records: 64 } as const
const LENGTH_BYTES = 2

export const BODY_BYTES_MAX: number = AT.records + SHIPMENT_BYTES_MAX + RECORDS_MAX * LENGTH_BYTES

export type ShipmentContent = Pick<Shipment, 'first' | 'previous' | 'records'> & { readonly id: string }

export function encodeBody({ id, first, previous, records }: ShipmentContent): Buffer {
  const body = Buffer.alloc(records.reduce<number>((sum, { byteLength }) => sum + LENGTH_BYTES + byteLength, AT.records))
  body.set(MAGIC)
  body.set(Buffer.from(id, 'hex'), AT.id)
  body.writeBigUInt64BE(BigInt(first), AT.first)
  body.writeBigUInt64BE(BigInt(previous?.number ?? 0), AT.previous)
  body.set(previous?.hash ?? new Uint8Array(HASH_BYTES), AT.hash)
  body.writeUInt32BE(records.length, AT.count)
  let at: number = AT.records
  for (const record of records) {
    at = body.writeUInt16BE(record.byteLength, at)
    body.set(record, at)
    at += record.byteLength
  }
  return body
}

/** Untrusted. Null for what `encodeBody` would not write; the records are views of `bytes`. */
export function parseBody(bytes: Uint8Array): ShipmentContent | null {
  const body = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (body.byteLength < AT.records || body.byteLength > BODY_BYTES_MAX || !body.subarray(0, MAGIC.byteLength).equals(MAGIC)) return null
  const first = readNumber(body, AT.first)
  const previous = parseLink(body)
  const count = body.readUInt32BE(AT.count)
  const records = count > RECORDS_MAX ? null : parseRecords(body.subarray(AT.records), count)
  if (first === null || first < 1 || previous === undefined || records === null) return null
  return { id: body.toString('hex', AT.id, AT.first), first, previous, records }
}

function parseRecords(bytes: Buffer, count: number): Buffer[] | null {
  const records: Buffer[] = []
  let at = 0
  for (; records.length < count && at + LENGTH_BYTES <= bytes.byteLength; ) {
    const end = at + LENGTH_BYTES + bytes.readUInt16BE(at)
    if (end > bytes.byteLength) return null
    records.push(bytes.subarray(at + LENGTH_BYTES, end))
    at = end
  }
  return records.length === count && at === bytes.byteLength ? records : null
}

/** Undefined for a link that is none. */
function parseLink(body: Buffer): RecordLink | null | undefined {
  const number = readNumber(body, AT.previous)
  const hash = body.subarray(AT.hash, AT.hash + HASH_BYTES)
  if (number === null) return undefined
  if (number > 0) return { number, hash }
  return hash.every((byte) => byte === 0) ? null : undefined
}

/** Null for one that a number cannot hold. */
function readNumber(body: Buffer, at: number): number | null {
  const number = Number(body.readBigUInt64BE(at))
  return Number.isSafeInteger(number) ? number : null
}
