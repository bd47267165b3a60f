// SPDX-License-Identifier: Apache-2.0
// The publisher's process: one question, one artifact, one answer, and its end. Nobody traces or dumps it. It ends with the supervisor, too.
import { Socket } from 'node:net'
import { LineReader } from '@sallyport/core'
import { forbidCoreDumps, makeUndumpable } from '@sallyport/linux'
import { ArtifactFile } from './artifact-file.ts'
import { ARTIFACT_DESCRIPTOR, QUESTION_BYTES_MAX, SUPERVISOR_DESCRIPTOR } from './contract.ts'
import { pushImage } from './oci/push-image.ts'
import { parsePublication } from './parse-messages.ts'
import { publishFile } from './publish-file.ts'

makeUndumpable()
forbidCoreDumps()
serve(new Socket({ fd: SUPERVISOR_DESCRIPTOR, readable: true, writable: true }))

function serve(socket: Socket): void {
  const lines = new LineReader(QUESTION_BYTES_MAX)
  const end = (): never => process.exit()
  socket.on('end', end).on('error', end).on('close', end)
  socket.on('data', (chunk: Buffer) => {
    for (const line of lines.read(chunk)) void answer(socket, Buffer.from(line).toString())
  })
}

async function answer(socket: Socket, line: string): Promise<void> {
  const publication = parsePublication(line)
  const artifact = new ArtifactFile(ARTIFACT_DESCRIPTOR, publication.bytes)
  const outcome = await (publication.kind === 'file' ? publishFile(publication, artifact) : pushImage(publication, artifact))
  socket.end(`${JSON.stringify(outcome)}\n`)
}
