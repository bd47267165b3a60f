// SPDX-License-Identifier: Apache-2.0
// A gate for tests: opens every door and says to whoever comes where it came from and where it wanted to go.
import { spawnSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { connect, createServer, Socket } from 'node:net'

const CONTROL = 3
const TCP = 4
const DNS = 5
const RELAYS = [6, 7, 8, 9, 10, 11, 12, 13]

const control = new Socket({ fd: CONTROL, readable: true, writable: true })
const say = (value: unknown): void => void control.write(`${JSON.stringify(value)}\n`)

function attempt(what: () => unknown): string {
  try {
    return JSON.stringify(what() ?? 'done')
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error)
  }
}

/** What somebody would try who has taken the gate over: `done`, or the error's code. */
async function attacks(): Promise<Record<string, string>> {
  return {
    read: attempt(() => readFileSync(process.argv[1] ?? '').length),
    list: attempt(() => readdirSync('/')),
    spawn: attempt(() => {
      const { error } = spawnSync(process.execPath, ['-e', '0'])
      if (error !== undefined) throw error
    }),
    signal: attempt(() => process.kill(process.ppid, 0)),
    'signal itself': attempt(() => process.kill(process.pid, 0)),
    'abstract socket': await outcome(connect({ path: '\0sallyport-nobody' }), 'connect'),
    loopback: await outcome(connect(7, '127.0.0.1'), 'connect'),
    'IPv6 loopback': await outcome(connect(7, '::1'), 'connect'),
    'IPv4 by IPv6': await outcome(connect(7, '::ffff:127.0.0.2'), 'connect'),
    'datagram to loopback': await outcomeOfDatagram(7, '127.0.0.1'),
    'what it may reach': await outcome(connect(7, '127.0.0.3'), 'connect'),
    'another port there': await outcome(connect(8, '127.0.0.3'), 'connect'),
    'datagram to what it may reach': await outcomeOfDatagram(7, '127.0.0.2'),
    'port of its own': await outcome(createServer().listen(0, '127.0.0.1').unref(), 'listening'),
  }
}

async function outcome(emitter: Socket | ReturnType<typeof createServer>, event: string): Promise<string> {
  return once(emitter, event).then(
    () => 'done',
    (error: NodeJS.ErrnoException) => error.code ?? String(error),
  )
}

function outcomeOfDatagram(port: number, address: string): Promise<string> {
  const lookup = (host: string, _options: object, done: (error: null, address: string, family: number) => void): void => done(null, host, 4)
  const socket = createSocket({ type: 'udp4', lookup })
  return new Promise((resolve) =>
    socket.send('x', port, address, (error) => resolve((error as NodeJS.ErrnoException | null)?.code ?? 'done')),
  )
}

const commands: Readonly<Record<string, () => void>> = {
  pid: () => say(process.pid),
  attacks: () => void attacks().then(say),
  // Twice the limit.
  hoard: () => say(Buffer.alloc(1 << 30, 1).length),
  fail: () => {
    throw new Error('asked to fail')
  },
}
control.on('data', (data) => commands[data.toString().trim()]?.())
control.on('close', () => process.exit(0))

createServer((socket) => {
  socket.on('error', () => undefined)
  socket.write(`${socket.remoteAddress} ${socket.remotePort} ${socket.localAddress}:${socket.localPort}\n`)
  socket.pipe(socket)
}).listen({ fd: TCP }, () => {
  for (const fd of [DNS, ...RELAYS]) {
    const socket = createSocket('udp4')
    socket.on('message', (message, from) => socket.send(`${fd} ${from.address} ${message}`, from.port, from.address))
    socket.bind({ fd })
  }
  say('ready')
})
