// SPDX-License-Identifier: Apache-2.0
import { createSocket, type Socket } from 'node:dgram'

/** A UDP socket that was opened and bound elsewhere. @throws Error where the descriptor is none. */
export function udpSocketOf(descriptor: number): Socket {
  const socket = createUdpSocket('udp4')
  socket.bind({ fd: descriptor })
  return socket
}

/** Never asks a resolver about the addresses that it is given: the gate has no files, and `getaddrinfo` would look for some. What it does with them, it does at once: `listening` comes before `bind` returns. */
export function createUdpSocket(type: 'udp4' | 'udp6'): Socket {
  return createSocket({ type, lookup: (address, _options, done) => done(null, address, type === 'udp4' ? 4 : 6) })
}
