// SPDX-License-Identifier: Apache-2.0
// For processes of their own whose file operations all are made by one thread (UV_THREADPOOL_SIZE=1), so that a trace of it has them in one order.
import { readdirSync, readFileSync, readSync, write } from 'node:fs'
import { access } from 'node:fs/promises'
import { promisify } from 'node:util'
import { messageOf } from '@sallyport/core'
import type { Said } from './_log-faults.ts'

/** A JSON document a line on the standard output, by the thread of the file operations. */
export async function say(said: Said): Promise<void> {
  await promisify(write)(1, `${JSON.stringify(said)}\n`)
}

/** Names the thread, waits for a byte on the standard input, works, and says what became of that. */
export async function workTraced(work: () => Promise<void>): Promise<void> {
  await say({ type: 'thread', id: await fileThread() })
  readSync(0, Buffer.alloc(1))
  try {
    await work()
    await say({ type: 'done' })
  } catch (error) {
    await say({ type: 'failed', code: String((error as { code?: unknown }).code), message: messageOf(error) })
  }
}

/** The one that works while nothing but a file operation is under way. */
async function fileThread(): Promise<number> {
  await access('/')
  const threads = readdirSync('/proc/self/task').map(Number)
  return threads.find((id) => readFileSync(`/proc/self/task/${id}/comm`, 'utf8').startsWith('libuv-worker')) ?? 0
}
