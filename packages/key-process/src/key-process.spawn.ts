// SPDX-License-Identifier: Apache-2.0
import { spawn } from 'node:child_process'
import type { Duplex } from 'node:stream'
import { programWords } from '@sallyport/linux'

/** Nothing in such a process works on more than some keys and a line of text. */
const NODE_FLAGS: readonly string[] = ['--max-old-space-size=64', '--max-semi-space-size=1', '--disable-proto=delete', '--no-warnings']

export interface KeyProgram {
  /** `import.meta.url` of who starts it: from the sources, `main.ts` is beside that; from a bundle, `bundled` is. */
  readonly beside: string
  readonly bundled: string
}

/** Starts it, and gives its socket. It ends with the socket, or with this process. */
export function spawnKeyProcess({ beside, bundled }: KeyProgram, args: readonly string[]): Duplex {
  // A group of its own: what interrupts the supervisor must not end it before its last answer. Its words come over the socket.
  const child = spawn(process.execPath, [...NODE_FLAGS, ...programWords(beside, bundled), ...args], {
    env: {},
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
    detached: true,
  })
  const socket = child.stdio[3] as Duplex
  child.on('error', (error) => socket.destroy(error))
  child.unref()
  return socket
}
