// SPDX-License-Identifier: Apache-2.0
import { formatVerifierKey } from '@sallyport/audit-log'
import type { SallyportError } from '@sallyport/core'
import { readPublicState } from '@sallyport/signer'
import { AgentError } from '../agent-error.ts'
import { auditPlaces } from './audit-places.ts'
import { type ChangeSession, changeLog } from './change-session.ts'
import { prepareLogKey } from './log-key.ts'
import { assertLog } from './publish.ts'
import { publishAnew } from './publish-rest.ts'
import type { PreparedKey, Recorded, RotatedKey } from './retention-contract.ts'
import { readWitnessPolicy } from './witness-policy.ts'

/** The key that the next rotation brings in, for those who have to know it before. @throws AgentError AUDIT_LOG_NOT_FOUND, AUDIT_LOG_UNWRITABLE */
export async function prepareKey(stateDirectory: string): Promise<PreparedKey> {
  await assertLog(stateDirectory)
  const { next } = await prepareLogKey(stateDirectory, [])
  const { origin, key } = await today(stateDirectory)
  return { origin, key, next }
}

/**
 * Changes the key that signs the log, as an entry of the log: witnesses are asked whether they know the new one, the entry and all before it are
 * published under the old one, then comes the deed. One that was begun before is finished, and no other made.
 *
 * @throws AgentError AUDIT_LOG_NOT_FOUND, AUDIT_LOG_UNWRITABLE, AUDIT_CHANGE_LOCKED, AUDIT_KEY_UNWITNESSED
 */
export async function rotateKey(stateDirectory: string): Promise<RotatedKey> {
  await assertLog(stateDirectory)
  return changeLog(stateDirectory, async (session) => {
    const made = finishedRotation(session) ?? (await makeRotation(session))
    const { origin, size, key: newKey } = await today(stateDirectory)
    const problem = await publishAnew(stateDirectory)
    const notices = problem === null ? made.notices : [...made.notices, `nothing is published under the new key yet: ${problem}`]
    return { ...made, origin, size, newKey, notices }
  })
}

type Made = Recorded & Pick<RotatedKey, 'oldKey' | 'wasUnfinished'>

function finishedRotation({ finished }: ChangeSession): Made | null {
  if (finished?.work.type !== 'key.rotated') return null
  const { entry, notices, work } = finished
  return { entry, notices, oldKey: work.oldKey, wasUnfinished: true }
}

async function makeRotation(session: ChangeSession): Promise<Made> {
  const { stateDirectory } = session
  const policies = await Promise.all((['interval', 'lease'] as const).map((purpose) => readWitnessPolicy(stateDirectory, purpose)))
  const { next: newKey, problem } = await prepareLogKey(
    stateDirectory,
    policies.filter((policy) => policy !== null),
  )
  if (problem !== null) throw unwitnessed(problem, newKey)
  const { key: oldKey } = await today(stateDirectory)
  return { ...(await session.make({ type: 'key.rotated', oldKey, newKey })), oldKey, wasUnfinished: false }
}

/** The key that signs now, and from which size on. */
async function today(stateDirectory: string): Promise<{ readonly origin: string; readonly size: number; readonly key: string }> {
  const state = await readPublicState(auditPlaces(stateDirectory).signer)
  const epoch = state?.epochs.at(-1)
  if (state === null || epoch === undefined) throw new TypeError('a log that was signed has a key')
  return { origin: state.origin, size: epoch.firstSize, key: formatVerifierKey(epoch.key) }
}

/** Nothing was changed: without its witnesses the log could hand out no secret that needs them. */
function unwitnessed(cause: SallyportError, newKey: string): AgentError {
  return new AgentError(
    'AUDIT_KEY_UNWITNESSED',
    `Cannot change the key of the log: its witnesses would not cosign under the next one. ${cause.message}`,
    {
      cause,
      hint: `Have each witness started again with this line in its file, beside that of the old key, then rotate: log ${newKey}`,
      details: { ...cause.details, verifierKey: newKey },
    },
  )
}
