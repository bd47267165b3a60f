// SPDX-License-Identifier: Apache-2.0
// The gate's process: one for each job, started by the keeper (native/src/keeper-gate.c) with its sockets as descriptors. It reads no file after it has said
// that it is ready, and ends with its control socket. Whatever it did not foresee ends it: with it every door is shut.
import { writeSync } from 'node:fs'
import { type Server, Socket } from 'node:net'
import { JOB_NETWORK, messageOf } from '@sallyport/core'
import { type FromGate, GATE_DESCRIPTORS } from './contract.ts'
import { Control } from './control/control.ts'
import { plainText } from './control/plain-text.ts'
import { udpSocketOf } from './dns/udp-socket.ts'
import { Gate, type GateSockets } from './gate.ts'

process.on('uncaughtExceptionMonitor', (error) => sayFailed(error))

const socket = new Socket({ fd: GATE_DESCRIPTORS.control, readable: true, writable: true })
const end = (): never => process.exit()
socket.on('end', end).on('error', end).on('close', end)

const SETTLED_MS = 100

const control = new Control(socket)
const gate = new Gate({ control, sockets: openSockets, onDefect: stop })
control.serve(gate, stop)

/**
 * Without V8's last optimising compiler, which takes a processor for milliseconds at a time from whoever waits (bench/gate.ts: the slowest hundredth of connections took
 * twice as long), and is one more thing that makes code from what a job has sent. Once the gate is ready: at the start it would cost what Node has compiled already.
 */
setTimeout(async () => (await import('node:v8')).setFlagsFromString('--no-opt'), SETTLED_MS)

/** Node listens once more, with a shorter queue unless told: beyond it clients wait for a second. */
const BACKLOG = 4096

/** Not caught by anybody: Node ends the process with code 1, and its words go to the keeper. */
function stop(error: unknown): void {
  queueMicrotask(() => {
    throw error
  })
}

/** At once, not through the stream: the process is about to end. The supervisor may not get it, and learns of the end anyway. */
function sayFailed(error: Error): void {
  const failed: FromGate = { type: 'failed', message: plainText(messageOf(error), 500) }
  try {
    writeSync(GATE_DESCRIPTORS.control, `${JSON.stringify(failed)}\n`)
  } catch {
    // the socket is full or closed; the process ends all the same
  }
}

async function openSockets(): Promise<GateSockets> {
  const relays = Array.from({ length: JOB_NETWORK.relaysMax }, (_, index) => udpSocketOf(GATE_DESCRIPTORS.firstRelay + index))
  return { listen, dns: await udpSocketOf(GATE_DESCRIPTORS.dns), relays: await Promise.all(relays) }
}

function listen(server: Server): Promise<void> {
  return new Promise((resolve) => server.listen({ fd: GATE_DESCRIPTORS.tcp }, BACKLOG, resolve))
}
