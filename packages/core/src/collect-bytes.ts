// SPDX-License-Identifier: Apache-2.0

/** All of a stream of bytes; null as soon as it is more than `bytesMax`, and then the rest is not read. */
export async function collectBytes(chunks: AsyncIterable<Uint8Array>, bytesMax: number): Promise<Uint8Array | null> {
  const pieces: Uint8Array[] = []
  let length = 0
  for await (const chunk of chunks) {
    length += chunk.length
    if (length > bytesMax) return null
    pieces.push(chunk)
  }
  const bytes = new Uint8Array(length)
  let at = 0
  for (const piece of pieces) {
    bytes.set(piece, at)
    at += piece.length
  }
  return bytes
}
