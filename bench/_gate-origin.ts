// SPDX-License-Identifier: Apache-2.0
// bench/_gate-origin.ts PORT: what stands behind every path of bench/gate.ts. The last word of what a client says first is a number of bytes: they are sent, and the
// connection ended. Prints a line when it listens.
import { createServer, type Socket } from 'node:net'

const CHUNK = Buffer.alloc(256 * 1024, 'x')

function send(socket: Socket, bytes: number): void {
  let left = bytes
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
  socket.once('data', (words: Buffer) => send(socket, Number(words.toString('latin1').split(' ').at(-1))))
})
server.listen(Number(process.argv[2]), '127.0.0.1', () => process.stdout.write('up\n'))
