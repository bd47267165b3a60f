// SPDX-License-Identifier: Apache-2.0
import { type ConnectionTarget, type EgressRule, formatTarget, type Refusal } from '@sallyport/access'
import { formatOrigin } from '../steps/door-report.ts'
import type { ClientHello } from '../tls/client-hello.ts'

export interface ServerNameCheck {
  readonly hello: ClientHello
  readonly target: ConnectionTarget
  readonly serverName: 'required' | 'any'
  /** That lets TLS through to here. */
  readonly rule: EgressRule | null
}

/** Null: the ClientHello asks for the name that the connection was allowed for, or the rule does not care. */
export function checkServerName({ hello, target, serverName, rule }: ServerNameCheck): Refusal | null {
  const refuse = (reason: string): Refusal => {
    return {
      code: 'server-name',
      target: formatTarget(target),
      reason,
      rule: rule === null ? null : formatOrigin(rule.origin),
      remedy: null,
    }
  }
  if (hello.hasEncryptedClientHello) {
    return serverName === 'any'
      ? null
      : refuse('the TLS client hides which name it asks for, or pretends to (Encrypted ClientHello): turn that off in the client')
  }
  if (hello.serverName === null) return serverName === 'any' ? null : refuse('the TLS client does not say which name it asks for (SNI)')
  // By address: there is no name to compare with, and the rule is for whatever is there.
  if (target.name === null || hello.serverName === target.name) return null
  return refuse(`the TLS client asks for another name (SNI): ${hello.serverName}`)
}
