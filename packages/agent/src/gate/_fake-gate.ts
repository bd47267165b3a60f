// SPDX-License-Identifier: Apache-2.0
import { duplexPair } from 'node:stream'
import type { RuleSet } from '@sallyport/access'
import type { FromGate, ToGate } from '@sallyport/gate'
import { JobGate } from './job-gate.ts'

export const NO_RULES: readonly RuleSet[] = [{ author: 'request', source: 'sallyport.yml', rules: [], observes: false, place: 'egress' }]

/** The other end of a gate's control socket: hears every message, and answers the ordinary ones unless it is told not to. */
export class FakeGate {
  readonly gate: JobGate
  readonly heard: ToGate[] = []
  /** What `step-closed` says. */
  traffic: Pick<Extract<FromGate, { type: 'step-closed' }>, 'used' | 'refused' | 'refusedMore'> = { used: [], refused: [], refusedMore: 0 }
  answers = true
  authority: string | null = null
  readonly #control = duplexPair()

  constructor() {
    this.gate = new JobGate({
      gate: { nameServers: [], hosts: {}, trustedHosts: [], privateNetworks: [], ownAddresses: [], authorities: null, terminates: [] },
      bytesOutMax: 5000,
    })
    let text = ''
    this.#control[1].on('data', (chunk: Buffer) => {
      text += chunk.toString()
      const lines = text.split('\n')
      text = lines.pop() ?? ''
      for (const line of lines) this.#hear(JSON.parse(line) as ToGate)
    })
  }

  /** As the sandbox does when it launches the gate. */
  attach(): void {
    this.gate.launch.attach(this.#control[0])
  }

  say(message: FromGate): void {
    this.#control[1].write(`${JSON.stringify(message)}\n`)
  }

  end(): void {
    this.#control[1].end()
  }

  #hear(message: ToGate): void {
    this.heard.push(message)
    if (!this.answers) return
    if (message.type === 'configure') this.say({ type: 'ready', authority: this.authority })
    if (message.type === 'open-step') this.say({ type: 'step-open', step: message.doors.step })
    if (message.type === 'close-step') this.say({ type: 'step-closed', step: message.step, ...this.traffic })
  }
}
