// SPDX-License-Identifier: Apache-2.0
import { UsageError } from '../usage-error.ts'

export interface Listen {
  readonly address: string
  readonly port: number
}

/** `ADDRESS:PORT`, with IPv6 in brackets; port 0 stands for any that is free. */
export function parseListen(text: string): Listen {
  const { address, port } = /^(?:\[(?<address>[0-9a-fA-F:.]+)\]|(?<address>[0-9A-Za-z.-]+)):(?<port>\d{1,5})$/.exec(text)?.groups ?? {}
  if (address === undefined || Number(port) > 65_535)
    throw new UsageError('USAGE', `--listen: "${text}" is not an address and a port`, {
      hint: 'Write ADDRESS:PORT, e.g. 127.0.0.1:8470 or [::1]:8470',
    })
  return { address, port: Number(port) }
}
