// SPDX-License-Identifier: Apache-2.0
import { UsageError } from './usage-error.ts'

/** Lines of a stream of bytes; one that is longer than `bytesMax` is an error, not memory. */
export async function* readLines(stream: AsyncIterable<Uint8Array>, bytesMax: number): AsyncGenerator<string, void, undefined> {
  let rest = Buffer.alloc(0)
  for await (const chunk of stream) {
    const all = Buffer.concat([rest, chunk])
    let from = 0
    for (let end = all.indexOf(0x0a); end !== -1; end = all.indexOf(0x0a, from)) {
      yield all.toString('utf8', from, end)
      from = end + 1
    }
    rest = all.subarray(from)
    if (rest.byteLength > bytesMax) throw new UsageError('FILE_INVALID', `A line of stdin is longer than ${bytesMax} bytes`)
  }
  if (rest.byteLength > 0) yield rest.toString('utf8')
}
