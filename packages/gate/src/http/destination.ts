// SPDX-License-Identifier: Apache-2.0
import type { HttpConnection } from '../ports.ts'

/** Where the connection goes, whatever is said over it. */
export interface Destination {
  readonly target: HttpConnection['target']
  readonly name: string
  readonly port: number
  readonly protocol: 'tls' | 'http'
  /** `name`, with the port where it is not the scheme's own. */
  readonly authority: string
  /** `https://authority` or `http://authority`. */
  readonly origin: string
}

export function destinationOf({ target, hello }: HttpConnection): Destination {
  const protocol = hello === null ? 'http' : 'tls'
  const ownPort = protocol === 'tls' ? 443 : 80
  const authority = target.port === ownPort ? target.name : `${target.name}:${target.port}`
  return {
    target,
    name: target.name,
    port: target.port,
    protocol,
    authority,
    origin: `${protocol === 'tls' ? 'https' : 'http'}://${authority}`,
  }
}
