// SPDX-License-Identifier: Apache-2.0
// The key that signs the log, and the one that comes after it.
import { type Policy, parseVerifierKey } from '@sallyport/audit-log'
import { SallyportError } from '@sallyport/core'
import type { SignedCheckpoint } from '@sallyport/store'
import { type LogAndSigner, publishKeysOf, withSigner } from './open-log.ts'
import { publishedNote } from './published.ts'
import { startCosigner } from './witness-policy.ts'

export interface NextKey {
  /** Verifier key: made where none is prepared. */
  readonly next: string
  /** Why too few witnesses of a policy would cosign under it; null: they have. */
  readonly problem: SallyportError | null
}

/**
 * Prepares the key that the next rotation brings in, and has the witnesses of `policies` cosign the tree that was signed last under it: whether they
 * know it is to be told while the old one is still there. They see no other tree than they would.
 *
 * @throws AgentError AUDIT_LOG_UNWRITABLE, also for a log that is not what was signed
 */
export function prepareLogKey(stateDirectory: string, policies: readonly Policy[]): Promise<NextKey> {
  return withSigner(stateDirectory, async (held) => {
    const { next, note, prove } = await signedByNext(held)
    for (const policy of policies) {
      const logs = [{ key: parseVerifierKey(next), url: null }]
      using cosigner = await startCosigner({ ...policy, logs }, await publishedNote(held.places))
      const problem = await cosigner.cosign(note, prove).then(() => null, quorumMissed)
      if (problem !== null) return { next, problem }
    }
    return { next, problem: null }
  })
}

function quorumMissed(error: unknown): SallyportError {
  if (error instanceof SallyportError && error.code === 'WITNESS_QUORUM_MISSED') return error
  throw error
}

/** A witness that has seen less needs the proof. Others write to the log while witnesses are asked. */
async function signedByNext({ signer, openLog }: LogAndSigner): Promise<Pick<SignedCheckpoint, 'note' | 'prove'> & Pick<NextKey, 'next'>> {
  await using log = await openLog()
  const { prove } = await log.sign()
  const next = await signer.prepare()
  return { next, note: await signer.try(), prove }
}

/**
 * Makes `to`, which was prepared, the key of the log: the old one signs all that is durable, and its successor, and is destroyed. Where `to` signs
 * already, what a kill has left undone of that is done.
 *
 * @throws AgentError AUDIT_LOG_UNWRITABLE
 */
export function rotateLogKey(stateDirectory: string, to: string): Promise<void> {
  return withSigner(stateDirectory, async ({ signer, places, openLog }) => {
    await using log = await openLog()
    await log.sign()
    await publishKeysOf(places, await signer.rotate(to))
  })
}
