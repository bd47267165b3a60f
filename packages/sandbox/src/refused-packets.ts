// SPDX-License-Identifier: Apache-2.0
import type { RefusedPacket } from './contract.ts'

/** Of one step. */
const PACKETS_MAX = 128

/** What the kernel refused, kept until the end of the step that it came from; bounded, because a job chooses where it sends to. */
export class RefusedPackets {
  readonly #bySource = new Map<string | null, Map<string, RefusedPacket>>()

  add(packets: readonly RefusedPacket[]): void {
    for (const packet of packets) {
      const known = this.#bySource.get(packet.source) ?? new Map<string, RefusedPacket>()
      this.#bySource.set(packet.source, known)
      if (known.size < PACKETS_MAX) known.set(`${packet.protocol} ${packet.address} ${packet.port}`, packet)
    }
  }

  /** Those of a step that has ended, and what belonged to none. */
  take(source: string | null): readonly RefusedPacket[] {
    const taken = [...new Set([source, null])].flatMap((key) => [...(this.#bySource.get(key)?.values() ?? [])])
    this.#bySource.delete(source)
    this.#bySource.delete(null)
    return taken.slice(0, PACKETS_MAX)
  }
}
