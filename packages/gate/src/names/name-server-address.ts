// SPDX-License-Identifier: Apache-2.0
import { isIP } from 'node:net'

export interface NameServer {
  readonly address: string
  readonly port: number
}

/** `address`, `address:port` or `[address]:port`. @throws TypeError: the supervisor wrote it, not the job. */
export function parseNameServer(text: string): NameServer {
  const parts = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(text)
  const address = isIP(text) === 0 ? (parts?.[1] ?? parts?.[2] ?? '') : text
  const port = isIP(text) === 0 ? Number(parts?.[3] ?? 53) : 53
  if (isIP(address) === 0 || port < 1 || port > 65_535) throw new TypeError(`no name server: ${text}`)
  return { address, port }
}
