// SPDX-License-Identifier: Apache-2.0
// What DirectSocket takes from inside of net.Socket, held to be there in the Node that runs this.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import { endOf, readAll } from './_gate-world.ts'
import { DirectSocket } from './direct-socket.ts'
import { ReadBufferBudget } from './read-buffers.ts'

interface Pair extends AsyncDisposable {
  readonly accepted: Socket
  readonly client: Socket
  readonly server: ReturnType<typeof createServer>
}

async function socketPair(): Promise<Pair> {
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', allowHalfOpen: true })
  client.on('error', () => undefined)
  const [accepted] = (await once(server, 'connection')) as [Socket]
  return {
    accepted,
    client,
    server,
    [Symbol.asyncDispose]: async () => {
      client.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

test('an accepted connection is read into one buffer, and written', async () => {
  await using pair = await socketPair()
  const [remote, local] = [pair.accepted.remotePort, pair.accepted.localPort]
  const direct = new DirectSocket(pair.accepted, new ReadBufferBudget())
  assert.deepEqual([direct.socket.remotePort, direct.socket.localPort], [remote, local])
  const seen: string[] = []
  direct.reader = (chunk) => {
    seen.push(String(chunk))
    direct.socket.write(`heard ${chunk}`)
    return true
  }
  direct.socket.once('end', () => direct.socket.end())
  direct.resume()
  pair.client.end('hello')
  assert.equal(String(await readAll(pair.client)), 'heard hello')
  assert.deepEqual(seen, ['hello'])
})

test('nothing is read before it is resumed, or after its reader had enough', async () => {
  await using pair = await socketPair()
  const direct = new DirectSocket(pair.accepted, new ReadBufferBudget())
  const seen: number[] = []
  direct.reader = (chunk) => {
    seen.push(chunk.length)
    return false
  }
  pair.client.write(Buffer.alloc(100_000))
  await new Promise((resolve) => setTimeout(resolve, 20))
  assert.deepEqual(seen, [])
  for (let reads = 1; reads <= 3; reads++) {
    direct.resume()
    await new Promise((resolve) => setTimeout(resolve, 20))
    assert.equal(seen.length, reads)
  }
  direct.socket.destroy()
})

test('what Node had read before is in its head, and an end that Node had seen is seen again', async () => {
  await using pair = await socketPair()
  const { client, accepted } = pair
  // reading, as a socket that was dialled is
  accepted.resume()
  accepted.pause()
  accepted.read(0)
  client.end('first words')
  await new Promise((resolve) => setTimeout(resolve, 20))
  const direct = new DirectSocket(accepted, new ReadBufferBudget())
  assert.equal(String(direct.head), 'first words')
  const ended = once(direct.socket, 'end')
  direct.resume()
  await ended
  direct.socket.destroy()
})

test('a reset goes out at once, and one that comes in is an error', async () => {
  await using one = await socketPair()
  const direct = new DirectSocket(one.accepted, new ReadBufferBudget())
  direct.resume()
  direct.socket.resetAndDestroy()
  assert.equal(await endOf(one.client), 'reset')
  await using other = await socketPair()
  const second = new DirectSocket(other.accepted, new ReadBufferBudget())
  second.resume()
  const failed = once(second.socket, 'error')
  other.client.resetAndDestroy()
  assert.equal(((await failed)[0] as NodeJS.ErrnoException).code, 'ECONNRESET')
})

test('the server forgets a connection that was taken over, and the socket that was left behind closes nothing', async () => {
  await using pair = await socketPair()
  const { accepted, client, server } = pair
  const direct = new DirectSocket(accepted, new ReadBufferBudget())
  await once(accepted, 'close')
  assert.equal(await new Promise((resolve) => server.getConnections((_error, count) => resolve(count))), 0)
  client.write('x')
  const [chunk] = await new Promise<[Buffer]>((resolve) => {
    direct.reader = (bytes) => {
      resolve([Buffer.from(bytes)])
      return true
    }
    direct.resume()
  })
  assert.equal(String(chunk), 'x')
  assert.throws(() => new DirectSocket(accepted, new ReadBufferBudget()), TypeError)
  direct.socket.destroy()
})
