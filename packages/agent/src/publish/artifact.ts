// SPDX-License-Identifier: Apache-2.0
import { createHash, randomUUID } from 'node:crypto'
import { type FileHandle, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { formatSize } from '@sallyport/core'
import type { Sandbox } from '@sallyport/sandbox'
import { makePrivateDirectory } from '@sallyport/store'
import { AgentError } from '../agent-error.ts'

/** What a job handed over, as it was read: what the job does to its file afterwards changes nothing. It has no name any more. */
export interface Artifact extends AsyncDisposable {
  readonly bytes: number
  readonly sha256: string
  /** Open for reading only. */
  readonly descriptor: number
}

export interface ArtifactPlace {
  readonly sandbox: Sandbox
  readonly workspace: string
  /** Where its bytes are kept until they are sent. */
  readonly directory: string
  readonly bytesMax: number
}

/** @throws AgentError PUBLISH_FILE_INVALID; SandboxError */
export async function takeArtifact(path: string, { sandbox, workspace, directory, bytesMax }: ArtifactPlace): Promise<Artifact> {
  await makePrivateDirectory(directory)
  const { written, read } = await openUnnamed(join(directory, randomUUID()))
  try {
    const taken = await sandboxFile(path, { sandbox, workspace, bytesMax }, written)
    return { ...taken, descriptor: read.fd, [Symbol.asyncDispose]: () => read.close() }
  } catch (error) {
    await read.close()
    throw error
  } finally {
    await written.close()
  }
}

/** Nothing is left of it when this process dies. */
async function openUnnamed(path: string): Promise<{ readonly written: FileHandle; readonly read: FileHandle }> {
  const written = await open(path, 'wx', 0o600)
  try {
    return { written, read: await open(path, 'r') }
  } catch (error) {
    await written.close()
    throw error
  } finally {
    await rm(path, { force: true })
  }
}

/** Untrusted: a link, a pipe or a directory is none; a file that grows is read up to the limit. */
async function sandboxFile(
  path: string,
  { sandbox, workspace, bytesMax }: Omit<ArtifactPlace, 'directory'>,
  written: FileHandle,
): Promise<Pick<Artifact, 'bytes' | 'sha256'>> {
  const hash = createHash('sha256')
  let bytes = 0
  await sandbox.readFiles(workspace, [path], async (_path, content) => {
    if (content === null) throw new AgentError('PUBLISH_FILE_INVALID', `Cannot publish "${path}": it is no regular file in the workspace`)
    for await (const part of content) {
      bytes += part.length
      if (bytes > bytesMax)
        throw new AgentError(
          'PUBLISH_FILE_INVALID',
          `Cannot publish "${path}": what the job hands over has more than ${formatSize(bytesMax)}`,
          {
            hint: 'The operator can allow up to 2GiB: publish: { bytes: 2GiB }',
          },
        )
      hash.update(part)
      await written.appendFile(part)
    }
  })
  return { bytes, sha256: hash.digest('hex') }
}
