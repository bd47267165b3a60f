// SPDX-License-Identifier: Apache-2.0
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import { collectBytes, messageOf } from '@sallyport/core'
import { programWords } from '@sallyport/linux'
import { ANSWER_BYTES_MAX, type Publication, type PublishOutcome } from './contract.ts'
import { parseOutcome } from './parse-messages.ts'
import { PublisherError } from './publisher-error.ts'

/** It holds a credential and some kilobytes of an artifact at a time. */
const NODE_FLAGS: readonly string[] = ['--max-old-space-size=128', '--disable-proto=delete', '--no-warnings']
/** Beyond the publication's own limit: to start, and to say how it went. */
const REST_MS = 30_000

/**
 * Publishes one artifact, in a process that has the credential, the artifact and nothing else of this one.
 *
 * @param artifact Descriptor of a regular file, open for reading.
 * @throws PublisherError PUBLISHER_LOST when nobody knows how it went
 */
export async function publishArtifact(publication: Publication, artifact: number, signal: AbortSignal): Promise<PublishOutcome> {
  // No environment: it may hold proxies, certificates and credentials that nobody has approved.
  const child = spawn(process.execPath, [...NODE_FLAGS, ...programWords(import.meta.url, 'publisher.cjs')], {
    env: {},
    stdio: ['ignore', 'ignore', 'ignore', 'pipe', artifact],
    signal: AbortSignal.any([signal, AbortSignal.timeout(publication.timeoutMs + REST_MS)]),
    killSignal: 'SIGKILL',
  })
  const ended = once(child, 'exit').catch((error: unknown) => error)
  child.on('error', () => undefined) // It ends the reading below.
  const socket = child.stdio[3] as Duplex
  try {
    socket.on('error', () => undefined)
    socket.write(`${JSON.stringify(publication)}\n`)
    const answer = await collectBytes(socket, ANSWER_BYTES_MAX)
    if (answer === null || answer.length === 0) throw new TypeError('it ended without an answer')
    return parseOutcome(Buffer.from(answer).toString())
  } catch (error) {
    throw new PublisherError('PUBLISHER_LOST', `Nobody knows whether the server has the artifact: ${messageOf(error)}`, {
      cause: error,
      hint: 'Look there before the job runs again',
    })
  } finally {
    socket.destroy()
    child.kill('SIGKILL')
    await ended
  }
}
