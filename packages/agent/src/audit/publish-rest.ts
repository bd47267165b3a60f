// SPDX-License-Identifier: Apache-2.0
import { messageOf } from '@sallyport/core'
import { appendAndPublish } from './open-log.ts'

/** Whoever publishes at the moment may publish all of it. */
const PUBLISH = { purpose: 'interval', waitMs: 5000 } as const

/** Publishes what is durable. Answers with why that was not possible; null: it was. */
export async function publishRest(stateDirectory: string): Promise<string | null> {
  try {
    const { unpublished } = await appendAndPublish(stateDirectory, async () => null, PUBLISH)
    return unpublished === null ? null : unpublished.message
  } catch (error) {
    return messageOf(error)
  }
}
