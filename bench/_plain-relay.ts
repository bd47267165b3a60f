// SPDX-License-Identifier: Apache-2.0
// bench/_plain-relay.ts FROM TO: the relay that anybody would write first. Prints a line when it listens.
import { connect, createServer } from 'node:net'

const [from, to] = process.argv.slice(2).map(Number)

const server = createServer({ noDelay: true }, (client) => {
  const origin = connect({ port: to ?? 0, host: '127.0.0.1', noDelay: true })
  client.on('error', () => origin.destroy())
  origin.on('error', () => client.destroy())
  client.pipe(origin)
  origin.pipe(client)
})
server.listen(from, '127.0.0.1', () => process.stdout.write('up\n'))
