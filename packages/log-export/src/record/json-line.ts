// SPDX-License-Identifier: Apache-2.0
import type { ExportRecord } from '../contract.ts'

/** One JSON document in ASCII, without a newline; what is no entry of ours goes as base64. */
export type LineFormat = (record: ExportRecord) => string

export const jsonLine: LineFormat = ({ origin, index, entry, leaf, omittedDataBytes }) =>
  asciiJson({
    origin,
    index,
    ...(entry === null ? { leaf: Buffer.from(leaf).toString('base64') } : { entry }),
    ...(omittedDataBytes > 0 ? { omittedDataBytes } : {}),
  })

/** JSON escapes say the same, and pass every receiver: no encoding to agree on, no character that ends or hides a line. */
export function asciiJson(value: unknown): string {
  return JSON.stringify(value).replaceAll(/[^\x20-\x7e]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
