// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto'
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { ask, HttpError, type HttpReply } from '@sallyport/http'
import type { ArtifactFile } from './artifact-file.ts'
import type { FilePublication, PublishFailure, PublishOutcome } from './contract.ts'

const ANSWER_BYTES_MAX = 64 * 1024
const ATTEMPTS_MAX = 3
const PAUSE_MS = 500

type Failed = Extract<PublishOutcome, { published: false }> & { readonly isWorthRetrying: boolean }

/**
 * Sends the artifact. A PUT is sent again when the server could not be asked or is overloaded, because a second one changes nothing (RFC 9110 section
 * 9.2.2); a POST is sent once. No redirect is followed: the credential is for this server.
 */
export async function publishFile(publication: FilePublication, artifact: ArtifactFile): Promise<PublishOutcome> {
  const untilMs = Date.now() + publication.timeoutMs
  let mayBeThere = false
  for (let attempt = 1; ; attempt += 1) {
    const outcome = await send(publication, artifact, Math.max(1, untilMs - Date.now()))
    if (outcome.published) return outcome
    mayBeThere ||= outcome.mayBeThere
    const { isWorthRetrying, ...failed } = outcome
    const pauseMs = PAUSE_MS * attempt ** 2
    if (!isWorthRetrying || publication.method === 'POST' || attempt === ATTEMPTS_MAX || Date.now() + pauseMs >= untilMs)
      return { ...failed, mayBeThere }
    await sleep(pauseMs)
  }
}

async function send(
  publication: FilePublication,
  artifact: ArtifactFile,
  timeoutMs: number,
): Promise<Failed | Extract<PublishOutcome, { published: true }>> {
  const { method, url, bytes, credential, sha256, authorities } = publication
  const content = artifact.stream()
  const seen = watch(content)
  try {
    const reply = await ask({
      method,
      url,
      headers: {
        'content-type': 'application/octet-stream',
        // RFC 9530: a server that knows it refuses what was damaged on the way.
        'content-digest': `sha-256=:${Buffer.from(sha256, 'hex').toString('base64')}:`,
        ...(credential === null ? {} : { [credential.header]: credential.value }),
      },
      body: { length: bytes, content },
      timeoutMs,
      answerBytesMax: ANSWER_BYTES_MAX,
      ...(authorities === null ? {} : { ca: authorities }),
    })
    return judge(reply, seen.digest() === sha256)
  } catch (error) {
    if (!(error instanceof HttpError)) throw error
    return failedRequest(error, seen.began())
  } finally {
    content.destroy()
  }
}

/** What has really been read for sending. */
function watch(content: Readable): { readonly began: () => boolean; readonly digest: () => string } {
  const hash = createHash('sha256')
  let began = false
  content.on('data', (part: Buffer) => {
    began = true
    hash.update(part)
  })
  content.pause()
  return { began: () => began, digest: () => hash.digest('hex') }
}

function judge({ status }: HttpReply, isWhole: boolean): Failed | Extract<PublishOutcome, { published: true }> {
  if (status >= 200 && status < 300) {
    if (isWhole) return { published: true, status, digest: null }
    return failed('failed', `the server says ${status}, and has not taken the whole artifact`, { mayBeThere: true })
  }
  if (status >= 300 && status < 400)
    return failed('redirected', `the server sends elsewhere (${status}), where nothing is sent: name that place`, {})
  if (status === 429 || status === 503) return failed('refused', `the server is overloaded (${status})`, { isWorthRetrying: true })
  if (status >= 400 && status < 500)
    return failed('refused', `the server does not want it (${status}): ${MEANINGS[status] ?? 'see its documentation'}`, {})
  // 502 and 504 are a gateway's, which does not know what became of it.
  return failed('failed', `the server failed (${status})`, { isWorthRetrying: true, mayBeThere: status === 502 || status === 504 })
}

const MEANINGS: Readonly<Record<number, string>> = {
  400: 'it does not understand the request',
  401: 'the credential is missing or wrong',
  403: 'the credential is good, and may not do this',
  404: 'there is no such place',
  405: 'it takes no such method there',
  409: 'something else is there already',
  411: 'it wants a length in another form',
  412: 'something else is there already',
  413: 'it is too large',
  415: 'it takes no such type',
  422: 'it cannot use the content',
}

function failedRequest(error: HttpError, hadBegun: boolean): Failed {
  const reason = error.details['failure']
  if (reason === 'certificate') return failed('certificate', error.message, {})
  if (reason === 'timeout') return failed('timeout', error.message, { mayBeThere: hadBegun })
  if (reason === 'size') return failed('failed', error.message, { mayBeThere: hadBegun })
  return failed('unreachable', error.message, { isWorthRetrying: true, mayBeThere: hadBegun })
}

function failed(
  failure: PublishFailure,
  message: string,
  { mayBeThere = false, isWorthRetrying = false }: { readonly mayBeThere?: boolean; readonly isWorthRetrying?: boolean },
): Failed {
  return { published: false, failure, message, mayBeThere, isWorthRetrying }
}
