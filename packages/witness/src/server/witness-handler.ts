// SPDX-License-Identifier: Apache-2.0
import { ADD_CHECKPOINT_BYTES_MAX } from '@sallyport/audit-log'
import { type HttpAnswer, type HttpHandler, type HttpRequest, textAnswer } from '@sallyport/http'
import type { AddAnswer } from './contract.ts'
import type { Witness } from './witness.ts'

/** The HTTP of C2SP tlog-witness: submission and monitoring under one prefix. There is no `sign-subtree`. */
export function witnessHandler(witness: Witness): HttpHandler {
  return async (request) => {
    if (request.path === '/add-checkpoint') return request.method === 'POST' ? addCheckpoint(witness, request) : notAllowed('POST')
    const hash = /^\/([0-9a-f]{64})\/checkpoint$/.exec(request.path)?.[1]
    if (hash === undefined) return textAnswer(404, 'not found\n')
    if (request.method !== 'GET' && request.method !== 'HEAD') return notAllowed('GET, HEAD')
    const checkpoint = await witness.latest(hash)
    if (checkpoint === null) return textAnswer(404, 'no checkpoint of this log was cosigned here\n')
    return { ...textAnswer(200, '', { 'cache-control': 'no-cache' }), body: checkpoint }
  }
}

async function addCheckpoint(witness: Witness, request: HttpRequest): Promise<HttpAnswer> {
  const body = await request.body(ADD_CHECKPOINT_BYTES_MAX)
  if (body === null) return textAnswer(413, `more than ${ADD_CHECKPOINT_BYTES_MAX} bytes\n`)
  return answerOf(await witness.add(body))
}

function answerOf(answer: AddAnswer): HttpAnswer {
  if (answer.status === 200) return textAnswer(200, answer.cosignatures)
  if (answer.status === 409) return textAnswer(409, `${answer.size}\n`, { 'content-type': 'text/x.tlog.size' })
  return textAnswer(answer.status, `${answer.reason}\n`)
}

function notAllowed(allow: string): HttpAnswer {
  return textAnswer(405, 'method not allowed\n', { allow })
}
