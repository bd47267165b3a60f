// SPDX-License-Identifier: Apache-2.0
// bench/_gate-origin.ts PORT: what stands behind every path of bench/gate.ts. Answers a ClientHello with as many bytes as it asks for (_tls-words.ts), and ends the
// connection. Prints a line when it listens.
import { createServer, type Socket } from 'node:net'
import { bytesAskedFor, SERVER_HELLO } from './_tls-words.ts'

const CHUNK = Buffer.alloc(256 * 1024, 'x')

function send(socket: Socket, bytes: number): void {
  let left = bytes - SERVER_HELLO.length
  socket.write(SERVER_HELLO)
  const more = (): void => {
    while (left > 0) {
      const chunk = CHUNK.subarray(0, Math.min(left, CHUNK.length))
      left -= chunk.length
      if (!socket.write(chunk)) return void socket.once('drain', more)
    }
    socket.end()
  }
  more()
}

const server = createServer({ noDelay: true }, (socket) => {
  socket.on('error', () => socket.destroy())
  socket.once('data', (words: Buffer) => send(socket, bytesAskedFor(words)))
})
server.listen(Number(process.argv[2]), '127.0.0.1', () => process.stdout.write('up\n'))
