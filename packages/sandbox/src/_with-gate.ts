// SPDX-License-Identifier: Apache-2.0
// A sandbox with the gate of _echo-gate.ts, for tests with privileges.
import { realpathSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import type { Duplex } from 'node:stream'
import type { GateLaunch } from './contract.ts'

export class EchoGate {
  readonly launch: GateLaunch
  readonly #ready = Promise.withResolvers<void>()
  #control: Duplex | undefined
  #lines: Interface | undefined

  /** `script`: another program in its place. */
  constructor(script: string = join(import.meta.dirname, '_echo-gate.ts')) {
    const node = realpathSync(process.execPath)
    this.launch = {
      argv: [node, script],
      env: { MARK: 'gate' },
      files: [node, script, join(import.meta.dirname, '../package.json')],
      attach: (control) => this.#attach(control),
      ready: this.#ready.promise,
    }
  }

  #attach(control: Duplex): void {
    this.#control = control
    control.on('error', (error) => this.#ready.reject(error))
    control.on('close', () => this.#ready.reject(new Error('the gate closed its control socket')))
    this.#lines = createInterface(control)
    this.#lines.once('line', () => this.#ready.resolve())
  }

  /** Sends a command and resolves with the answer. */
  async ask(command: string): Promise<unknown> {
    const answer = new Promise<string>((resolve) => this.#lines?.once('line', resolve))
    this.send(command)
    return JSON.parse(await answer)
  }

  send(command: string): void {
    this.#control?.write(`${command}\n`)
  }
}
