// SPDX-License-Identifier: Apache-2.0
import { messageOf } from '@sallyport/core'
import { appendAndPublish } from './open-log.ts'

/** Whoever publishes at the moment may publish all of it. */
const PUBLISH = { purpose: 'interval', waitMs: 5000 } as const

/** Publishes what is durable. Answers with why that was not possible; null: it was. */
export function publishRest(stateDirectory: string): Promise<string | null> {
  return publish(stateDirectory, false)
}

/** The same, also where readers see all of it: under another key, or with new cosignatures. */
export function publishAnew(stateDirectory: string): Promise<string | null> {
  return publish(stateDirectory, true)
}

async function publish(stateDirectory: string, renews: boolean): Promise<string | null> {
  try {
    const { unpublished } = await appendAndPublish(stateDirectory, async () => null, { ...PUBLISH, renews })
    return unpublished === null ? null : unpublished.message
  } catch (error) {
    return messageOf(error)
  }
}
