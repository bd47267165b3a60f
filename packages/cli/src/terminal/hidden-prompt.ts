// SPDX-License-Identifier: Apache-2.0
import { ExitCode } from '@sallyport/core'
import type { Context } from '../context.ts'
import { UsageError } from '../usage-error.ts'

const LINE_BYTES_MAX = 64 * 1024
const INTERRUPT = 3
const END = 4
const BACKSPACES: readonly number[] = [8, 127]
const ENTERS: readonly number[] = [10, 13]

/** Ctrl-C at the question. */
class PromptInterrupted extends UsageError {
  readonly exitCode = ExitCode.interrupted
}

/** Asks on the terminal for what must not be seen there. All questions of a command go through one of these, which keeps what was typed ahead. */
export class HiddenPrompt implements AsyncDisposable {
  readonly #context: Context
  #input: AsyncIterator<Uint8Array> | null = null
  #ahead: Uint8Array = Buffer.alloc(0)

  constructor(context: Context) {
    this.#context = context
  }

  /** Whoever calls wipes the answer. @throws UsageError when there is nobody to ask, or nobody answers */
  async ask(question: string, hint: string): Promise<Buffer> {
    const { stdin, stdinIsTerminal, stderr } = this.#context
    if (!stdinIsTerminal) throw new UsageError('SECRET_MISSING', `Cannot ask for ${question}: stdin is not a terminal`, { hint })
    this.#input ??= stdin[Symbol.asyncIterator]()
    setEcho(stdin, false)
    stderr.write(`${question[0]?.toUpperCase()}${question.slice(1)} (it is not shown): `)
    try {
      return await this.#readLine(this.#input)
    } finally {
      setEcho(stdin, true)
      stderr.write('\n')
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ahead.fill(0)
    await this.#input?.return?.()
  }

  /** With the echo the terminal's own line editing is off. */
  async #readLine(input: AsyncIterator<Uint8Array>): Promise<Buffer> {
    const line = Buffer.alloc(LINE_BYTES_MAX)
    let length = 0
    for (;;) {
      for (const [at, byte] of this.#ahead.entries()) {
        if (byte === INTERRUPT) throw new PromptInterrupted('USAGE', 'Interrupted at the question; nothing was changed')
        if (ENTERS.includes(byte) || byte === END) {
          this.#ahead = this.#ahead.subarray(at + 1)
          return line.subarray(0, length)
        }
        if (BACKSPACES.includes(byte)) length = withoutLast(line, length)
        else if (length < LINE_BYTES_MAX) line[length++] = byte
        else throw new UsageError('USAGE', `More than ${LINE_BYTES_MAX} bytes in one line`)
      }
      const { value, done } = await input.next()
      if (done === true) throw new UsageError('SECRET_MISSING', 'The terminal has gone before the answer was complete; nothing was changed')
      this.#ahead = value
    }
  }
}

/** A letter may be several bytes. */
function withoutLast(line: Buffer, length: number): number {
  let end = Math.max(0, length - 1)
  while (end > 0 && ((line[end] ?? 0) & 0xc0) === 0x80) end -= 1
  return end
}

function setEcho(stdin: Context['stdin'], isOn: boolean): void {
  if ('setRawMode' in stdin) (stdin as NodeJS.ReadStream).setRawMode(!isOn)
}
