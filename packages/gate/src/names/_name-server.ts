// SPDX-License-Identifier: Apache-2.0
// A name server on the loopback that does what a test says, over UDP and TCP on one port.
import { Buffer } from 'node:buffer'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'

export interface Asked {
  readonly over: 'udp' | 'tcp'
  readonly message: Buffer
  /** As it was asked, letter case too. */
  readonly name: string
  readonly type: number
  readonly port: number
}

export interface FakeNameServer extends AsyncDisposable {
  /** As a configuration names it. */
  readonly address: string
  readonly asked: Asked[]
}

/** `answer` returns the messages to send back, in order. */
export async function startNameServer(answer: (asked: Asked) => readonly Buffer[]): Promise<FakeNameServer> {
  const asked: Asked[] = []
  const reply = (over: 'udp' | 'tcp', message: Buffer, port: number): readonly Buffer[] => {
    const one = { over, message, port, ...questionOf(message) }
    asked.push(one)
    return answer(one)
  }
  const tcp = createServer((socket) => serveTcp(socket, (message) => reply('tcp', message, socket.remotePort ?? 0)))
  tcp.listen(0, '127.0.0.1')
  await once(tcp, 'listening')
  const { port } = tcp.address() as AddressInfo
  const udp = createSocket('udp4')
  udp.on('message', (message, from) => {
    for (const response of reply('udp', message, from.port)) udp.send(response, from.port, from.address)
  })
  udp.bind(port, '127.0.0.1')
  await once(udp, 'listening')
  return {
    address: `127.0.0.1:${port}`,
    asked,
    async [Symbol.asyncDispose]() {
      udp.close()
      tcp.close()
      await once(tcp, 'close')
    },
  }
}

function serveTcp(socket: Socket, reply: (message: Buffer) => readonly Buffer[]): void {
  let read = Buffer.alloc(0)
  socket.on('error', () => undefined)
  socket.on('data', (chunk: Buffer) => {
    read = Buffer.concat([read, chunk])
    if (read.length < 2 || read.length < 2 + read.readUInt16BE(0)) return
    for (const response of reply(read.subarray(2))) {
      // in two parts, as networks do
      socket.write(Buffer.from([response.length >> 8]))
      setImmediate(() => socket.write(Buffer.concat([Buffer.from([response.length & 255]), response])))
    }
  })
}

function questionOf(message: Buffer): { name: string; type: number } {
  const labels: string[] = []
  let at = 12
  for (let length = message.readUInt8(at); length > 0; length = message.readUInt8(at)) {
    labels.push(message.toString('latin1', at + 1, at + 1 + length))
    at += 1 + length
  }
  return { name: labels.join('.'), type: message.readUInt16BE(at + 1) }
}

export interface FakeRecord {
  /** Default: the name that was asked for. */
  readonly owner?: Buffer
  readonly type: number
  readonly ttl?: number
  readonly data: Buffer
}

export function responseTo(message: Buffer, records: readonly FakeRecord[], flags = 0x8180): Buffer {
  const head = Buffer.from(message)
  head.writeUInt16BE(flags, 2)
  head.writeUInt16BE(records.length, 6)
  return Buffer.concat([head, ...records.map(recordBytes)])
}

function recordBytes({ owner = Buffer.from([0xc0, 12]), type, ttl = 60, data }: FakeRecord): Buffer {
  const fixed = Buffer.alloc(10)
  fixed.writeUInt16BE(type, 0)
  fixed.writeUInt16BE(1, 2)
  fixed.writeUInt32BE(ttl, 4)
  fixed.writeUInt16BE(data.length, 8)
  return Buffer.concat([owner, fixed, data])
}

export const a = (address: string, more: Partial<FakeRecord> = {}): FakeRecord => ({
  type: 1,
  data: Buffer.from(address.split('.').map(Number)),
  ...more,
})

/** `groups`: all eight. */
export const aaaa = (groups: string, more: Partial<FakeRecord> = {}): FakeRecord => {
  const data = Buffer.alloc(16)
  for (const [index, group] of groups.split(':').entries()) data.writeUInt16BE(Number.parseInt(group, 16), 2 * index)
  return { type: 28, data, ...more }
}
