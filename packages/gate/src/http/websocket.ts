// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto'
import { type IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Meter } from '../ports.ts'
import { type AdmittedRequest, admitRequest } from './admit-request.ts'
import { pump } from './body-pump.ts'
import type { ConnectionScope } from './connection-scope.ts'
import { answer, answered } from './exchange.ts'
import type { Upstream } from './exchange-sides.ts'
import { bytesOf, responseFields, valuesOf } from './header-fields.ts'
import { Http1Incoming } from './http1-incoming.ts'
import { Http1Upstream, type Switched } from './http1-upstream.ts'

/** RFC 6455 section 1.3. */
const ACCEPT_SUFFIX = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

export interface UpgradeRequest {
  readonly request: IncomingMessage
  /** From here on nobody else reads it. */
  readonly socket: Duplex
  /** What the client sent behind its request, without waiting for an answer. Goes nowhere unless the server switches. */
  readonly head: Buffer
}

/**
 * A request that would make something else of the connection. Only a websocket that a rule allows does, and only once the server has proved that it speaks it: with anything less
 * a job could send what it likes behind an upgrade that was refused. Resolves at the end of the connection.
 */
export async function openWebsocket(asked: UpgradeRequest, scope: ConnectionScope, upstream: () => Promise<Upstream>): Promise<void> {
  const response = new ServerResponse(asked.request)
  response.shouldKeepAlive = false
  response.assignSocket(asked.socket as Socket)
  const incoming = new Http1Incoming(asked.request, response)
  scope.requestArrived()
  await answered(incoming, scope, async () => {
    const admitted = await admitRequest(incoming.head, scope)
    const reply = await ask(admitted, scope, upstream)
    const { meter } = admitted
    if ('status' in reply) await answer(incoming, reply, { meter, lastOfConnection: () => true }, scope)
    else await relay(asked, reply, { key: keyOf(admitted), meter }, scope)
  })
  asked.socket.end()
}

async function ask(
  { asked, request, signing }: AdmittedRequest,
  scope: ConnectionScope,
  upstream: () => Promise<Upstream>,
): ReturnType<Http1Upstream['upgrade']> {
  if (asked.upgrade === null) throw scope.refused('upgrade', 'only a websocket may take over a connection')
  // Frames cannot be searched without holding them back, and those of the client are masked.
  if (scope.searchesAnswers) throw scope.refused('upgrade', 'no websocket goes to a host that is sent a secret')
  const connection = await upstream()
  if (!(connection instanceof Http1Upstream)) throw scope.refused('upgrade', 'the connection to the server is no HTTP/1.1')
  const { path, fields } = signing === null ? request : signing.sign(request, new Uint8Array(0)).request
  return connection.upgrade({
    method: 'GET',
    path: `${path.text}${path.query}`,
    authority: scope.destination.authority,
    fields,
    body: null,
    expectsContinue: false,
  })
}

const keyOf = ({ asked }: AdmittedRequest): string => valuesOf(asked.fields, 'sec-websocket-key')[0] ?? ''

interface RelayOptions {
  readonly key: string
  readonly meter: Meter
}

async function relay(
  { socket, head }: UpgradeRequest,
  server: Switched,
  { key, meter }: RelayOptions,
  scope: ConnectionScope,
): Promise<void> {
  server.socket.on('error', scope.end)
  const accept = createHash('sha1').update(`${key}${ACCEPT_SUFFIX}`).digest('base64')
  const isWebsocket = valuesOf(server.fields, 'upgrade').join().toLowerCase() === 'websocket'
  if (!isWebsocket || valuesOf(server.fields, 'sec-websocket-accept').join() !== accept) {
    server.socket.destroy()
    throw scope.refused('upgrade', 'the server did not prove that it speaks the websocket protocol')
  }
  await meter.in(bytesOf(server.fields))
  const fields = [{ name: 'Upgrade', value: 'websocket' }, { name: 'Connection', value: 'Upgrade' }, ...responseFields(server.fields)]
  socket.write(`HTTP/1.1 101 Switching Protocols\r\n${fields.map(({ name, value }) => `${name}: ${value}\r\n`).join('')}\r\n`, 'latin1')
  if (head.length > 0) socket.unshift(head)
  if (server.head.length > 0) server.socket.unshift(server.head)
  const touch = (): void => scope.touch()
  await Promise.all([
    oneWay(socket, server.socket, () =>
      pump(socket, server.socket, { count: (bytes) => meter.out(bytes), touch, stage: null, endsAt: null }),
    ),
    oneWay(server.socket, socket, () =>
      pump(server.socket, socket, { count: (bytes) => meter.in(bytes), touch, stage: null, endsAt: null }),
    ),
  ])
}

/** The end of one direction is passed on; its failure ends both. */
async function oneWay(source: Duplex, sink: Duplex, work: () => Promise<void>): Promise<void> {
  try {
    await work()
    sink.end()
  } catch (error) {
    source.destroy()
    sink.destroy()
    throw error
  }
}
