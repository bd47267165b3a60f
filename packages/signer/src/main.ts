// SPDX-License-Identifier: Apache-2.0
// The signer's process: `DIRECTORY ORIGIN`, and its socket as descriptor 3, with whose end it ends. Whatever it did not foresee ends it: what
// stands on the disk is unknown then, and the next signer begins with reading it.
import { writeSync } from 'node:fs'
import { Socket } from 'node:net'
import { LineReader, messageOf, SallyportError } from '@sallyport/core'
import { forbidCoreDumps, makeUndumpable } from '@sallyport/linux'
import { type Answer, type FromSigner, type Question, SIGNER_DESCRIPTOR, TO_SIGNER_BYTES_MAX } from './contract.ts'
import { parseToSigner } from './messages.ts'
import { Signer } from './signer.ts'
import { SignerError } from './signer-error.ts'
import { parseHashText, parseHead } from './signer-state.ts'

process.on('uncaughtExceptionMonitor', sayFailed)
makeUndumpable()
forbidCoreDumps()

void start()

async function start(): Promise<void> {
  const [directory = '', origin = ''] = process.argv.slice(2)
  serve(await Signer.open(directory, origin))
}

function serve(signer: Signer): void {
  const socket = new Socket({ fd: SIGNER_DESCRIPTOR, readable: true, writable: true })
  const lines = new LineReader(TO_SIGNER_BYTES_MAX)
  const say = (message: FromSigner): void => void socket.write(`${JSON.stringify(message)}\n`)
  /** One question after the other, in their order. */
  let last: Promise<void> = Promise.resolve()
  const end = (): never => process.exit()
  socket.on('end', end).on('error', end).on('close', end)
  socket.on('data', (chunk: Buffer) => {
    for (const line of lines.read(chunk)) {
      const { id, ...question } = parseToSigner(Buffer.from(line).toString())
      last = last.then(async () => say({ id, ...(await answer(signer, question)) }))
    }
  })
  say({ id: 0, type: 'ready' })
}

async function answer(signer: Signer, question: Question): Promise<Answer> {
  switch (question.type) {
    case 'latest':
      return { type: 'latest', head: headMessage(signer) }
    case 'epochs':
      return { type: 'epochs', epochs: signer.epochs }
    case 'rotate':
      await signer.rotate()
      return { type: 'epochs', epochs: signer.epochs }
    case 'sign':
      return sign(signer, question)
  }
}

async function sign(signer: Signer, { oldSize, proof, head }: Extract<Question, { type: 'sign' }>): Promise<Answer> {
  const parsed = parseHead(head)
  if (parsed === undefined) throw new TypeError('a head that was parsed before')
  try {
    const note = await signer.sign({ oldSize, proof: proof.flatMap((text) => parseHashText(text) ?? []), head: parsed })
    return { type: 'signed', note: Buffer.from(note).toString('base64') }
  } catch (error) {
    if (error instanceof SignerError && error.code === 'SIGNER_REFUSED') return { type: 'refused', message: error.message }
    throw error
  }
}

function headMessage({ latest }: Signer): { size: number; root: string } | null {
  return latest === null ? null : { size: latest.size, root: Buffer.from(latest.root).toString('base64') }
}

/** At once, not through the stream: the process is about to end. */
function sayFailed(error: Error): void {
  const { code, hint } = error instanceof SallyportError ? error : { code: 'SIGNER_LOST', hint: undefined }
  const failed: FromSigner = { id: 0, type: 'failed', code, message: messageOf(error).slice(0, 1000), hint: hint ?? null }
  try {
    writeSync(SIGNER_DESCRIPTOR, `${JSON.stringify(failed)}\n`)
  } catch {
    // The supervisor has gone, and its signer goes, too
  }
}
