// SPDX-License-Identifier: Apache-2.0
import { type Meter, RefusedError } from '../ports.ts'
import { type AdmittedRequest, admitRequest } from './admit-request.ts'
import { type BodyStage, pump } from './body-pump.ts'
import type { ConnectionScope } from './connection-scope.ts'
import { type Incoming, UnprocessedError, type Upstream, type UpstreamRequest, type UpstreamResponse } from './exchange-sides.ts'
import { bytesOf, type HeaderFields, listOf, responseFields, valuesOf, withoutFields } from './header-fields.ts'
import { type OutgoingBody, outgoingBody } from './outgoing-body.ts'
import type { ParsedRequest } from './read-request.ts'
import { signedBody } from './signed-body.ts'

/** A server may end each session as soon as it is open. */
const ATTEMPTS_MAX = 3

const CONTENT_LENGTH: ReadonlySet<string> = new Set(['content-length'])
/** Methods whose requests have a body as a rule: without one, that it has none is said (RFC 9110 section 8.6). */
const BODY_EXPECTED: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH'])

/** One request and its response. Never rejects: whatever goes wrong is reported, and answered where there still is an answer to give. */
export async function exchange(incoming: Incoming, scope: ConnectionScope, upstream: () => Promise<Upstream>): Promise<void> {
  scope.requestArrived()
  await answered(incoming, scope, async () => {
    const admitted = await admitRequest(incoming.head, scope)
    const { request, body } = await outgoing(incoming, admitted, scope)
    try {
      await sendAgain(body === null ? ATTEMPTS_MAX : 1, async () => send(incoming, { ...admitted, request, body }, scope, await upstream()))
    } finally {
      body?.release()
    }
  })
  scope.touch()
}

async function outgoing(
  incoming: Incoming,
  admitted: AdmittedRequest,
  scope: ConnectionScope,
): Promise<{ readonly request: ParsedRequest; readonly body: OutgoingBody | null }> {
  const { request, signing } = admitted
  if (signing !== null) return signedBody(incoming, { ...admitted, signing }, scope)
  return { request, body: await outgoingBody(incoming, admitted, scope) }
}

/** Only what the server has not begun with is sent a second time. A body may be gone by then: its client may send it again. */
async function sendAgain(attempts: number, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (!(error instanceof UnprocessedError) || attempts <= 1) throw error
    await sendAgain(attempts - 1, work)
  }
}

/** Does the work, and sees to it that a refusal of it is reported and answered. */
export async function answered(incoming: Incoming, scope: ConnectionScope, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (error instanceof UnprocessedError) {
      incoming.putOff()
      return
    }
    if (!(error instanceof RefusedError)) {
      // One of the two ends broke off: there is nothing to say to anybody.
      incoming.abort()
      return
    }
    scope.report(error.refusal)
    await incoming.refuse(error.refusal).catch(() => incoming.abort())
  }
}

interface Sent extends AdmittedRequest {
  readonly body: OutgoingBody | null
}

async function send(incoming: Incoming, admitted: Sent, scope: ConnectionScope, upstream: Upstream): Promise<void> {
  const { request, body } = admitted
  const sent = upstream.request({
    method: request.method,
    path: `${request.path.text}${request.path.query}`,
    authority: scope.destination.authority,
    fields: body === null ? withEmptyBody(request) : request.fields,
    body,
    expectsContinue: body?.expectsContinue ?? false,
  })
  try {
    incoming.onGone(() => sent.abort())
    sent.onContinue(() => incoming.continue())
    await converse(incoming, sent, admitted, scope)
  } catch (error) {
    sent.abort()
    throw error
  }
}

function withEmptyBody({ method, bodyBytes, fields }: ParsedRequest): HeaderFields {
  return bodyBytes === 0 || BODY_EXPECTED.has(method) ? [...fields, { name: 'Content-Length', value: '0' }] : fields
}

