// SPDX-License-Identifier: Apache-2.0
// The signer's process: `DIRECTORY ORIGIN`.
import { runKeyProcess } from '@sallyport/key-process'
import { type Answer, type Question, TO_SIGNER_BYTES_MAX } from './contract.ts'
import { parseQuestion } from './messages.ts'
import { Signer } from './signer.ts'
import { SignerError } from './signer-error.ts'
import { parseHashText, parseHead } from './signer-state.ts'

void runKeyProcess({
  lostCode: 'SIGNER_LOST',
  questionBytesMax: TO_SIGNER_BYTES_MAX,
  parseQuestion,
  open: async ([directory = '', origin = '']) => {
    const signer = await Signer.open(directory, origin)
    return (question) => answer(signer, question)
  },
})

async function answer(signer: Signer, question: Question): Promise<Answer> {
  switch (question.type) {
    case 'latest':
      return { type: 'latest', head: headMessage(signer) }
    case 'epochs':
      return { type: 'epochs', epochs: signer.epochs }
    case 'prepare':
      return { type: 'prepared', verifierKey: await signer.prepare() }
    case 'try':
      return orRefused(async () => ({ type: 'signed', note: base64(await signer.try()) }))
    case 'rotate':
      return orRefused(async () => {
        await signer.rotate(question.to)
        return { type: 'epochs', epochs: signer.epochs }
      })
    case 'sign':
      return sign(signer, question)
  }
}

async function sign(signer: Signer, { oldSize, proof, head }: Extract<Question, { type: 'sign' }>): Promise<Answer> {
  const parsed = parseHead(head)
  if (parsed === undefined) throw new TypeError('a head that was parsed before')
  const growth = { oldSize, proof: proof.flatMap((text) => parseHashText(text) ?? []), head: parsed }
  return orRefused(async () => ({ type: 'signed', note: base64(await signer.sign(growth)) }))
}

async function orRefused(work: () => Promise<Answer>): Promise<Answer> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof SignerError && error.code === 'SIGNER_REFUSED') return { type: 'refused', message: error.message }
    throw error
  }
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}

function headMessage({ latest }: Signer): { size: number; root: string } | null {
  return latest === null ? null : { size: latest.size, root: Buffer.from(latest.root).toString('base64') }
}
