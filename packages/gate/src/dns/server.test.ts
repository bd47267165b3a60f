// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { spawn } from 'node:child_process'
import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { optRecord, questionMessage, readAnswer, u16 } from './_messages.ts'
import { startServer } from './_server.ts'
import { namesOf, recordedStep } from './_steps.ts'
import { DnsServer } from './server.ts'

interface UdpClient extends AsyncDisposable {
  send(message: Buffer): void
  ask(message: Buffer): Promise<Buffer>
  readonly received: Buffer[]
}

async function udpClient(port: number): Promise<UdpClient> {
  const socket: UdpSocket = createSocket('udp4')
  const received: Buffer[] = []
  socket.on('message', (message) => void received.push(message))
  socket.connect(port, '127.0.0.1')
  await once(socket, 'connect')
  return {
    received,
    send: (message) => socket.send(message),
    async ask(message) {
      socket.send(message)
      const [response] = (await once(socket, 'message', { signal: AbortSignal.timeout(2000) })) as [Buffer]
      return response
    },
    async [Symbol.asyncDispose]() {
      socket.close()
      await once(socket, 'close')
    },
  }
}

const framed = (...messages: Buffer[]): Buffer => Buffer.concat(messages.flatMap((message) => [u16(message.length), message]))

async function tcpClient(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  return socket
}

/** Reads until the peer ends or there are `count` messages. */
async function readMessages(socket: Socket, count: number): Promise<Buffer[]> {
  let read = Buffer.alloc(0)
  const messages: Buffer[] = []
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    read = Buffer.concat([read, chunk as Buffer])
    while (read.length >= 2 && read.length >= 2 + read.readUInt16BE(0)) {
      messages.push(read.subarray(2, 2 + read.readUInt16BE(0)))
      read = read.subarray(2 + read.readUInt16BE(0))
    }
    if (messages.length >= count) break
  }
  return messages
}

test('over UDP an allowed name has an address, and a refused one is denied and reported with the rule file', async () => {
  const step = recordedStep(['allowed.test', '*.pkg.test'])
  await using server = await startServer(step)
  await using client = await udpClient(server.port)
  const allowed = readAnswer(await client.ask(questionMessage('allowed.test')))
  assert.match(allowed.answers[0]?.data.join('.') ?? '', /^198\.19\.0\.\d+$/)
  assert.equal(readAnswer(await client.ask(questionMessage('a.pkg.test'))).answers.length, 1)
  assert.equal(readAnswer(await client.ask(questionMessage('pkg.test'))).code, 3)
  const refused = readAnswer(await client.ask(questionMessage('evil.test', { additional: optRecord() })))
  assert.equal(refused.code, 3)
  assert.match(refused.extended?.text ?? '', /no rule.*add .*evil\.test:443.* to .*jobs\.build\.egress.* in sallyport\.yml/)
  assert.deepEqual(
    step.refusals.map(({ code, target }) => [code, target]),
    [
      ['no-rule', 'pkg.test'],
      ['no-rule', 'evil.test'],
    ],
  )
})

test('a question from where no step is, or from a step that has ended, is refused', async () => {
  const step = recordedStep(['allowed.test'])
  let known: typeof step | null = null
  await using server = await startServer(step, { stepOf: () => known })
  await using client = await udpClient(server.port)
  assert.equal(readAnswer(await client.ask(questionMessage('allowed.test'))).code, 5)
  known = step
  assert.equal(readAnswer(await client.ask(questionMessage('allowed.test'))).code, 0)
  step.end()
  assert.equal(readAnswer(await client.ask(questionMessage('allowed.test'))).code, 5)
})

test('the source address says whose rules count', async () => {
  const one = recordedStep(['one.test'], { step: 'one', source: '127.0.0.2' })
  const other = recordedStep(['other.test'], { step: 'other', source: '127.0.0.3' })
  const stepOf = (source: string): typeof one | null => [one, other].find(({ doors }) => doors.source === source) ?? null
  await using server = await startServer(null, { names: namesOf(one, other), stepOf })
  const askFrom = async (source: string, name: string): Promise<number> => {
    const socket = createSocket('udp4')
    socket.bind(0, source)
    socket.send(questionMessage(name), server.port, '127.0.0.1')
    const [response] = (await once(socket, 'message', { signal: AbortSignal.timeout(2000) })) as [Buffer]
    socket.close()
    return readAnswer(response).code
  }
  assert.deepEqual(
    [
      await askFrom('127.0.0.2', 'one.test'),
      await askFrom('127.0.0.2', 'other.test'),
      await askFrom('127.0.0.3', 'other.test'),
      await askFrom('127.0.0.4', 'one.test'),
    ],
    [0, 3, 0, 5],
  )
})

