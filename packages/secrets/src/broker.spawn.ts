// SPDX-License-Identifier: Apache-2.0
import { spawn } from 'node:child_process'
import type { Duplex } from 'node:stream'
import { BrokerClient, type BrokerObserver } from './broker/client.ts'
import type { BrokerConfig } from './broker/messages.ts'
import { brokerArgv } from './program.ts'

/**
 * Starts the process that holds the providers' credentials. It ends with the client, or with this process, and ends all that it made before.
 * @throws SecretsError as the providers' own descriptions are wrong, or BROKER_LOST
 */
export async function startBroker(config: BrokerConfig, observer: BrokerObserver): Promise<BrokerClient> {
  const [program = '', ...args] = brokerArgv()
  // A group of its own: what interrupts the supervisor must not end it before it has revoked what it made. No environment: it may hold other credentials.
  const child = spawn(program, args, { env: {}, stdio: ['ignore', 'ignore', 'ignore', 'pipe'], detached: true })
  const socket = child.stdio[3] as Duplex
  const client = new BrokerClient(socket, observer)
  child.on('error', (error) => socket.destroy(error))
  child.unref()
  try {
    await client.configure(config)
    return client
  } catch (error) {
    // As long as its socket is open this process does not end.
    await client[Symbol.asyncDispose]()
    throw error
  }
}
