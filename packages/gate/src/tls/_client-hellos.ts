// SPDX-License-Identifier: Apache-2.0
// ClientHellos: as Node's own TLS sends them, and made by hand to be wrong in one place.
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { type ConnectionOptions, connect } from 'node:tls'

/** Everything that a client says before it hears an answer. */
export async function captureHello(options: ConnectionOptions): Promise<Buffer> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = connect({ ...options, host: '127.0.0.1', port: (server.address() as AddressInfo).port })
  client.on('error', () => undefined)
  const [socket] = (await once(server, 'connection')) as [Socket]
  let bytes = Buffer.alloc(0)
  while (bytes.length < 5 || bytes.length < 5 + bytes.readUInt16BE(3)) {
    const [chunk] = (await once(socket, 'data')) as [Buffer]
    bytes = Buffer.concat([bytes, chunk])
  }
  client.destroy()
  socket.destroy()
  server.close()
  return bytes
}

export interface HelloParts {
  readonly names?: readonly string[]
  readonly nameType?: number
  readonly extensions?: readonly (readonly [number, Buffer])[]
  readonly afterExtensions?: Buffer
}

const u16 = (value: number): Buffer => Buffer.from([value >> 8, value & 255])
const vector16 = (content: Buffer): Buffer => Buffer.concat([u16(content.length), content])

/** The handshake message. */
export function hello({ names, nameType = 0, extensions = [], afterExtensions = Buffer.alloc(0) }: HelloParts): Buffer {
  const entries = (names ?? []).map((name) => Buffer.concat([Buffer.from([nameType]), vector16(Buffer.from(name, 'latin1'))]))
  const all = [...(names === undefined ? [] : [[0, vector16(Buffer.concat(entries))] as const]), ...extensions]
  const block = Buffer.concat(all.map(([type, content]) => Buffer.concat([u16(type), vector16(content)])))
  const body = Buffer.concat([
    Buffer.from([3, 3]),
    Buffer.alloc(32, 7),
    Buffer.from([0]),
    vector16(Buffer.from([0x13, 0x01])),
    Buffer.from([1, 0]),
    vector16(block),
    afterExtensions,
  ])
  return Buffer.concat([Buffer.from([1, 0]), u16(body.length), body])
}

/** Cut into records of these sizes, the rest in one more. */
export function inRecords(message: Buffer, ...sizes: readonly number[]): Buffer {
  const records: Buffer[] = []
  let at = 0
  for (const size of [...sizes, message.length]) {
    const fragment = message.subarray(at, at + size)
    at += size
    if (fragment.length > 0) records.push(Buffer.concat([Buffer.from([22, 3, 1]), vector16(fragment)]))
  }
  return Buffer.concat(records)
}
