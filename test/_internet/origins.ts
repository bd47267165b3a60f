// SPDX-License-Identifier: Apache-2.0
// What answers in the origins' namespace beside nginx and sshd: a name server, TCP and UDP sinks, an upgrade to websocket. A program of its own: it runs there;
// with the argument `host`, one sink that runs beside Sallyport.
// Says each thing that arrives as a JSON line. A line of its input is a barrier: answered when all that had come by then was said.
import { createHash } from 'node:crypto'
import dgram from 'node:dgram'
import net from 'node:net'
import { createInterface } from 'node:readline'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { FENCE_PORT, HOST_ADDRESS, HOST_SERVICE_PORT, ORIGINS, ORIGINS6 } from './addresses.ts'

/** Connections and messages so far, to tell a turn of the event loop in which nothing came. */
let noticed = 0

function log(kind: string, facts: Readonly<Record<string, unknown>>): void {
  process.stdout.write(`${JSON.stringify({ kind, ...facts })}\n`)
}

/** Answers in turn where there is more than one list: a name that changes its mind (rebinding). */
const ZONE: Readonly<Record<string, readonly (readonly string[])[]>> = {
  'metadata.test': [[ORIGINS.metadata]],
  'intranet.test': [[ORIGINS.intranet]],
  'loopback.test': [['127.0.0.1']],
  'mapped.test': [['::ffff:127.0.0.1']],
  'own.test': [[HOST_ADDRESS]],
  'six.test': [[ORIGINS6.web]],
  'nat64.test': [[ORIGINS6.nat64]],
  'sixtofour.test': [[ORIGINS6.sixToFour]],
  'rebind.test': [[ORIGINS.web], ['127.0.0.1'], [ORIGINS.metadata]],
  'mixed.test': [['127.0.0.1', ORIGINS.web]],
  'ssh.test': [[ORIGINS.ssh]],
  'time.test': [[ORIGINS.udp]],
  'nowhere.test': [[]],
}
const asked = new Map<string, number>()

function addressesOf(name: string): readonly string[] | null {
  const lists = ZONE[name]
  if (lists !== undefined) {
    const count = asked.get(name) ?? 0
    asked.set(name, count + 1)
    return lists[Math.min(Math.floor(count / 2), lists.length - 1)] ?? []
  }
  if (name === 'evil.test' || name.endsWith('.evil.test')) return [ORIGINS.evil]
  return name.endsWith('.test') ? [ORIGINS.web] : null
}

function nameIn(message: Buffer): { readonly name: string; readonly end: number } {
  const labels: string[] = []
  let at = 12
  for (let size = message[at] ?? 0; size > 0 && size < 64; size = message[at] ?? 0) {
    labels.push(message.toString('latin1', at + 1, at + 1 + size))
    at += 1 + size
  }
  return { name: labels.join('.').toLowerCase(), end: at + 1 }
}

function v6(address: string): Buffer {
  const [head = '', tail = ''] = address.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, a, b, c, d) => `${hex(a, b)}:${hex(c, d)}`).split('::')
  const words = (text: string): number[] => (text === '' ? [] : text.split(':').map((word) => Number.parseInt(word, 16)))
  const before = words(head)
  const after = words(tail)
  const all = [...before, ...Array<number>(8 - before.length - after.length).fill(0), ...after]
  return Buffer.from(all.flatMap((word) => [word >> 8, word & 255]))
}

function hex(high: string, low: string): string {
  return ((Number(high) << 8) | Number(low)).toString(16)
}

function answer(message: Buffer, over: string): Buffer {
  const { name, end } = nameIn(message)
  const type = message.readUInt16BE(end)
  log('dns', { over, name, type })
  const addresses = addressesOf(name)
  const records = (addresses ?? []).flatMap((address) => {
    const data = address.includes(':') ? v6(address) : Buffer.from(address.split('.').map(Number))
    if (type !== (data.length === 4 ? 1 : 28)) return []
    const head = Buffer.from([0xc0, 12, 0, type, 0, 1, 0, 0, 0, 0, 0, data.length])
    return [Buffer.concat([head, data])]
  })
  const head = Buffer.alloc(12)
  message.copy(head, 0, 0, 2)
  head.writeUInt16BE(addresses === null ? 0x8583 : 0x8580, 2)
  head.writeUInt16BE(1, 4)
  head.writeUInt16BE(records.length, 6)
  return Buffer.concat([head, message.subarray(12, end + 4), ...records])
}

type OnMessage = (message: Buffer, reply: (answer: Buffer | string) => void) => void

