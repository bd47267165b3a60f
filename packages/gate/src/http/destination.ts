// SPDX-License-Identifier: Apache-2.0
import { type ConnectionTarget, decideConnection, dependsOnRequests, type RuleSet } from '@sallyport/access'
import type { StepDoors } from '../contract.ts'
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
  /** Whether a path decides about a request; else every path of the host is allowed, and goes out as it came. */
  readonly judgesPaths: boolean
}

export function destinationOf({ target, hello, step }: HttpConnection): Destination {
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
    judgesPaths: hasPlaceholders(step.doors) || asksForRequests(step.doors.sets, target, protocol),
  }
}

/** What is put in for them is for some paths and not for others. */
export function hasPlaceholders({ substitutions, signings = [], awaitsSubstitutions = false }: StepDoors): boolean {
  return awaitsSubstitutions || substitutions.length > 0 || signings.length > 0
}

function asksForRequests(sets: readonly RuleSet[], target: ConnectionTarget, protocol: 'tls' | 'http'): boolean {
  const decision = decideConnection(sets, target)
  return !decision.allowed || dependsOnRequests(decision, protocol)
}
