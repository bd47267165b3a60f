// SPDX-License-Identifier: Apache-2.0
// A process that holds keys: nobody traces or dumps it, it answers one question after the other, and ends with the socket that it was started with.
// Whatever it did not foresee ends it: what stands on the disk is unknown then, and the next one begins with reading it.
import { writeSync } from 'node:fs'
import { Socket } from 'node:net'
import { LineReader, messageOf, SallyportError } from '@sallyport/core'
import { forbidCoreDumps, makeUndumpable } from '@sallyport/linux'
import { type FromKeyProcess, KEY_PROCESS_DESCRIPTOR, type Typed } from './contract.ts'
import { parseQuestionLine } from './messages.ts'

export interface KeyProcess<Question extends Typed, Answer extends Typed> {
  /** The code of what fails without one of its own. */
  readonly lostCode: string
  readonly questionBytesMax: number
  /** @throws TypeError for what no supervisor asks. */
  readonly parseQuestion: (question: Readonly<Record<string, unknown>>) => Question
  /** Opens what it holds, by the arguments of its command line. */
  readonly open: (args: readonly string[]) => Promise<(question: Question) => Promise<Answer>>
}

export async function runKeyProcess<Question extends Typed, Answer extends Typed>(kind: KeyProcess<Question, Answer>): Promise<void> {
  process.on('uncaughtExceptionMonitor', (error) => sayFailed(error, kind.lostCode))
  makeUndumpable()
  forbidCoreDumps()
  serve(kind, await kind.open(process.argv.slice(2)))
}

function serve<Question extends Typed, Answer extends Typed>(
  { questionBytesMax, parseQuestion }: KeyProcess<Question, Answer>,
  answer: (question: Question) => Promise<Answer>,
): void {
  const socket = new Socket({ fd: KEY_PROCESS_DESCRIPTOR, readable: true, writable: true })
  const lines = new LineReader(questionBytesMax)
  const say = (message: object): void => void socket.write(`${JSON.stringify(message)}\n`)
  /** One question after the other, in their order. */
  let last: Promise<void> = Promise.resolve()
  const end = (): never => process.exit()
  socket.on('end', end).on('error', end).on('close', end)
  socket.on('data', (chunk: Buffer) => {
    for (const line of lines.read(chunk)) {
      const { id, question } = parseQuestionLine(Buffer.from(line).toString())
      const parsed = parseQuestion(question)
      last = last.then(async () => say({ ...(await answer(parsed)), id }))
    }
  })
  say({ id: 0, type: 'ready' } satisfies FromKeyProcess)
}

/** At once, not through the stream: the process is about to end. */
function sayFailed(error: Error, lostCode: string): void {
  const { code, hint } = error instanceof SallyportError ? error : { code: lostCode, hint: undefined }
  const failed: FromKeyProcess = { id: 0, type: 'failed', code, message: messageOf(error).slice(0, 1000), hint: hint ?? null }
  try {
    writeSync(KEY_PROCESS_DESCRIPTOR, `${JSON.stringify(failed)}\n`)
  } catch {
    // The supervisor has gone, and this process goes, too
  }
}
