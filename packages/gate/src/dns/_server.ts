// SPDX-License-Identifier: Apache-2.0
// The server on the loopback, UDP and TCP on one port.
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import type { OpenStep } from '../ports.ts'
import { namesOf } from './_steps.ts'
import { DnsServer, type DnsServerOptions } from './server.ts'
import { createUdpSocket } from './udp-socket.ts'

export interface StartedServer extends AsyncDisposable {
  readonly port: number
}

export async function startServer(step: OpenStep | null, options: Partial<DnsServerOptions> = {}, fixedPort = 0): Promise<StartedServer> {
  const names = step === null ? namesOf() : namesOf(step)
  const server = new DnsServer({ names, stepOf: () => step, ...options })
  const tcp = createServer((socket) => (step === null ? socket.destroy() : server.serveTcp(socket, step)))
  tcp.listen(fixedPort, '127.0.0.1')
  await once(tcp, 'listening')
  const { port } = tcp.address() as AddressInfo
  const udp = createUdpSocket('udp4')
  udp.bind(port, '127.0.0.1')
  server.serveUdp(udp)
  return {
    port,
    async [Symbol.asyncDispose]() {
      server.close()
      tcp.close()
      await once(tcp, 'close')
    },
  }
}
