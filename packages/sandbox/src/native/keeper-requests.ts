// SPDX-License-Identifier: Apache-2.0
import type { RefusedPacket } from '../contract.ts'
import { SandboxError } from '../sandbox-error.ts'

/** What the keeper says before the end of an answer. */
export interface KeeperLine {
  readonly word: string
  readonly fields: readonly string[]
}

interface Pending {
  /** What was asked for, for messages. */
  readonly what: string
  readonly lines: KeeperLine[]
  readonly resolve: (lines: readonly KeeperLine[]) => void
  readonly reject: (error: SandboxError) => void
}

/** Answers of the keeper (native/src/keeper-steps.c) to the requests that went before them, in their order. */
export class KeeperRequests {
  readonly #pending: Pending[] = []
  #closed = false

  /** @throws SandboxError SANDBOX_FAILED with the kernel's reason; SANDBOX_LOST when no answer comes any more. */
  next(what: string): Promise<readonly KeeperLine[]> {
    return new Promise((resolve, reject) => {
      if (this.#closed) reject(gone(what))
      else this.#pending.push({ what, lines: [], resolve, reject })
    })
  }

  /** A line of the keeper that is an answer, or a part of one. */
  hear(word: string, fields: readonly string[]): void {
    const head = this.#pending[0]
    if (head === undefined) return
    if (word !== 'ok' && word !== 'refused') {
      head.lines.push({ word, fields })
      return
    }
    this.#pending.shift()
    if (word === 'ok') head.resolve(head.lines)
    else head.reject(new SandboxError('SANDBOX_FAILED', `Cannot ${head.what}: ${fields.join(' ')}`))
  }

  close(): void {
    this.#closed = true
    for (const { reject, what } of this.#pending.splice(0)) reject(gone(what))
  }
}

function gone(what: string): SandboxError {
  return new SandboxError('SANDBOX_LOST', `Cannot ${what}: the sandbox is gone`)
}

const PROTOCOLS: Readonly<Record<string, RefusedPacket['protocol']>> = { '6': 'tcp', '17': 'udp' }

export function parsePacket({ fields: [source = '', address = '', protocol = '', port = ''] }: KeeperLine): RefusedPacket {
  return { source: source === '0.0.0.0' ? null : source, address, protocol: PROTOCOLS[protocol] ?? 'other', port: Number(port) }
}