/** Both directions at the same time: a server may answer before it has the whole body. */
async function converse(incoming: Incoming, sent: UpstreamRequest, { body, meter }: Sent, scope: ConnectionScope): Promise<void> {
  let isUploaded = false
  const upload = sendBody(body, sent, meter, scope).then(() => {
    isUploaded = true
  })
  // A refusal of what is sent (a budget) ends the exchange at once; that a server reads no further does not.
  const refused = upload.then(never, (error: unknown) =>
    error instanceof RefusedError || incoming.isCut() ? Promise.reject(error) : never(),
  )
  const response = await Promise.race([refused, sent.response])
  const lastOfConnection = (): boolean => response.lastOfConnection || !isUploaded
  await Promise.race([refused, answer(incoming, response, { meter, lastOfConnection }, scope)])
  if (!isUploaded) sent.abort()
}

const never = (): Promise<never> => new Promise(() => undefined)

async function sendBody(body: OutgoingBody | null, sent: UpstreamRequest, meter: Meter, scope: ConnectionScope): Promise<void> {
  if (body === null || sent.body === null) return
  const count = (bytes: number): Promise<void> | undefined => meter.out(bytes)
  await pump(body.source, sent.body, { count, touch: () => scope.touch(), stage: body.stage, endsAt: null })
  // A body that was cut off must not look whole at the other end.
  if (body.isCut()) throw new Error('the client broke off')
  sent.body.end()
}

interface AnswerOptions {
  readonly meter: Meter
  readonly lastOfConnection: () => boolean
}

/** Passes an answer on, written anew. */
export async function answer(
  incoming: Incoming,
  response: UpstreamResponse,
  { meter, lastOfConnection }: AnswerOptions,
  scope: ConnectionScope,
): Promise<void> {
  await meter.in(15 + bytesOf(response.fields))
  const { fields, stage, keepsLength } = scope.searchesAnswers ? searching(response, scope) : UNTOUCHED
  const hasBody = mayHaveBody(incoming.head.method, response.status)
  const hasLength = response.status !== 204 && (keepsLength || !hasBody)
  const head = fields(responseFields(hasLength ? response.fields : withoutFields(response.fields, CONTENT_LENGTH)))
  const bodyBytes = hasBody ? lengthOf(head) : null
  const sink = incoming.respond({ status: response.status, fields: head, hasBody, bodyBytes }, { lastOfConnection: lastOfConnection() })
  const endsAt = incoming.marksEnd ? bodyBytes : null
  await pump(response.body, sink, { count: (bytes) => meter.in(bytes), touch: () => scope.touch(), stage, endsAt })
  if (response.isCut()) throw new Error('the server broke off')
  await incoming.finish(fields(responseFields(response.trailers())))
}

/** What is done to an answer on its way. */
interface AnswerFilter {
  readonly fields: (fields: HeaderFields) => HeaderFields
  readonly stage: BodyStage | null
  readonly keepsLength: boolean
}

const UNTOUCHED: AnswerFilter = { fields: (fields) => fields, stage: null, keepsLength: true }

/** For hosts that are sent secrets. What is searched may become longer or shorter. */
function searching({ status, fields }: UpstreamResponse, scope: ConnectionScope): AnswerFilter {
  const { substitutions, connection, destination } = scope
  if (substitutions === null) return UNTOUCHED
  // Neither was asked for: whether there is a secret in it cannot be seen.
  if (status === 206 || listOf(fields, 'content-encoding').some((encoding) => encoding !== 'identity'))
    throw scope.refused('unreachable', 'the answer is compressed, or a part of one: whether it holds a secret cannot be seen')
  let isFound = false
  const onFound = (): void => {
    if (!isFound) connection.step.report.alert('echo', destination.origin, null)
    isFound = true
  }
  return { fields: (each) => substitutions.withoutValues(each, onFound), stage: substitutions.answerStage(onFound), keepsLength: false }
}

/** Both parsers hold a body to it. */
function lengthOf(fields: HeaderFields): number | null {
  const [length] = valuesOf(fields, 'content-length')
  return length === undefined ? null : Number(length)
}

/** RFC 9110 section 6.4.1. */
const mayHaveBody = (method: string, status: number): boolean => method !== 'HEAD' && status !== 204 && status !== 205 && status !== 304
