// SPDX-License-Identifier: Apache-2.0
// A gate for tests: opens every door and says to whoever comes where it came from and where it wanted to go.
import { createSocket } from 'node:dgram'
import { readdirSync, readFileSync } from 'node:fs'
import { createServer, Socket } from 'node:net'

const CONTROL = 3
const TCP = 4
const DNS = 5
const RELAYS = [6, 7, 8, 9, 10, 11, 12, 13]

const control = new Socket({ fd: CONTROL, readable: true, writable: true })
const say = (value: unknown): void => void control.write(`${JSON.stringify(value)}\n`)

function attempt(what: () => unknown): string {
  try {
    return JSON.stringify(what() ?? null)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error)
  }
}

const commands: Readonly<Record<string, () => void>> = {
  look: () =>
    say({ root: attempt(() => readdirSync('/')), self: attempt(() => readFileSync(process.argv[1] ?? '').length), cwd: process.cwd() }),
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
