// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { createServer, type Server, type Socket } from 'node:net'
import { describe, test } from 'node:test'
import { testRecord } from '../_log.ts'
import type { ExportRecord } from '../contract.ts'
import { jsonLine } from '../record/json-line.ts'
import { ocsfLine } from '../record/ocsf.ts'
import { syslogMessage } from './syslog-message.ts'
import { SyslogTarget } from './syslog-target.ts'

const header = { hostname: 'worker-1', processId: 42 }

function messageOf(record: ExportRecord, bytesMax = 8192): { readonly text: string; readonly isShortened: boolean } {
  return syslogMessage(record, jsonLine, { header, bytesMax })
}

describe('a message of RFC 5424', () => {
  test('has facility, severity, time, names and sequence, and the entry as JSON', () => {
    const record = testRecord(4, { type: 'door.alert' })
    const { text } = messageOf(record)
    const start = '<108>1 2026-11-29T12:00:00.123Z worker-1 sallyport 42 door.alert [meta sequenceId="5"] '
    assert.equal(text.slice(0, start.length), start)
    assert.deepEqual(JSON.parse(text.slice(start.length)).entry, record.entry)
  })

  test('has no name that would end the header early', () => {
    const { text } = messageOf(testRecord(0, { type: 'a b]\n<1>é'.repeat(10) }))
    assert.match(text, /^<110>1 \S+ worker-1 sallyport 42 a\?b\]\?<1>\?\S{23} \[meta sequenceId="1"\] \{/)
    assert.doesNotMatch(text, /\n/)
  })

  test('counts its sequence again from one where the numbers of syslog end', () => {
    assert.match(messageOf({ ...testRecord(0), index: 2 ** 31 - 2 }).text, /sequenceId="2147483647"/)
    assert.match(messageOf({ ...testRecord(0), index: 2 ** 31 - 1 }).text, /sequenceId="1"/)
  })

  test('that is too long goes without its data, and says so', () => {
    const record = testRecord(0, { data: { text: 'x'.repeat(9000) } })
    const { text, isShortened } = messageOf(record)
    assert.ok(isShortened && text.length < 500)
    assert.match(text, /"omittedDataBytes":9011\}$/)
    assert.match(syslogMessage(record, ocsfLine, { header, bytesMax: 8192 }).text, /"is_truncated":true/)
    assert.equal(messageOf(record, 20_000).isShortened, false)
  })
})

/** A receiver that does with a connection what a test says, and what it has read. */
class Receiver implements AsyncDisposable {
  received = ''
  readonly #server: Server
  readonly #idleMs: number

  private constructor(server: Server, idleMs: number) {
    this.#server = server
    this.#idleMs = idleMs
  }

  static async start(onConnection: (socket: Socket, receiver: Receiver) => void, idleMs = 60_000): Promise<Receiver> {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      socket.on('error', () => undefined)
      onConnection(socket, receiver)
    })
    const receiver = new Receiver(server, idleMs)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return receiver
  }

  get target(): SyslogTarget {
    const { port } = this.#server.address() as { port: number }
    return new SyslogTarget({ address: { host: '127.0.0.1', port, tls: null }, format: jsonLine, idleMs: this.#idleMs })
  }

  read(socket: Socket): void {
    socket.on('data', (bytes: Buffer) => {
      this.received += bytes.toString()
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

/** More often than a connection may be idle. */
function talk(socket: Socket): void {
  const timer = setInterval(() => socket.write('.'), 20)
  socket.once('close', () => clearInterval(timer))
}

const signal = new AbortController().signal
const many = Array.from({ length: 2000 }, (_, index) => testRecord(index, { data: { text: 'x'.repeat(5000) } }))

describe('an export to syslog over TCP', () => {
  test('counts octets, and resolves when the receiver has read to the end', async () => {
    await using receiver = await Receiver.start((socket, self) => {
      self.read(socket)
      socket.on('end', () => socket.end())
    })
    await receiver.target.deliver([testRecord(0), testRecord(1)], signal)
    const frames: string[] = []
    for (let rest = receiver.received; rest !== ''; ) {
      const [, length = '', from = ''] = /^([1-9]\d*) (.*)$/s.exec(rest) ?? assert.fail('no frame')
      frames.push(from.slice(0, Number(length)))
      rest = from.slice(Number(length))
    }
    assert.deepEqual(
      frames.map((frame) => JSON.parse(frame.slice(frame.indexOf('{'))).index),
      [0, 1],
    )
  })

  const failures: readonly [string, (socket: Socket, receiver: Receiver) => void][] = [
    ['breaks the connection', (socket) => socket.resetAndDestroy()],
    ['closes before it has read', (socket) => socket.end()],
    ['breaks the connection in the middle', (socket) => socket.once('data', () => socket.resetAndDestroy())],
    ['reads nothing', (socket) => socket.pause()],
    ['reads to the end, and never closes', (socket) => void socket.resume()],
    ['reads to the end, and talks for ever', (socket) => talk(socket.resume())],
    ['reads nothing, and talks for ever', (socket) => talk(socket.pause())],
  ]
  for (const [title, onConnection] of failures)
    test(`fails where the receiver ${title}`, async () => {
      const sockets: Socket[] = []
      await using receiver = await Receiver.start((socket, self) => {
        sockets.push(socket)
        onConnection(socket, self)
      }, 300)
      await assert.rejects(receiver.target.deliver(many, signal), { code: 'EXPORT_FAILED' })
      for (const socket of sockets) socket.destroy()
    })

  test('fails where nobody listens, and ends when it is told to', async () => {
    const target = new SyslogTarget({ address: { host: '127.0.0.1', port: 1, tls: null }, format: jsonLine })
    await assert.rejects(target.deliver([testRecord(0)], signal), { code: 'EXPORT_FAILED' })
    const sockets: Socket[] = []
    await using receiver = await Receiver.start((socket) => void sockets.push(socket))
    await assert.rejects(receiver.target.deliver([testRecord(0)], AbortSignal.timeout(50)), { code: 'EXPORT_FAILED' })
    for (const socket of sockets) socket.destroy()
  })
})