test('garbage gets no answer or an error, is reported once a target, and the server goes on', async () => {
  const step = recordedStep(['allowed.test'])
  await using server = await startServer(step)
  await using client = await udpClient(server.port)
  for (const message of [Buffer.alloc(0), Buffer.alloc(5), questionMessage('allowed.test', { flags: 0x8180 })]) client.send(message)
  assert.equal(readAnswer(await client.ask(Buffer.concat([questionMessage('allowed.test'), Buffer.alloc(1)]))).code, 1)
  assert.equal(readAnswer(await client.ask(questionMessage('allowed.test'))).code, 0)
  assert.deepEqual([client.received.length, step.refusals.map(({ code, target }) => [code, target])], [2, [['malformed', 'allowed.test']]])
})

test('a question from port 0, which no answer can reach, does not end the server', async () => {
  await using server = await startServer(recordedStep(['allowed.test']))
  const program = `import socket, struct, sys
question = bytes.fromhex(sys.argv[2])
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
raw.sendto(struct.pack('>4H', 0, int(sys.argv[1]), 8 + len(question), 0) + question, ('127.0.0.1', 0))`
  const child = spawn('python3', ['-c', program, String(server.port), questionMessage('allowed.test').toString('hex')], {
    stdio: 'inherit',
  })
  assert.deepEqual(await once(child, 'close'), [0, null])
  await using client = await udpClient(server.port)
  assert.equal(readAnswer(await client.ask(questionMessage('allowed.test'))).code, 0)
})

test('questions beyond the rate get no answer and one alert; the rate comes back with time', async () => {
  let nowMs = 0
  const step = recordedStep(['allowed.test'])
  await using server = await startServer(step, { now: () => nowMs })
  await using client = await udpClient(server.port)
  for (let index = 0; index < 1000; index += 1) assert.equal((await client.ask(questionMessage('allowed.test'))).length > 0, true)
  for (let index = 0; index < 50; index += 1) client.send(questionMessage('allowed.test'))
  for (let look = 0; look < 1000 && step.alerts.length === 0; look += 1) await sleep(10)
  await sleep(100)
  assert.equal(client.received.length, 1000)
  assert.deepEqual(step.alerts, ['name-flood: more than 200 DNS questions a second'])
  nowMs += 1000
  for (let index = 0; index < 200; index += 1) await client.ask(questionMessage('allowed.test'))
  client.send(questionMessage('allowed.test'))
  await sleep(100)
  assert.equal(client.received.length, 1200)
  assert.equal(step.alerts.length, 1)
})

test('data that is written into refused names is told apart up to a bound, and then is an alert', async () => {
  let nowMs = 0
  const step = recordedStep([])
  await using server = await startServer(step, { now: () => (nowMs += 1000) })
  await using client = await udpClient(server.port)
  for (let index = 0; index < 300; index += 1)
    assert.equal(readAnswer(await client.ask(questionMessage(`${'x'.repeat(60)}${index}.evil.test`, { type: 16 }))).code, 3)
  assert.equal(new Set(step.refusals.map(({ target }) => target)).size, 256)
  assert.deepEqual(step.alerts, ['name-flood: more than 256 different refused names'])
})

test('data that is written into allowed names ends at the bound of names, with an alert', async () => {
  let nowMs = 0
  const step = recordedStep(['*.allowed.test'])
  await using server = await startServer(step, { now: () => (nowMs += 1000) })
  await using client = await udpClient(server.port)
  for (let index = 0; index < 4096; index += 1)
    assert.equal(readAnswer(await client.ask(questionMessage(`n${index}.allowed.test`))).code, 0)
  assert.equal(readAnswer(await client.ask(questionMessage('one-more.allowed.test'))).code, 2)
  assert.equal(readAnswer(await client.ask(questionMessage('n7.allowed.test'))).code, 0)
  assert.equal(step.alerts.length, 1)
})

test('over TCP several messages in one segment are each judged by themselves, in order', async () => {
  const step = recordedStep(['allowed.test'])
  await using server = await startServer(step)
  const socket = await tcpClient(server.port)
  const names = ['allowed.test', 'evil.test', 'ALLOWED.test', 'data.evil.test']
  socket.write(framed(...names.map((name, id) => questionMessage(name, { id }))))
  const answers = (await readMessages(socket, 4)).map(readAnswer)
  assert.deepEqual(
    answers.map(({ id, code, answers: records }) => [id, code, records.length]),
    [
      [0, 0, 1],
      [1, 3, 0],
      [2, 0, 1],
      [3, 3, 0],
    ],
  )
  assert.deepEqual(
    step.refusals.map(({ target }) => target),
    ['evil.test', 'data.evil.test'],
  )
  socket.destroy()
})

