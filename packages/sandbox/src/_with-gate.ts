// SPDX-License-Identifier: Apache-2.0
// A sandbox with the gate of _echo-gate.ts, for tests with privileges.
import { realpathSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import type { Duplex } from 'node:stream'
import type { GateLaunch, SandboxSpec } from './contract.ts'

let serial = 0

/** A small sandbox with this gate. */
export function gateSpec(gate: GateLaunch | null): SandboxSpec {
  serial += 1
  return {
    id: `gate-${process.pid}-${serial}`,
    image: { kind: 'host' },
    rootfs: 'disposable',
    limits: { cpu: 1, memoryBytes: 128 << 20, memorySwapBytes: 128 << 20, pids: 64, diskBytes: 64 << 20, diskInodes: 4096, openFiles: 512 },
    nodeBinary: null,
    readOnlyBinds: [],
    directories: [],
    hostname: 'gated',
    gate,
  }
}

export class EchoGate {
  readonly launch: GateLaunch
  readonly #ready = Promise.withResolvers<void>()
  #control: Duplex | undefined
  #lines: Interface | undefined

  constructor(changes: Partial<GateLaunch> = {}) {
    // Nobody's where the launch has another.
    this.#ready.promise.catch(() => undefined)
    const node = realpathSync(process.execPath)
    const script = join(import.meta.dirname, '_echo-gate.ts')
    this.launch = {
      argv: [node, script],
      env: { MARK: 'gate' },
      files: [node, script, join(import.meta.dirname, '../package.json')],
      reach: Promise.resolve([
        { allowed: true, network: '127.0.0.2/31', port: 7 },
        { allowed: false, network: '127.0.0.0/8', port: null },
        { allowed: true, network: '0.0.0.0/0', port: null },
      ]),
      attach: (control) => this.#attach(control),
      ready: this.#ready.promise,
      ...changes,
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
    const answer = new Promise<string>((resolve, reject) => {
      this.#lines?.once('line', resolve)
      this.#lines?.once('close', () => reject(new Error('the gate ended')))
    })
    this.send(command)
    return JSON.parse(await answer)
  }

  send(command: string): void {
    this.#control?.write(`${command}\n`)
  }
}
