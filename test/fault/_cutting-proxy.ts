// SPDX-License-Identifier: Apache-2.0
// A proxy before a receiver that cuts one connection after so many bytes.
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

/** `up`: of the client; `down`: of the server. */
export interface Cut {
  readonly direction: 'up' | 'down'
  readonly after: number
}

export class CuttingProxy implements AsyncDisposable {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  /** Of the last connection. */
  bytes = { up: 0, down: 0 }
  /** For the next connections; null: none is cut. */
  cut: Cut | null = null
  cuts = 0

  private constructor(server: Server) {
    this.#server = server
  }

  static async start(port: number): Promise<CuttingProxy> {
    const server = createServer()
    const proxy = new CuttingProxy(server)
    server.on('connection', (client) => proxy.#relay(client, connect(port, '127.0.0.1')))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return proxy
  }

  get url(): string {
    return `https://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  #relay(client: Socket, target: Socket): void {
    const count = { up: 0, down: 0 }
    this.bytes = count
    const end = (): void => {
      client.destroy()
      target.destroy()
    }
    const pass = (from: Socket, to: Socket, direction: Cut['direction']): void => {
      this.#sockets.add(from)
      from.on('error', end).on('close', end)
      from.on('data', (chunk: Buffer) => {
        const { cut } = this
        const room = cut?.direction === direction ? cut.after - count[direction] : Number.POSITIVE_INFINITY
        count[direction] += chunk.byteLength
        if (chunk.byteLength <= room) return to.write(chunk)
        this.cuts += 1
        // What came before is on its way: a cut is no reset
        to.end(chunk.subarray(0, Math.max(0, room)))
        return from.destroy()
      })
    }
    pass(client, target, 'up')
    pass(target, client, 'down')
  }

  /** Also those that wait for another request. */
  endAll(): void {
    for (const socket of this.#sockets) socket.destroy()
    this.#sockets.clear()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    this.endAll()
    await closed
  }
}
