// SPDX-License-Identifier: Apache-2.0
import { posix } from 'node:path'
import type { Sandbox } from '@sallyport/sandbox'

const ACTION_MAX_BYTES = 1 << 20

export interface LoadedAction {
  readonly file: string
  /** Untrusted: the job's workspace gave it. Null when there is no such file. */
  readonly text: string | null
}

/** `action.yml` or `action.yaml` of a directory of the workspace. */
export async function loadAction(sandbox: Sandbox, workspace: string, directory: string): Promise<LoadedAction> {
  const base = posix.normalize(directory).replace(/\/$/, '')
  const candidates = ['action.yml', 'action.yaml'].map((name) => posix.join(base, name))
  let found: LoadedAction | null = null
  await sandbox.readFiles(workspace, candidates, async (path, content) => {
    if (content === null || found !== null) return
    found = { file: path, text: await readText(content) }
  })
  return found ?? { file: candidates[0] ?? directory, text: null }
}

async function readText(content: AsyncIterable<Uint8Array>): Promise<string | null> {
  const parts: Uint8Array[] = []
  let size = 0
  for await (const part of content) {
    size += part.length
    if (size <= ACTION_MAX_BYTES) parts.push(part)
  }
  return size > ACTION_MAX_BYTES ? null : Buffer.concat(parts).toString('utf8')
}
