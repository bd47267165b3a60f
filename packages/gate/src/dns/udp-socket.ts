// SPDX-License-Identifier: Apache-2.0
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'

/** A UDP socket that was opened and bound elsewhere. */
export async function udpSocketOf(descriptor: number): Promise<Socket> {
  const socket = createUdpSocket('udp4')
  socket.bind({ fd: descriptor })
  await once(socket, 'listening')
  return socket
}

/** Never asks a resolver about the addresses that it is given: the gate has no files, and `getaddrinfo` would look for some. */
export function createUdpSocket(type: 'udp4' | 'udp6'): Socket {
  return createSocket({ type, lookup: (address, _options, done) => done(null, address, type === 'udp4' ? 4 : 6) })
}
