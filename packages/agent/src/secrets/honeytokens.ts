// SPDX-License-Identifier: Apache-2.0
// Worthless texts in the shape of credentials, where no tool reads them and whoever gathers credentials does. Nobody has a reason to send or print one.
import { randomInt } from 'node:crypto'
import { createSecretSet, type SecretSet } from '@sallyport/redaction'
import { type PutEntry, SANDBOX_PATHS, type Sandbox } from '@sallyport/sandbox'

const UPPER = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'
const LETTERS_AND_DIGITS = `${UPPER}${UPPER.toLowerCase()}0123456789`
/** What an access key id of AWS is made of. */
const BASE32 = `${UPPER}234567`

/** The tokens of one job: random, known to nobody but the supervisor and the job's gate. */
export class Honeytokens {
  readonly #npm = `npm_${random(LETTERS_AND_DIGITS, 36)}`
  readonly #keyId = `AKIA${random(BASE32, 16)}`
  readonly #key = random(LETTERS_AND_DIGITS, 40)
  readonly #known: SecretSet = createSecretSet()

  /** `masks`: they show nowhere, as a secret would not. */
  constructor(masks: SecretSet) {
    // A name of a host has no upper case.
    for (const token of this.tokens.flatMap((each) => [each, each.toLowerCase()])) {
      masks.add(token)
      this.#known.add(token)
    }
  }

  get tokens(): readonly string[] {
    return [this.#npm, this.#keyId, this.#key]
  }

  /** Before the job's first step. */
  async plant(sandbox: Sandbox): Promise<void> {
    await sandbox.putFiles(SANDBOX_PATHS.home, [
      file('.npmrc.bak', `_authToken=${this.#npm}\n`),
      { type: 'directory', path: '.aws', mode: 0o700 },
      file('.aws/credentials.old', `[default]\naws_access_key_id = ${this.#keyId}\naws_secret_access_key = ${this.#key}\n`),
    ])
  }

  /** Whether one stands in it, in any form of the redactor. */
  isIn(text: string): boolean {
    return this.#known.matches(text)
  }

  /** The same bytes; `onFound` is called once when a token is among them. */
  async *watched(source: AsyncIterable<Buffer>, onFound: () => void): AsyncGenerator<Buffer> {
    const search = this.#known.createStream()
    let isFound = false
    for await (const chunk of source) {
      search.write(chunk)
      if (!isFound && search.maskedCount > 0) {
        isFound = true
        onFound()
      }
      yield chunk
    }
    search.end()
    if (!isFound && search.maskedCount > 0) onFound()
  }
}

function random(characters: string, length: number): string {
  return Array.from({ length }, () => characters[randomInt(characters.length)]).join('')
}

function file(path: string, text: string): PutEntry {
  const content = Buffer.from(text)
  return { type: 'file', path, mode: 0o600, size: content.length, content }
}
