// SPDX-License-Identifier: Apache-2.0
import { type DecidingRules, decideRequest, type RuleSet } from '@sallyport/access'
import { type Meter, RefusedError } from '../ports.ts'
import type { PendingSigning } from './aws/aws-signing.ts'
import type { ConnectionScope } from './connection-scope.ts'
import type { RequestHead } from './exchange-sides.ts'
import { bytesOf } from './header-fields.ts'
import { type ParsedRequest, readRequest } from './read-request.ts'

export interface AdmittedRequest {
  /** As the job meant it: with placeholders. */
  readonly asked: ParsedRequest
  /** As it goes out; but for its signature where `signing` is to make one. */
  readonly request: ParsedRequest
  readonly signing: PendingSigning | null
  readonly meter: Meter
}

/** A path goes into the record; longer ones are cut. */
const RECORDED_PATH_MAX = 512

/**
 * Everything that has to be true of a request before a byte of it goes out.
 * @throws RefusedError
 */
export async function admitRequest(head: RequestHead, scope: ConnectionScope): Promise<AdmittedRequest> {
  const { connection, destination, substitutions } = scope
  const asked = readRequest(head, destination)
  const by = judge(connection.step.doors.sets, asked)
  const signing = substitutions?.signing(head, asked, destination) ?? null
  const meant = signing?.stripped ?? asked
  const request = substitutions?.inHead(meant, destination) ?? meant
  const { name, port, protocol } = destination
  connection.step.report.request(
    { host: name, port, protocol, rule: by.rule },
    {
      method: asked.method,
      path: asked.path.text.slice(0, RECORDED_PATH_MAX),
      graphql: asked.readings.some(({ graphql }) => graphql),
      websocket: asked.upgrade === 'websocket',
    },
  )
  const meter = scope.meter(by)
  await meter.out(asked.method.length + asked.path.text.length + asked.path.query.length + 11 + bytesOf(request.fields))
  return { asked, request, signing, meter }
}

/** The rules that allow the request as it is. */
function judge(sets: readonly RuleSet[], { readings }: ParsedRequest): DecidingRules {
  const [by = { rule: null, ceiling: null }] = readings.map((reading) => {
    const decision = decideRequest(sets, reading)
    if (!decision.allowed) throw new RefusedError(decision.refusal)
    return decision
  })
  return by
}
