// SPDX-License-Identifier: Apache-2.0
import { quote } from '@sallyport/core'
import { PROVIDER_TIMEOUT_MS, type SecretProvider } from '../contract.ts'
import { SecretsError } from '../secrets-error.ts'
import type { Answer, BrokerEvent, Question } from './messages.ts'

/** The broker itself, where jobs have their keys: its credential may outlive any one rotation. */
export const BROKER_JOB = 'broker'

/** @throws SecretsError ROTATION_FAILED for a provider whose values are replaced at the manager alone */
export async function answerRotation(
  { name, kind, rotator }: SecretProvider,
  question: Extract<Question, { type: 'look' | 'rotate' | 'replace' }>,
  observe: (event: BrokerEvent) => void,
): Promise<Answer> {
  const { address } = question
  if (rotator === undefined)
    throw new SecretsError(
      'ROTATION_FAILED',
      `Cannot rotate ${quote(address.path)}: secrets of ${quote(name)} are rotated at the manager`,
      {
        hint: `Sallyport rotates at Vault, OpenBao and AWS; of the kind ${kind} it reads the current version`,
      },
    )
  const call = {
    signal: AbortSignal.timeout(PROVIDER_TIMEOUT_MS),
    mark: (mark: string) => observe({ kind: 'session', run: null, job: BROKER_JOB, provider: name, mark }),
  }
  if (question.type === 'look') return { type: 'looked', ...(await rotator.look(address, call)) }
  if (question.type === 'rotate') {
    await rotator.rotate(address, question.rotation, call)
    return { type: 'done' }
  }
  // Not from the pool that all small buffers share: they are zeroed
  const [old, value] = [bytesOf(question.old), bytesOf(question.value)]
  try {
    return { type: 'replaced', version: await rotator.replace(address, { old, value, id: question.rotation }, call) }
  } finally {
    old.fill(0)
    value.fill(0)
  }
}

const bytesOf = (base64: string): Uint8Array => Uint8Array.from(Buffer.from(base64, 'base64'))