test('over TCP a message may come a byte at a time, and the connection is kept for more', async () => {
  await using server = await startServer(recordedStep(['allowed.test']))
  const socket = await tcpClient(server.port)
  socket.setNoDelay(true)
  for (const byte of framed(questionMessage('allowed.test'))) {
    socket.write(Buffer.from([byte]))
    await sleep(1)
  }
  assert.equal((await readMessages(socket, 1)).length, 1)
  socket.write(framed(questionMessage('allowed.test')))
  assert.equal((await readMessages(socket, 1)).length, 1)
  socket.end()
  await once(socket, 'close')
})

test('a client that ends its side at once still gets every answer', async () => {
  await using server = await startServer(recordedStep(['allowed.test']))
  const socket = await tcpClient(server.port)
  socket.end(framed(questionMessage('allowed.test'), questionMessage('evil.test')))
  assert.equal((await readMessages(socket, 3)).length, 2)
})

test('a TCP connection ends at once at what is no question', async () => {
  const bad = [
    u16(5000),
    u16(0),
    framed(Buffer.alloc(4)),
    framed(questionMessage('allowed.test', { flags: 0x8180 })),
    Buffer.from('GET / HTTP/1.1\r\nHost: allowed.test\r\n\r\n'),
  ]
  for (const bytes of bad) {
    await using server = await startServer(recordedStep(['allowed.test']))
    const socket = await tcpClient(server.port)
    socket.write(bytes)
    assert.deepEqual(await readMessages(socket, 1), [])
  }
})

test('a TCP connection that trickles, or that is silent, ends after the idle time', async () => {
  await using server = await startServer(recordedStep(['allowed.test']), { tcpIdleMs: 150 })
  const trickling = await tcpClient(server.port)
  const timer = setInterval(() => trickling.write(Buffer.from([0])), 40)
  try {
    const silent = await tcpClient(server.port)
    trickling.write(u16(600))
    await Promise.all([untilClosed(trickling), untilClosed(silent)])
  } finally {
    clearInterval(timer)
  }
})

/** In whichever way: what trickles on is answered with a reset. */
async function untilClosed(socket: Socket): Promise<void> {
  socket.on('error', () => undefined).resume()
  if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve))
}

test('a client that asks without end and reads nothing does not fill the memory', async () => {
  await using server = await startServer(recordedStep(['allowed.test']), { tcpIdleMs: 30_000, now: ticking() })
  const socket = await tcpClient(server.port)
  socket.pause()
  const block = framed(...Array.from({ length: 200 }, () => questionMessage('allowed.test')))
  let taken = 0
  while (!socket.destroyed && taken < 5000) {
    const isTaken = await Promise.race([
      new Promise<boolean>((resolve) => socket.write(block, (error) => resolve(error == null))),
      sleep(300, false),
    ])
    if (!isTaken) break
    taken += 1
  }
  // what is taken lies in the kernel's two socket buffers, a few megabytes
  assert.ok(taken < 5000, `${taken * block.length} bytes were taken`)
  socket.destroy()
})

test('the TCP connections of a step are few, and end with it', async () => {
  const step = recordedStep(['allowed.test'])
  await using server = await startServer(step)
  const sockets = await Promise.all(Array.from({ length: 40 }, () => tcpClient(server.port)))
  let closed = 0
  for (const socket of sockets) socket.resume().on('close', () => closed++)
  const closes = async (count: number): Promise<void> => {
    for (let look = 0; look < 6000 && closed < count; look += 1) await sleep(10)
  }
  await closes(8)
  await sleep(100)
  assert.equal(closed, 8)
  step.end()
  await closes(40)
  assert.equal(closed, 40)
})

test('a socket that another process opened is served by its descriptor', async () => {
  const socket = createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const { port } = socket.address()
  const descriptor = descriptorOf(socket)
  const program = `
    const { udpSocketOf } = await import(${JSON.stringify(new URL('./udp-socket.ts', import.meta.url).href)})
    const socket = udpSocketOf(3)
    socket.on('message', (message, from) => socket.send(message, from.port, from.address))
    process.stdout.write('ready')`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['ignore', 'pipe', 'inherit', descriptor] })
  try {
    assert.ok(child.stdout !== null)
    await once(child.stdout, 'data')
    socket.close()
    await using client = await udpClient(port)
    assert.equal((await client.ask(Buffer.from('echo'))).toString(), 'echo')
  } finally {
    child.kill()
  }
})

/** Node keeps it behind a symbol. */
function descriptorOf(socket: UdpSocket): number {
  const state = Object.getOwnPropertySymbols(socket).find((symbol) => symbol.description === 'state symbol')
  return (socket as unknown as Record<symbol, { handle: { fd: number } }>)[state as symbol]?.handle.fd ?? -1
}

/** Time that goes on fast enough for every question to be within the rate. */
function ticking(): () => number {
  let nowMs = 0
  return () => {
    nowMs += 10
    return nowMs
  }
}

test('a server that is closed twice, or before it served, is closed', () => {
  const server = new DnsServer({ names: namesOf(), stepOf: () => null })
  server.close()
  server.close()
})
