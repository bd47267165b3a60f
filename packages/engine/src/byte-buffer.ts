// SPDX-License-Identifier: Apache-2.0

/**
 * The little of Node's `Buffer` that the scanner needs for its speed. The package is compiled without Node's
 * types, so that nothing else of Node can slip into it.
 */
export interface ByteBuffer extends Uint8Array {
  indexOf(needle: number | Uint8Array, from?: number): number
  subarray(start?: number, end?: number): ByteBuffer
  toString(encoding?: 'utf8' | 'latin1', start?: number, end?: number): string
}

declare const Buffer: {
  from(memory: ArrayBufferLike, offset: number, length: number): ByteBuffer
  from(data: string | Uint8Array): ByteBuffer
  allocUnsafe(length: number): ByteBuffer
}

/** The same memory, not a copy. */
export function viewOf(bytes: Uint8Array): ByteBuffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

export function copyOf(bytes: Uint8Array | string): ByteBuffer {
  return Buffer.from(bytes)
}

/** Its content is undefined until written. */
export function allocate(length: number): ByteBuffer {
  return Buffer.allocUnsafe(length)
}
