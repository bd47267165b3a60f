// SPDX-License-Identifier: Apache-2.0
// Where connections are handed over to the part for HTTP, and where not.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import type { HttpCondition } from '@sallyport/access'
import { endOf, type GateWorld, readAll, rule, startGateWorld } from './_gate-world.ts'

const NAME = 'origin.test'
const GET: HttpCondition = { methods: ['GET'], paths: null, graphql: false, websocket: false }

async function startHttp(): Promise<{ readonly port: number; readonly requests: string[] } & AsyncDisposable> {
  const requests: string[] = []
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`)
    response.end('from the origin')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    requests,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

async function ask(world: GateWorld, port: number, request: string): Promise<string> {
  const socket = await world.connect({ name: NAME, port })
  socket.write(`${request} HTTP/1.1\r\nHost: ${NAME}:${port}\r\nConnection: close\r\n\r\n`)
  return String(await readAll(socket))
}

test('each request in clear text is held to the rule', async () => {
  await using origin = await startHttp()
  await using world = await startGateWorld({ hosts: [NAME] })
  world.open([rule({ to: NAME, port: origin.port, protocol: 'http', http: GET })])
  assert.match(await ask(world, origin.port, 'GET /a'), /^HTTP\/1\.1 200 .*from the origin$/s)
  assert.match(await ask(world, origin.port, 'POST /b'), /^HTTP\/1\.1 403 /)
  assert.deepEqual(origin.requests, ['GET /a'])
  assert.equal(world.refusals()[0]?.code, 'method')
  const { used } = world.close()
  assert.ok(used[0] !== undefined && used[0].bytesIn > 0)
  assert.deepEqual(used[0].requests, [{ method: 'GET', path: '/a', count: 1, graphql: false, websocket: false }])
})

test('the end of a step ends a connection that is being served', async () => {
  await using origin = await startHttp()
  await using world = await startGateWorld({ hosts: [NAME] })
  world.open([rule({ to: NAME, port: origin.port, protocol: 'http' })])
  const socket = await world.connect({ name: NAME, port: origin.port })
  socket.write(`GET / HTTP/1.1\r\nHost: ${NAME}:${origin.port}\r\n\r\n`)
  await once(socket, 'data')
  const end = endOf(socket)
  world.close()
  assert.notEqual(await end, 'open')
})

test('TLS is terminated where a rule has to see requests, by an authority of the job', async () => {
  await using origin = await startHttp()
  await using world = await startGateWorld({ hosts: [NAME], config: { terminates: [{ kind: 'exact', name: NAME }] } })
  world.open([rule({ to: NAME, port: origin.port, protocol: 'tls', http: GET })])
  const ca = world.authority ?? ''
  const tls = connectTls({ socket: await world.connect({ name: NAME, port: origin.port }), servername: NAME, ca })
  await once(tls, 'secureConnect')
  tls.write(`POST /b HTTP/1.1\r\nHost: ${NAME}:${origin.port}\r\nConnection: close\r\n\r\n`)
  const [answer] = (await once(tls, 'data')) as [Buffer]
  assert.match(String(answer), /^HTTP\/1\.1 403 /)
  tls.destroy()
  assert.deepEqual(origin.requests, [])
})

test('HTTP by address is let through where it makes no difference what is asked for, and only there', async () => {
  await using origin = await startHttp()
  await using world = await startGateWorld({ config: { privateNetworks: ['127.0.0.0/8', '203.0.113.0/24'] } })
  const port = origin.port
  world.open([rule({ to: '203.0.113.8/32', port, protocol: 'http', http: GET })])
  const refused: Socket = await world.connect({ address: '203.0.113.8', port })
  refused.write('GET / HTTP/1.1\r\n\r\n')
  assert.equal(await endOf(refused), 'reset')
  assert.equal(world.refusals()[0]?.code, 'method')
})
