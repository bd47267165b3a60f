// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import { connect as connectTls, createServer as createTlsServer } from 'node:tls'
import { createJobAuthority } from '../authority/job-authority.ts'
import { questionMessage } from '../dns/_messages.ts'
import { hello, inRecords } from '../tls/_client-hellos.ts'
import { closeOf, endOf, type GateWorld, type Origin, readAll, rule, ruleSet, STEP, startGateWorld, startOrigin } from './_gate-world.ts'

const NAME = 'origin.test'

/** Ends its half after the client's, having sent everything back. */
const echo = (socket: Socket): void => void socket.pipe(socket)

async function worldWith(
  serve: (socket: Socket) => void,
  options: Parameters<typeof startGateWorld>[0] = {},
): Promise<{ world: GateWorld; origin: Origin } & AsyncDisposable> {
  const origin = await startOrigin(serve)
  const world = await startGateWorld({ hosts: [NAME], ...options })
  return {
    world,
    origin,
    [Symbol.asyncDispose]: async () => {
      await world[Symbol.asyncDispose]()
      await origin[Symbol.asyncDispose]()
      assert.deepEqual(world.defects, [])
    },
  }
}

test('bytes go both ways, and each half ends by itself', async () => {
  await using made = await worldWith(echo)
  const { world, origin } = made
  world.open([rule({ to: NAME, port: origin.port })])
  const socket = await world.connect({ name: NAME, port: origin.port })
  socket.end('hello')
  assert.equal(String(await readAll(socket)), 'hello')
  const { used } = world.close()
  assert.equal(used.length, 1)
  assert.partialDeepStrictEqual(used[0], {
    host: NAME,
    port: origin.port,
    protocol: 'tcp',
    rule: 'sallyport.yml:3',
    connections: 1,
    bytesOut: 5,
    bytesIn: 5,
  })
})

test('a server that speaks first is heard where any bytes are allowed', async () => {
  await using made = await worldWith((socket) => socket.end('220 ready\r\n'))
  const { world, origin } = made
  world.open([rule({ to: NAME, port: origin.port })])
  const socket = await world.connect({ name: NAME, port: origin.port })
  assert.equal(String(await readAll(socket)), '220 ready\r\n')
})

test('a connection that no rule allows is reset at once and reported once', async () => {
  await using made = await worldWith(echo)
  const { world, origin } = made
  world.open([rule({ to: NAME, port: 443 })])
  for (let times = 0; times < 3; times++) assert.equal(await endOf(await world.connect({ name: NAME, port: origin.port })), 'reset')
  assert.deepEqual(
    world.refusals().map(({ code, target }) => [code, target]),
    [['no-rule', `${NAME}:${origin.port}`]],
  )
  assert.equal(world.close().refused[0]?.count, 3)
  assert.equal(origin.connections.length, 0)
})

test('an address that stands for no name of the step is a literal address, and refused', async () => {
  await using made = await worldWith(echo)
  const { world, origin } = made
  world.open([rule({ to: NAME, port: origin.port })])
  assert.equal(await endOf(await world.connect({ address: '198.19.0.77', port: origin.port })), 'reset')
  assert.equal(world.refusals()[0]?.code, 'no-rule')
})

test('the name of one step is nothing to another', async () => {
  await using made = await worldWith(echo)
  const { world, origin } = made
  world.open([rule({ to: NAME, port: origin.port })])
  world.open([rule({ to: 'other.test', port: origin.port })], { step: 'build/2', number: 2 })
  const address = await world.lookUp(NAME)
  assert.equal(await endOf(await world.connect({ address, port: origin.port, number: 2 })), 'reset')
  assert.equal(await endOf(await world.connect({ address, port: origin.port, number: 3 })), 'reset', 'a step that nobody opened')
})

