// SPDX-License-Identifier: Apache-2.0
import type { RefusedPacket } from '../contract.ts'
import { SandboxError } from '../sandbox-error.ts'

interface Pending {
  readonly packets: RefusedPacket[]
  readonly resolve: (packets: readonly RefusedPacket[]) => void
  readonly reject: (error: SandboxError) => void
}

/** Answers of the keeper (native/src/keeper-steps.c) to the requests that went before them, in their order. */
export class KeeperRequests {
  readonly #pending: Pending[] = []
  #closed = false

  /** @throws SandboxError SANDBOX_FAILED with the kernel's reason; SANDBOX_LOST when no answer comes any more. */
  next(): Promise<readonly RefusedPacket[]> {
    return new Promise((resolve, reject) => {
      if (this.#closed) reject(gone())
      else this.#pending.push({ packets: [], resolve, reject })
    })
  }

  /** A line of the keeper that is an answer, or a part of one. */
  hear(word: string, fields: readonly string[]): void {
    const head = this.#pending[0]
    if (head === undefined) return
    if (word === 'packet') {
      head.packets.push(parsePacket(fields))
      return
    }
    this.#pending.shift()
    if (word === 'ok') head.resolve(head.packets)
    else head.reject(new SandboxError('SANDBOX_FAILED', `Cannot change the network of a step: ${fields.join(' ')}`))
  }

  close(): void {
    this.#closed = true
    for (const { reject } of this.#pending.splice(0)) reject(gone())
  }
}

function gone(): SandboxError {
  return new SandboxError('SANDBOX_LOST', 'Cannot change the network of a step: the sandbox is gone')
}

const PROTOCOLS: Readonly<Record<string, RefusedPacket['protocol']>> = { '6': 'tcp', '17': 'udp' }

function parsePacket([source = '', address = '', protocol = '', port = '']: readonly string[]): RefusedPacket {
  return { source: source === '0.0.0.0' ? null : source, address, protocol: PROTOCOLS[protocol] ?? 'other', port: Number(port) }
}
