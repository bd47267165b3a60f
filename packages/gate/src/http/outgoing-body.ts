// SPDX-License-Identifier: Apache-2.0
import { Readable } from 'node:stream'
import type { AdmittedRequest } from './admit-request.ts'
import type { BodyStage } from './body-pump.ts'
import type { ConnectionScope } from './connection-scope.ts'
import type { Incoming } from './exchange-sides.ts'
import { HELD_BODY_BYTES_MAX } from './substitution.ts'

export interface OutgoingBody {
  readonly source: Readable
  /** Null: not known before. */
  readonly bytes: number | null
  readonly stage: BodyStage | null
  readonly expectsContinue: boolean
  isCut(): boolean
  /** Once, when the body is no longer needed. */
  release(): void
}

/**
 * The body as it goes out: streamed, or held until it is whole where a value may have to be put into it. Null: none.
 * @throws RefusedError `placeholder`.
 */
export async function outgoingBody(
  incoming: Incoming,
  { asked, request }: Pick<AdmittedRequest, 'asked' | 'request'>,
  scope: ConnectionScope,
): Promise<OutgoingBody | null> {
  const { substitutions, destination } = scope
  const { body } = incoming
  if (body === null) return null
  const streamed = streamedBody(incoming, body, { asked, request }, scope)
  if (substitutions?.holdsBody(asked, destination) !== true) return streamed
  const held = substitutions.hold(request.bodyBytes ?? HELD_BODY_BYTES_MAX)
  if (held === null) return streamed
  try {
    if (request.expectsContinue) incoming.continue()
    return { ...(await whole(streamed, body, (bytes) => substitutions.inBody(bytes, asked, destination), scope)), release: held.release }
  } catch (error) {
    held.release()
    throw error
  }
}

/** As it comes, and searched on its way. */
export function streamedBody(
  incoming: Incoming,
  source: Readable,
  { asked, request }: Pick<AdmittedRequest, 'asked' | 'request'>,
  { substitutions, destination }: ConnectionScope,
): OutgoingBody {
  return {
    source,
    bytes: request.bodyBytes,
    stage: substitutions?.bodyStage(asked, destination) ?? null,
    expectsContinue: request.expectsContinue,
    isCut: () => incoming.isCut(),
    release: () => undefined,
  }
}

/** With the values in it; a body that is larger than what is held streams on from there. */
async function whole(
  streamed: OutgoingBody,
  body: Readable,
  replace: (body: Buffer) => Buffer,
  scope: ConnectionScope,
): Promise<OutgoingBody> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of body.iterator({ destroyOnReturn: false })) {
    scope.touch()
    chunks.push(chunk)
    bytes += chunk.length
    if (bytes > HELD_BODY_BYTES_MAX)
      return { ...streamed, source: Readable.from(continued(chunks, body), { objectMode: false }), expectsContinue: false }
  }
  if (streamed.isCut()) throw new Error('the client broke off')
  const replaced = replace(Buffer.concat(chunks))
  return { ...streamed, source: Readable.from([replaced]), bytes: replaced.length, stage: null, expectsContinue: false }
}

async function* continued(chunks: readonly Buffer[], rest: Readable): AsyncGenerator<Buffer> {
  yield* chunks
  yield* rest.iterator({ destroyOnReturn: false })
}
