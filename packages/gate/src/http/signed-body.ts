// SPDX-License-Identifier: Apache-2.0
import { Readable } from 'node:stream'
import type { AdmittedRequest } from './admit-request.ts'
import type { PendingSigning } from './aws/aws-signing.ts'
import type { BodyStage } from './body-pump.ts'
import type { ConnectionScope } from './connection-scope.ts'
import type { Incoming } from './exchange-sides.ts'
import { type OutgoingBody, streamedBody } from './outgoing-body.ts'
import type { ParsedRequest } from './read-request.ts'

/** Of a request whose signature is for the hash of its body: what is sent first depends on its last byte. */
export const SIGNED_BODY_BYTES_MAX: number = 8 * 1024 * 1024

const NOTHING = new Uint8Array(0)

interface Signable extends AdmittedRequest {
  readonly signing: PendingSigning
}

/**
 * A request that is signed anew, and its body: as it comes where the request says its hash, held until it is whole where it does not.
 *
 * @throws RefusedError `signature`, `placeholder`
 */
export async function signedBody(
  incoming: Incoming,
  admitted: Signable,
  scope: ConnectionScope,
): Promise<{ readonly request: ParsedRequest; readonly body: OutgoingBody | null }> {
  const { request, signing } = admitted
  const { body } = incoming
  if (body === null) return { request: signing.sign(request, NOTHING).request, body: null }
  const streamed = streamedBody(incoming, body, admitted, scope)
  if (signing.needsBody) return held(incoming, streamed, admitted, scope)
  const { request: signed, stage, release } = signing.sign(request, NOTHING)
  return { request: signed, body: { ...streamed, stage: inTurn(streamed.stage, stage), release } }
}

async function held(
  incoming: Incoming,
  streamed: OutgoingBody,
  { request, signing }: Signable,
  scope: ConnectionScope,
): Promise<{ readonly request: ParsedRequest; readonly body: OutgoingBody }> {
  const account = scope.substitutions?.hold(request.bodyBytes ?? SIGNED_BODY_BYTES_MAX) ?? null
  if (account === null) throw scope.refused('signature', 'too many bodies whose hash is signed at a time: send fewer, or smaller ones')
  try {
    if (request.bodyBytes !== null && request.bodyBytes > SIGNED_BODY_BYTES_MAX) throw tooLarge(scope)
    if (streamed.expectsContinue) incoming.continue()
    const bytes = await wholeOf(streamed, scope)
    streamed.stage?.write(bytes)
    streamed.stage?.end()
    const { request: signed } = signing.sign(request, bytes)
    const body = {
      ...streamed,
      source: Readable.from([bytes]),
      bytes: bytes.length,
      stage: null,
      expectsContinue: false,
      release: account.release,
    }
    return { request: signed, body }
  } catch (error) {
    account.release()
    throw error
  }
}

async function wholeOf(streamed: OutgoingBody, scope: ConnectionScope): Promise<Buffer> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of streamed.source.iterator({ destroyOnReturn: false })) {
    scope.touch()
    chunks.push(chunk)
    bytes += chunk.length
    if (bytes > SIGNED_BODY_BYTES_MAX) throw tooLarge(scope)
  }
  if (streamed.isCut()) throw new Error('the client broke off')
  return Buffer.concat(chunks)
}

const tooLarge = (scope: ConnectionScope): Error =>
  scope.refused(
    'signature',
    'the body is larger than 8 MiB, and its hash is signed but not said: send x-amz-content-sha256, or use S3 for it',
  )

function inTurn(first: BodyStage | null, second: BodyStage | null): BodyStage | null {
  if (first === null || second === null) return first ?? second
  return {
    write: (chunk) => second.write(Buffer.from(first.write(chunk))),
    end: () => Buffer.concat([second.write(Buffer.from(first.end())), second.end()]),
  }
}