test('the end of a step resets its connections, whatever they are doing', async () => {
  await using made = await worldWith(() => undefined)
  const { world, origin } = made
  world.open([rule({ to: NAME, port: origin.port }), rule({ to: NAME, port: 443, protocol: 'tls' })])
  const relayed = await world.connect({ name: NAME, port: origin.port })
  relayed.write('x')
  const waiting = await world.connect({ name: NAME, port: 443 })
  while (origin.connections.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
  const ends = [endOf(relayed), endOf(waiting), closeOf(origin.connections[0] as Socket)]
  world.close()
  assert.deepEqual((await Promise.all(ends)).slice(0, 2), ['reset', 'reset'])
  assert.equal(await endOf(await world.connect({ address: '198.19.0.1', port: origin.port })), 'reset', 'and later ones')
})

test('what is not allowed to be spoken is reset', async () => {
  await using made = await worldWith(echo)
  const { world, origin } = made
  world.open([rule({ to: NAME, port: origin.port, protocol: 'tls' })])
  for (const words of ['SSH-2.0-x\r\n', '\0\0\0', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', '\u0016\u0003\u0001\0\0']) {
    const socket = await world.connect({ name: NAME, port: origin.port })
    socket.write(Buffer.from(words, 'latin1'))
    assert.equal(await endOf(socket), 'reset', JSON.stringify(words))
  }
  assert.equal(origin.connections.length, 0)
  assert.deepEqual(new Set(world.refusals().map(({ code }) => code)), new Set(['protocol', 'malformed']))
})

test('a connection that says nothing of what it is is reset after the time for it', async () => {
  await using made = await worldWith(echo, { limits: { helloMs: 50 } })
  const { world, origin } = made
  world.open([rule({ to: NAME, port: origin.port, protocol: 'tls' })])
  const silent = await world.connect({ name: NAME, port: origin.port })
  const slow = await world.connect({ name: NAME, port: origin.port })
  slow.write(Buffer.from([22, 3, 1]))
  assert.deepEqual(await Promise.all([endOf(silent), endOf(slow)]), ['reset', 'reset'])
  assert.equal(origin.connections.length, 0)
})

test('plain HTTP where only TLS is allowed gets a 403 with the reason', async () => {
  await using made = await worldWith(echo)
  const { world, origin } = made
  world.open([rule({ to: NAME, port: origin.port, protocol: 'tls' })])
  const socket = await world.connect({ name: NAME, port: origin.port })
  socket.write(`GET / HTTP/1.1\r\nHost: ${NAME}\r\n\r\n`)
  const [answer] = (await once(socket, 'data')) as [Buffer]
  assert.match(String(answer), /^HTTP\/1\.1 403 /)
  assert.match(String(answer), /sallyport\.yml/)
  assert.equal(world.refusals()[0]?.code, 'protocol')
})

test('a ClientHello has to ask for the name that the connection is for', async () => {
  await using made = await worldWith((socket) => socket.end())
  const { world, origin } = made
  world.open([rule({ to: NAME, port: origin.port, protocol: 'tls' })])
  for (const servername of ['', 'evil.test', `${NAME}.evil.test`, `x.${NAME}`]) {
    const tls = connectTls({ socket: await world.connect({ name: NAME, port: origin.port }), ...(servername === '' ? {} : { servername }) })
    const [error] = (await once(tls, 'error')) as [NodeJS.ErrnoException]
    assert.equal(error.code, 'ECONNRESET', servername)
  }
  assert.equal(origin.connections.length, 0)
  assert.deepEqual(
    world.refusals().map(({ code }) => code),
    Array(1).fill('server-name'),
  )
  assert.equal(world.close().refused[0]?.count, 4)
})

test('a ClientHello for the name, in any case, is passed on as it is', async () => {
  const { promise: arrived, resolve } = Promise.withResolvers<Buffer>()
  await using made = await worldWith((socket) => socket.once('data', resolve))
  const { world, origin } = made
  world.open([rule({ to: NAME, port: origin.port, protocol: 'tls' })])
  const tls = connectTls({
    socket: await world.connect({ name: NAME, port: origin.port }),
    servername: 'Origin.TEST',
    rejectUnauthorized: false,
  })
  tls.on('error', () => undefined)
  assert.equal((await arrived)[0], 22)
  assert.equal(world.close().used[0]?.protocol, 'tls')
})

/** A server that wants a second ClientHello (RFC 8446 section 4.1.4), and hears what comes after the first. */
const RETRY = Buffer.concat([
  Buffer.from([22, 3, 3, 0, 44, 2, 0, 0, 40, 3, 3]),
  Buffer.from('cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c', 'hex'),
  Buffer.from([0, 0x13, 1, 0, 0, 0]),
])
const DUMMY = Buffer.from([20, 3, 3, 0, 1, 1])

test('a second ClientHello has to ask for the name, too, also when it was sent before anybody asked for it', async () => {
  const [first, other] = [inRecords(hello({ names: [NAME] })), inRecords(hello({ names: ['evil.test'] }))]
  await using made = await worldWith((socket) => socket.once('data', () => socket.write(RETRY)))
  const { world, origin } = made
  world.open([rule({ to: NAME, port: origin.port, protocol: 'tls' })])
  const heard = (): number => origin.connections.reduce((sum, socket) => sum + socket.bytesRead, 0)
  for (const second of [
    other,
    Buffer.concat([DUMMY, other]),
    Buffer.concat([DUMMY, Buffer.from([23, 3, 3, 0, 2, 9, 9]), other]),
    Buffer.from([22, 3, 3, 0, 1, 16]),
  ]) {
    for (const isEarly of [true, false]) {
      const before = heard()
      const socket = await world.connect({ name: NAME, port: origin.port })
      if (isEarly) socket.write(Buffer.concat([first, second]))
      else {
        socket.write(first)
        await once(socket, 'data')
        for (const byte of second) socket.write(Buffer.from([byte]))
      }
      assert.equal(await endOf(socket), 'reset')
      assert.equal(heard() - before, first.length, 'nothing of the second one left')
    }
  }
  assert.deepEqual(
    world.refusals().map(({ code }) => code),
    ['server-name', 'protocol'],
  )
})

test('a second ClientHello for the name is passed on, and so is what a server without such a question hears', async () => {
  const first = inRecords(hello({ names: [NAME] }))
  const [warning, random] = [Buffer.from([21, 3, 3, 0, 2, 1, 112]), Buffer.alloc(32, 5)]
  const plain = Buffer.concat([Buffer.from([22, 3, 3, 0, 44, 2, 0, 0, 40, 3, 3]), random, Buffer.from([0, 0x13, 1, 0, 0, 0])])
  const rest = Buffer.from([22, 3, 3, 0, 5, 16, 0, 0, 1, 7, 20, 3, 3, 0, 1, 1, 23, 3, 3, 0, 1, 8])
  for (const [answer, reply] of [
    [RETRY, Buffer.concat([DUMMY, first, rest])],
    [plain, rest],
    [Buffer.concat([warning, plain]), rest],
  ] as const) {
    const { promise: arrived, resolve } = Promise.withResolvers<Buffer>()
    await using made = await worldWith((socket) => {
      socket.once('data', () => {
        for (const byte of answer) socket.write(Buffer.from([byte]))
      })
      void readAll(socket).then(resolve)
    })
    const { world, origin } = made
    world.open([rule({ to: NAME, port: origin.port, protocol: 'tls' })])
    const socket = await world.connect({ name: NAME, port: origin.port })
    socket.end(Buffer.concat([first, reply]))
    assert.deepEqual(await arrived, Buffer.concat([first, reply]))
    socket.resume()
  }
})

test('a real client that is asked for a second ClientHello gets its connection', async () => {
  const authority = await createJobAuthority([{ kind: 'exact', name: NAME }], new Date())
  const server = createTlsServer({ ecdhCurve: 'P-256', SNICallback: (name, done) => done(null, authority.certificateFor(name).context) })
  server.on('secureConnection', (socket) => socket.end('served'))
  await using made = await worldWith((socket) => server.emit('connection', socket))
  const { world, origin } = made
  world.open([rule({ to: NAME, port: origin.port, protocol: 'tls' })])
  const tls = connectTls({
    socket: await world.connect({ name: NAME, port: origin.port }),
    servername: NAME,
    ca: authority.certificate,
    ecdhCurve: 'X25519:P-256',
    minVersion: 'TLSv1.3',
  })
  assert.equal(String(await readAll(tls)), 'served')
})

test("a server's refusal of a ClientHello reaches the client", async () => {
  const alert = Buffer.from([21, 3, 3, 0, 2, 2, 40])
  await using made = await worldWith((socket) => socket.once('data', () => socket.end(alert)))
  const { world, origin } = made
  world.open([rule({ to: NAME, port: origin.port, protocol: 'tls' })])
  const socket = await world.connect({ name: NAME, port: origin.port })
  socket.end(inRecords(hello({ names: [NAME] })))
  assert.deepEqual(await readAll(socket), alert)
})

test('ssh needs an identification line from both sides', async () => {
  await using made = await worldWith((socket) => socket.write('welcome\r\nSSH-2.0-server\r\n'))
  const { world, origin } = made
  world.open([rule({ to: NAME, port: origin.port, protocol: 'ssh' })])
  const socket = await world.connect({ name: NAME, port: origin.port })
  socket.write('SSH-2.0-client\r\nkex')
  const [banner] = (await once(socket, 'data')) as [Buffer]
  assert.equal(String(banner), 'welcome\r\nSSH-2.0-server\r\n')
  assert.equal(world.close().used[0]?.protocol, 'ssh')
})

test('an ssh rule reaches no other server', async () => {
  await using made = await worldWith((socket) => socket.resume().write('HTTP/1.1 200 OK\r\nSSH: no\r\n\r\n'.padEnd(9000, '\n')))
  const { world, origin } = made
  world.open([rule({ to: NAME, port: origin.port, protocol: 'ssh' })])
  const socket = await world.connect({ name: NAME, port: origin.port })
  const heard: Buffer[] = []
  socket.on('data', (chunk: Buffer) => heard.push(chunk))
  socket.write('SSH-2.0-client\r\nanything')
  assert.equal(await endOf(socket), 'reset')
  assert.equal(heard.length, 0)
  assert.equal(origin.connections[0]?.bytesRead, 16, 'nothing but the line')
  assert.equal(world.refusals()[0]?.code, 'protocol')
})

test('a rule for one program asks which program it is', async () => {
  const asked: number[] = []
  const answers = ['/usr/bin/git', '/usr/bin/curl', null]
  const whose = (_step: string, port: number): Promise<string | null> => {
    asked.push(port)
    return Promise.resolve(answers.shift() ?? null)
  }
  await using made = await worldWith((socket) => socket.end('ok'), { whose })
  const { world, origin } = made
  world.open([rule({ to: NAME, port: origin.port, executables: ['/usr/bin/git'] })])
  const git = await world.connect({ name: NAME, port: origin.port })
  assert.equal(String(await readAll(git)), 'ok')
  assert.equal(asked[0], git.localPort)
  assert.equal(await endOf(await world.connect({ name: NAME, port: origin.port })), 'reset', 'another program')
  assert.equal(await endOf(await world.connect({ name: NAME, port: origin.port })), 'reset', 'an unknown one')
  assert.equal(world.refusals()[0]?.code, 'executable')
})

test('beyond the number of connections that a job may have, further ones are reset and told as a flood', async () => {
  await using made = await worldWith(() => undefined, { limits: { connections: 3 } })
  const { world, origin } = made
  world.open([rule({ to: NAME, port: origin.port })])
  const first = await world.connect({ name: NAME, port: origin.port })
  for (let more = 0; more < 2; more++) await world.connect({ name: NAME, port: origin.port })
  assert.equal(await endOf(await world.connect({ name: NAME, port: origin.port })), 'reset')
  assert.ok(world.messages.some((message) => message.type === 'alert' && message.kind === 'connection-flood'))
  while (origin.connections.length < 3) await new Promise((resolve) => setTimeout(resolve, 5))
  first.resetAndDestroy()
  await new Promise((resolve) => setTimeout(resolve, 20))
  const next = await world.connect({ name: NAME, port: origin.port })
  next.write('x')
  while (origin.connections.length < 4) await new Promise((resolve) => setTimeout(resolve, 5))
})

test('a destination that breaks off is a reset for the job, and the other way around', async () => {
  await using made = await worldWith((socket) => socket.once('data', () => socket.resetAndDestroy()))
  const { world, origin } = made
  world.open([rule({ to: NAME, port: origin.port })])
  const socket = await world.connect({ name: NAME, port: origin.port })
  socket.write('x')
  assert.equal(await endOf(socket), 'reset')
  const other = await world.connect({ name: NAME, port: origin.port })
  while (origin.connections.length < 2) await new Promise((resolve) => setTimeout(resolve, 5))
  const ended = closeOf(origin.connections[1] as Socket)
  other.resetAndDestroy()
  await ended
})

test('a budget ends the connection that goes beyond it, before the bytes leave', async () => {
  await using made = await worldWith(echo)
  const { world, origin } = made
  const received = (): number => origin.connections.reduce((sum, socket) => sum + socket.bytesRead, 0)
  world.open([rule({ to: NAME, port: origin.port, budget: { bytesOut: 1000, bytesIn: null, bytesPerSecond: null } })])
  const socket = await world.connect({ name: NAME, port: origin.port })
  socket.write(Buffer.alloc(900))
  await once(socket, 'data')
  socket.write(Buffer.alloc(101))
  assert.equal(await endOf(socket), 'reset')
  assert.equal(received(), 900)
  assert.equal(world.refusals()[0]?.code, 'budget')
  assert.ok(world.messages.some((message) => message.type === 'alert' && message.kind === 'budget'))
})

test('what a job may send in all is one budget over all its rules and steps', async () => {
  await using made = await worldWith(echo, { limits: { bytesOut: 10 } })
  const { world, origin } = made
  world.open([rule({ to: NAME, port: origin.port })])
  world.open([rule({ to: NAME, port: origin.port })], { step: 'build/2', number: 2 })
  const first = await world.connect({ name: NAME, port: origin.port })
  first.end('123456')
  await readAll(first)
  const second = await world.connect({ name: NAME, port: origin.port, number: 2 })
  second.end('12345')
  assert.equal(await endOf(second), 'reset')
  assert.equal(world.refusals()[0]?.code, 'budget')
})

test('a rate makes wait, and loses nothing', async () => {
  await using made = await worldWith(echo)
  const { world, origin } = made
  world.open([rule({ to: NAME, port: origin.port, budget: { bytesOut: null, bytesIn: null, bytesPerSecond: 1_000_000 } })])
  const socket = await world.connect({ name: NAME, port: origin.port })
  const startMs = performance.now()
  socket.end(Buffer.alloc(250_000, 'r'))
  assert.equal((await readAll(socket)).length, 250_000)
  // both directions, less what may go at once
  assert.ok(performance.now() - startMs > 300)
})

test('a rate holds for a new connection, too, and for what comes back', async () => {
  await using made = await worldWith((socket) => socket.write('x'.repeat(500)))
  const { world, origin } = made
  const heard = (): number => origin.connections.reduce((sum, socket) => sum + socket.bytesRead, 0)
  world.open([rule({ to: NAME, port: origin.port, budget: { bytesOut: null, bytesIn: null, bytesPerSecond: 100 } })])
  for (let times = 0; times < 20; times++) {
    const socket = await world.connect({ name: NAME, port: origin.port })
    socket.on('data', () => assert.fail('500 bytes at 100 a second'))
    socket.write('y'.repeat(200))
  }
  while (origin.connections.length < 20) await new Promise((resolve) => setTimeout(resolve, 5))
  await new Promise((resolve) => setTimeout(resolve, 100))
  assert.equal(heard(), 0)
  world.close()
})

test('a big transfer arrives unchanged at a reader that is slow, while the gate holds little of it', async () => {
  const chunk = Buffer.from(Array.from({ length: 65_536 }, (_, index) => (index * 7 + (index >> 8)) & 255))
  const count = 512
  const { promise: received, resolve } = Promise.withResolvers<{ bytes: number; isSame: boolean }>()
  await using made = await worldWith((socket) => {
    let bytes = 0
    let isSame = true
    socket.on('data', (data: Buffer) => {
      for (let at = 0; at < data.length; at += 97) isSame &&= data[at] === chunk[(bytes + at) % chunk.length]
      bytes += data.length
      if ((bytes >> 16) % 64 !== 0) return
      socket.pause()
      setTimeout(() => socket.resume(), 2)
    })
    socket.on('end', () => {
      socket.end()
      resolve({ bytes, isSame })
    })
  })
  const { world, origin } = made
  world.open([rule({ to: NAME, port: origin.port })])
  const socket = await world.connect({ name: NAME, port: origin.port })
  for (let sent = 0; sent < count; sent++) if (!socket.write(chunk)) await once(socket, 'drain')
  socket.end()
  assert.deepEqual(await received, { bytes: count * chunk.length, isSame: true })
  assert.equal((await readAll(socket)).length, 0)
  const { used } = world.close()
  assert.equal(used[0]?.bytesOut, count * chunk.length)
  assert.ok(world.messages.some((message) => message.type === 'alert' && message.kind === 'upload' && message.bytes !== null))
})

test('a connection without a byte for the idle time is reset', async () => {
  await using made = await worldWith(() => undefined, { limits: { idleMs: 100 } })
  const { world, origin } = made
  world.open([rule({ to: NAME, port: origin.port })])
  assert.equal(await endOf(await world.connect({ name: NAME, port: origin.port })), 'reset')
})

test('nobody at the destination is a reset with the reason reported', async () => {
  await using made = await worldWith(echo)
  const { world, origin } = made
  await origin[Symbol.asyncDispose]()
  world.open([rule({ to: NAME, port: origin.port })])
  assert.equal(await endOf(await world.connect({ name: NAME, port: origin.port })), 'reset')
  assert.equal(world.refusals()[0]?.code, 'unreachable')
})

test('DNS over TCP is answered by the gate, whatever address it is asked of', async () => {
  await using made = await worldWith(echo)
  const { world } = made
  world.open([rule({ to: NAME, port: 443 })])
  const socket = await world.connect({ address: '203.0.113.8', port: 53 })
  const question = questionMessage(NAME, { id: 7 })
  socket.write(Buffer.concat([Buffer.from([0, question.length]), question]))
  const [answer] = (await once(socket, 'data')) as [Buffer]
  assert.equal(answer.readUInt16BE(2), 7)
  assert.deepEqual([...answer.subarray(-4)].slice(0, 2), [198, 19])
})

test('where nothing is blocked, what was spoken is recorded all the same', async () => {
  await using made = await worldWith(echo)
  const { world, origin } = made
  world.open([{ ...ruleSet(), observes: true }])
  const socket = await world.connect({ name: NAME, port: origin.port })
  socket.end('GET / HTTP/1.1\r\n\r\n')
  await readAll(socket)
  assert.partialDeepStrictEqual(world.close().used[0], { host: NAME, protocol: 'http', rule: null })
  assert.ok(world.messages.some((message) => message.type === 'used' && message.step === STEP))
})
