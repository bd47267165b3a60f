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
