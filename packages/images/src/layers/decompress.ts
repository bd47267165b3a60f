// SPDX-License-Identifier: Apache-2.0
import type { Readable } from 'node:stream'
import { createGunzip, createZstdDecompress } from 'node:zlib'

/** `gzip-or-none`: by its first bytes. Archives of Docker have plain layers that are called packed; what they unpack to, their digest proves. */
export type Compression = 'none' | 'gzip' | 'zstd' | 'gzip-or-none'

/** What a layer is unpacked; it grows as it is read, so that whoever reads counts. Ends with an error where it is not what it is called. */
export function decompress(compressed: Readable, compression: Exclude<Compression, 'gzip-or-none'>): Readable {
  if (compression === 'none') return compressed
  const engine = compression === 'gzip' ? createGunzip({ chunkSize: 128 * 1024 }) : createZstdDecompress({ chunkSize: 128 * 1024 })
  compressed.on('error', (error) => engine.destroy(error))
  engine.on('close', () => compressed.destroy())
  return compressed.pipe(engine)
}

/** @param beginning Two bytes. */
export function compressionOf(compression: Compression, beginning: Uint8Array): Exclude<Compression, 'gzip-or-none'> {
  if (compression !== 'gzip-or-none') return compression
  // RFC 1952 section 2.3.1.
  return beginning[0] === 0x1f && beginning[1] === 0x8b ? 'gzip' : 'none'
}
