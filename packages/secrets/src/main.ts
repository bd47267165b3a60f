// SPDX-License-Identifier: Apache-2.0
// The broker's process: its socket is descriptor 3. When that ends it ends every session that it opened, and itself. What it did not foresee
// ends it at once: its journal says what the next broker has to end.
import { readFile } from 'node:fs/promises'
import { Socket } from 'node:net'
import { LineReader, messageOf } from '@sallyport/core'
import { forbidCoreDumps, makeUndumpable } from '@sallyport/linux'
import { BROKER_DESCRIPTOR, type FromBroker, TO_BROKER_BYTES_MAX } from './broker/messages.ts'
import { parseToBroker } from './broker/parse-messages.ts'
import { BrokerService } from './broker/service.ts'
import type { ProviderPorts } from './contract.ts'
import { SecretsError } from './secrets-error.ts'

makeUndumpable()
forbidCoreDumps()

/** Certificates of a whole system are the largest that anybody names. */
const FILE_BYTES_MAX = 2 ** 20

const ports: ProviderPorts = {
  nowMs: () => Date.now(),
  readFile: async (path) => {
    try {
      const bytes = await readFile(path)
      if (bytes.length <= FILE_BYTES_MAX) return bytes
      throw new Error(`it has more than ${FILE_BYTES_MAX} bytes`)
    } catch (error) {
      throw new SecretsError('PROVIDER_CONFIG_INVALID', `Cannot read "${path}": ${messageOf(error)}`, { cause: error })
    }
  },
}

serve(new Socket({ fd: BROKER_DESCRIPTOR, readable: true, writable: true, allowHalfOpen: true }))

function serve(socket: Socket): void {
  const say = (message: FromBroker): void => void socket.write(`${JSON.stringify(message)}\n`)
  const service = new BrokerService(ports, (event) => say({ id: 0, type: 'event', event }))
  const lines = new LineReader(TO_BROKER_BYTES_MAX)
  let isEnding = false
  const end = (): void => {
    if (isEnding) return
    isEnding = true
    void service[Symbol.asyncDispose]().then(() => process.exit())
  }
  socket.on('end', end).on('error', end).on('close', end)
  socket.on('data', (chunk: Buffer) => {
    for (const line of lines.read(chunk)) {
      const { id, ...question } = parseToBroker(Buffer.from(line).toString())
      void service.answer(question).then((answer) => say({ id, ...answer }))
    }
  })
}