function listenUdp(address: string, port: number, onMessage: OnMessage): void {
  const socket = dgram.createSocket(net.isIPv6(address) ? 'udp6' : 'udp4')
  socket.on('message', (message, from) => {
    noticed += 1
    onMessage(message, (answer) => socket.send(answer, from.port, from.address))
  })
  socket.bind(port, address)
}

/** `::` is every address, of IPv4 too. */
function listenTcp(address: string, port: number, onConnection: (connection: net.Socket) => void): void {
  const server = net.createServer((connection) => {
    noticed += 1
    connection.on('error', () => connection.destroy())
    connection.on('data', () => {
      noticed += 1
    })
    onConnection(connection)
  })
  server.listen(port, address)
}

function serveDns(address: string): void {
  listenUdp(address, 53, (message, reply) => reply(answer(message, `udp ${address}`)))
  listenTcp(address, 53, (connection) => {
    let pending = Buffer.alloc(0)
    connection.on('data', (data) => {
      pending = Buffer.concat([pending, data])
      while (pending.length >= 2 && pending.length >= 2 + pending.readUInt16BE(0)) {
        const size = pending.readUInt16BE(0)
        const response = answer(pending.subarray(2, 2 + size), `tcp ${address}`)
        const prefix = Buffer.alloc(2)
        prefix.writeUInt16BE(response.length)
        connection.write(Buffer.concat([prefix, response]))
        pending = pending.subarray(2 + size)
      }
    })
  })
}

/** Whatever comes is logged (its beginning) and answered with one line. */
function serveTcp(address: string, port: number): void {
  listenTcp(address, port, (connection) => {
    connection.once('data', (data) => {
      log('tcp', { address, port, bytes: data.length, text: data.toString('latin1', 0, 200) })
      connection.end('received\n')
      connection.resume()
    })
  })
}

function serveUdp(address: string, port: number): void {
  listenUdp(address, port, (message, reply) => {
    log('udp', { address, port, bytes: message.length, text: message.toString('latin1', 0, 200) })
    reply(`heard ${message.length}`)
  })
}

/** RFC 6455: accepts, and sends back what it gets (frames unmasked, small ones only). */
function serveWebsocket(address: string, port: number): void {
  listenTcp(address, port, (connection) => {
    let upgraded = false
    connection.on('data', (data) => {
      if (!upgraded) {
        const key = /sec-websocket-key: *(\S+)/i.exec(data.toString('latin1'))?.[1] ?? ''
        const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
        connection.write(
          `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
        )
        upgraded = true
        log('websocket', { address, port })
        return
      }
      const size = (data[1] ?? 0) & 127
      const mask = data.subarray(2, 6)
      const payload = Buffer.from(data.subarray(6, 6 + size).map((byte, index) => byte ^ (mask[index % 4] ?? 0)))
      connection.write(Buffer.concat([Buffer.from([data[0] ?? 0x81, size]), payload]))
    })
  })
}

const IDLE_TURNS = 3

/** Returns when what lay in the sockets was read: a connection is accepted in one turn of the event loop, and read from in the next. */
async function allRead(): Promise<void> {
  for (let idle = 0; idle < IDLE_TURNS; ) {
    const before = noticed
    await nextTurn()
    idle = noticed === before ? idle + 1 : 0
  }
}

function serveOrigins(): void {
  serveDns(ORIGINS.dns)
  serveDns(ORIGINS.publicDns)
  for (const port of [4444, 8443, 9418]) serveTcp(ORIGINS.evil, port)
  for (const port of [853, 443]) serveTcp(ORIGINS.publicDns, port)
  for (const port of [22, 5432, 7777]) serveTcp(ORIGINS.web, port)
  for (const address of [ORIGINS.metadata, ORIGINS.intranet, ORIGINS6.nat64, ORIGINS6.sixToFour]) serveTcp(address, 80)
  serveTcp(ORIGINS6.evil, 4444)
  for (const port of [123, 443]) serveUdp(ORIGINS.udp, port)
  for (const address of [ORIGINS.evil, ORIGINS.web, ORIGINS6.evil]) serveUdp(address, 443)
  serveWebsocket(ORIGINS.web, 8081)
  listenUdp(ORIGINS.udp, FENCE_PORT, (message, reply) => reply(message))
}

if (process.argv[2] === 'host') serveTcp('::', HOST_SERVICE_PORT)
else serveOrigins()
createInterface({ input: process.stdin }).on('line', async () => {
  await allRead()
  log('barrier', {})
})
