// SPDX-License-Identifier: Apache-2.0
// The minter's process: `DIRECTORY [ISSUER]`.
import { runKeyProcess } from '@sallyport/key-process'
import { IdentityError } from './identity-error.ts'
import { type Answer, parseQuestion, QUESTION_BYTES_MAX, type Question } from './minter/messages.ts'
import { Minter } from './minter/minter.ts'

void runKeyProcess({
  lostCode: 'IDENTITY_LOST',
  questionBytesMax: QUESTION_BYTES_MAX,
  parseQuestion,
  open: async ([directory = '', issuer]) => {
    const minter = await Minter.open(directory, issuer ?? null, () => Math.floor(Date.now() / 1000))
    return (question: Question) => answer(minter, question)
  },
})

async function answer(minter: Minter, question: Question): Promise<Answer> {
  try {
    if (question.type === 'mint') return { type: 'minted', ...(await minter.mint(question)) }
    await minter.rotate(question.isCompromised)
    return { type: 'rotated' }
  } catch (error) {
    if (!(error instanceof IdentityError)) throw error
    const { code, message, hint = null } = error
    if (code === 'IDENTITY_CLAIM_INVALID' || code === 'IDENTITY_TOO_EARLY') return { type: 'refused', code, message, hint }
    throw error
  }
}
