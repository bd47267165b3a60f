// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto'
import { ImagesError, type RefusalReason } from '../images-error.ts'

export type JsonObject = Readonly<Record<string, unknown>>

/** Untrusted, as all of an image. @throws ImagesError IMAGE_REFUSED */
export function parseJsonObject(bytes: Uint8Array, what: string): JsonObject {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
    if (isObject(value)) return value
  } catch {
    // Said below: what the parser says quotes the image.
  }
  throw ImagesError.refused('malformed', `${what} is no JSON object`)
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function listOf(
  value: unknown,
  what: string,
  { max, reason }: { readonly max: number; readonly reason: RefusalReason },
): readonly unknown[] {
  if (!Array.isArray(value)) throw ImagesError.refused('malformed', `${what} is no list`)
  if (value.length > max) throw ImagesError.refused(reason, `${what} has ${value.length} entries, and ${max} are the most`)
  return value
}

export function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

/** @throws ImagesError IMAGE_REFUSED `digest` */
export function assertDigest(bytes: Uint8Array, digest: string, what: string): void {
  if (digestOf(bytes) !== digest) throw ImagesError.refused('digest', `${what} does not have the digest ${digest}`)
}
