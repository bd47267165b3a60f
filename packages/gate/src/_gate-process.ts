// SPDX-License-Identifier: Apache-2.0
// The gate's real process, started as the keeper starts it but for its namespaces and its user: its sockets are on the loopback.
import { type ChildProcess, spawn } from 'node:child_process'
import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import type { Duplex } from 'node:stream'
import { JOB_NETWORK } from '@sallyport/core'
import { type GateProgram, gateProgram } from './program.ts'

export interface GateProcess extends AsyncDisposable {
  readonly child: ChildProcess
  readonly control: Duplex
  readonly tcpPort: number
  readonly dnsPort: number
  readonly relayPorts: readonly number[]
  /** What it said on its standard error. */
  words(): string
}

export interface GateProcessOptions {
  readonly program?: Pick<GateProgram, 'argv' | 'env'>
  /** Where it takes connections; default: a free port of 127.0.0.1. */
  readonly tcp?: { readonly host: string; readonly port: number }
}

export async function startGateProcess({ program = gateProgram(), tcp }: GateProcessOptions = {}): Promise<GateProcess> {
  const server = createServer()
  server.listen(tcp ?? { host: '127.0.0.1', port: 0 })
  await once(server, 'listening')
  const udp = await Promise.all(Array.from({ length: 1 + JOB_NETWORK.relaysMax }, () => bindUdp()))
  const [file = '', ...args] = program.argv
  const child = spawn(file, args, {
    env: { ...program.env },
    stdio: ['ignore', 'ignore', 'pipe', 'pipe', handleOf(server), ...udp.map(handleOf)],
  })
  let words = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    words += chunk
  })
  const control = child.stdio[3] as Duplex
  const [tcpPort, ports] = [(server.address() as AddressInfo).port, udp.map((socket) => socket.address().port)]
  // the process has its own
  server.close()
  for (const socket of udp) socket.close()
  return {
    child,
    control,
    tcpPort,
    dnsPort: ports[0] ?? 0,
    relayPorts: ports.slice(1),
    words: () => words,
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill('SIGKILL')
      await once(child, 'exit')
    },
  }
}

async function bindUdp(): Promise<UdpSocket> {
  const socket = createSocket('udp4')
  const bound = once(socket, 'listening')
  socket.bind(0, '127.0.0.1')
  await bound
  return socket
}

/** What spawn hands over. A UDP socket keeps it where only its own module looks. */
function handleOf(socket: object): 'pipe' {
  const state = Object.getOwnPropertySymbols(socket).find(({ description }) => description === 'state symbol')
  const holder = state === undefined ? { handle: (socket as { _handle: unknown })._handle } : Reflect.get(socket, state)
  return holder.handle as 'pipe'
}
