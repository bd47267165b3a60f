// SPDX-License-Identifier: Apache-2.0
import { createOutputScanner, type ScannedItem } from '@sallyport/engine'
import type { RedactionStream, SecretSet } from '@sallyport/redaction'
import type { LogWriter } from '@sallyport/store'
import { WHY_UNMASKED } from './mask-secrets.ts'

export interface Annotation {
  readonly level: 'error' | 'warning' | 'notice'
  readonly message: string
  readonly title: string | null
  readonly file: string | null
  readonly line: string | null
  readonly endLine: string | null
  readonly column: string | null
  readonly endColumn: string | null
}

/** Bytes that all steps of a job may still print. Shared by its steps, which never run at the same time. */
export interface OutputBudget {
  left: number
}

export interface StepOutputSinks {
  readonly secrets: SecretSet
  readonly log: Pick<LogWriter, 'write'>
  readonly budget: OutputBudget
  /** Redacted. */
  readonly print: (bytes: Uint8Array) => void
  /** Redacted. */
  readonly annotate: (annotation: Annotation) => void
  /** Commands that change the job's state; values as the step gave them. */
  readonly command: (command: 'set-output' | 'save-state', name: string, value: string) => void
  /** A command that is refused, by name. */
  readonly refuse: (what: string, detail: string) => void
  /** The budget is used up: called once. */
  readonly overflow: () => void
  /** False where output is only output: `exec`. Then no text can be a command, and notes are recorded but not shown among the command's bytes. */
  readonly commands?: boolean
}

export interface OutputTotals {
  readonly bytes: number
  readonly masked: number
  readonly dropped: number
}

/** At most this many annotations of a step are kept: GitHub keeps 10 of each level; more of them is a flood. */
const ANNOTATIONS_MAX = 50

/** Lines of our own in a step's output: a job that is refused in a loop must not bury its own. */
const NOTES_MAX = 20
const LAST_NOTE = 'sallyport: what else is refused stands in the record of the run alone\n'

const NEWLINE = 10

/** While so much is written, as much again may wait: the disk has always something to write, in large writes, and a step's pipe does not wait for each. */
const WAITING_BYTES_MAX = 512 * 1024
/** What each piece that waits takes beside its bytes: a step may print them one by one. */
const PIECE_BYTES = 512

/**
 * The one way from a step's pipe to every sink: workflow commands are taken out, everything else is redacted, recorded and shown, in
 * that order. The bytes are hostile and may never end: nothing here grows with them.
 */
export class StepOutput {
  readonly #sinks: StepOutputSinks
  readonly #scanner = createOutputScanner()
  readonly #stream: RedactionStream
  #bytes = 0
  #dropped = 0
  #annotations = 0
  /** Wait until the job's own line is complete. */
  readonly #notes: Buffer[] = []
  #notesTaken = 0
  #isAtLineStart = true
  #isEnded = false
  /** Everything so far. */
  #written: Promise<void> = Promise.resolve()
  /** The last one. */
  #writing: Promise<void> | null = null
  /** Everything but the last {@link WAITING_BYTES_MAX}. */
  #writtenBefore: Promise<void> = Promise.resolve()
  #waitingBytes = 0

  constructor(sinks: StepOutputSinks) {
    this.#sinks = sinks
    this.#stream = sinks.secrets.createStream()
  }

  /** Resolves at the end of the stream with everything recorded. */
  async consume(output: AsyncIterable<Buffer>): Promise<OutputTotals> {
    for await (const chunk of output) {
      const taken = this.#take(chunk)
      if (taken.length === 0) continue
      if (this.#sinks.commands === false) this.#write(taken)
      else this.#handle(this.#scanner.push(taken))
      if (this.#waitingBytes >= WAITING_BYTES_MAX) await this.#bound()
    }
    this.#handle(this.#scanner.end())
    this.#putOutput(this.#stream.end())
    await this.#written
    this.#isEnded = true
    return { bytes: this.#bytes, masked: this.#stream.maskedCount, dropped: this.#dropped }
  }

  /** A line of our own between the job's, masked as those are. `text`: without a line break. */
  note(text: string): void {
    this.#notesTaken += 1
    if (this.#notesTaken > NOTES_MAX + 1) return
    this.#notes.push(Buffer.from(this.#notesTaken > NOTES_MAX ? LAST_NOTE : `${this.#sinks.secrets.redact(text)}\n`))
    this.#putNotes()
  }

  /** After `consume`: resolves once every note is recorded, and rejects when one could not be. */
  settle(): Promise<void> {
    this.#putNotes()
    return this.#written
  }

  /** @throws StoreError what could not be written; every later write fails with it. */
  async #bound(): Promise<void> {
    const before = this.#writtenBefore
    this.#writtenBefore = this.#written
    this.#waitingBytes = 0
    await before
  }

  #take(chunk: Buffer): Buffer {
    const { budget } = this.#sinks
    const taken = chunk.length <= budget.left ? chunk : chunk.subarray(0, budget.left)
    const overflows = taken.length < chunk.length && budget.left >= 0 && this.#dropped === 0
    budget.left -= taken.length
    this.#bytes += taken.length
    this.#dropped += chunk.length - taken.length
    if (overflows) this.#sinks.overflow()
    return taken
  }

  #handle(items: readonly ScannedItem[]): void {
    for (const item of items) {
      if (item.kind === 'output') this.#write(item.bytes)
      else this.#execute(item)
    }
  }

  #write(bytes: Uint8Array): void {
    for (const piece of this.#stream.pieces(bytes)) this.#putOutput(piece)
  }

  #putOutput(bytes: Uint8Array): void {
    const lineEnd = this.#notes.length === 0 ? -1 : bytes.indexOf(NEWLINE)
    if (lineEnd === -1) return this.#put(bytes)
    this.#put(bytes.subarray(0, lineEnd + 1))
    this.#putNotes()
    this.#put(bytes.subarray(lineEnd + 1))
  }

  #putNotes(): void {
    if (this.#notes.length === 0 || !(this.#isAtLineStart || this.#isEnded)) return
    const shows = this.#sinks.commands !== false
    if (!this.#isAtLineStart) this.#put(Buffer.of(NEWLINE), shows)
    for (const note of this.#notes.splice(0)) this.#put(note, shows)
  }

  #put(bytes: Uint8Array, shows = true): void {
    if (bytes.length === 0) return
    this.#isAtLineStart = bytes.at(-1) === NEWLINE
    if (shows) this.#sinks.print(bytes)
    this.#waitingBytes += bytes.length + PIECE_BYTES
    const writing = this.#sinks.log.write(bytes)
    // A log that makes one write of several has one promise for them.
    if (writing === this.#writing) return
    this.#writing = writing
    const before = this.#written
    this.#written = before.then(() => writing)
    // Told where it is waited for, and this may be a while.
    writing.catch(() => undefined)
    this.#written.catch(() => undefined)
  }

  #execute(command: Extract<ScannedItem, { kind: 'command' }>): void {
    const { properties, value } = command
    switch (command.name) {
      case 'add-mask':
        this.#mask(value)
        return this.#write(Buffer.from('::add-mask::***\n'))
      case 'set-output':
      case 'save-state':
        this.#sinks.command(command.name, properties['name'] ?? '', value)
        return this.#echo(command)
      case 'set-env':
      case 'add-path':
        this.#sinks.refuse(
          `workflow command "${command.name}"`,
          'it lets any output change the environment of later steps; write to GITHUB_ENV or GITHUB_PATH',
        )
        return this.#write(command.line)
      case 'error':
      case 'warning':
      case 'notice':
        this.#annotate(command.name, properties, value)
        return this.#write(command.line)
      case 'group':
      case 'endgroup':
        return this.#write(command.line)
      case 'debug':
      case 'echo':
      case 'stop-commands':
        return this.#echo(command)
    }
  }

  /** Commands that leave no line, unless the step asked for it with `::echo::on`. */
  #echo(command: Extract<ScannedItem, { kind: 'command' }>): void {
    if (command.echo) this.#write(command.line)
  }

  #mask(value: string): void {
    const result = this.#sinks.secrets.add(value)
    if (!result.masked && result.reason !== 'empty')
      this.#sinks.refuse('workflow command "add-mask"', `the value is not masked: ${WHY_UNMASKED[result.reason]}`)
  }

  #annotate(level: Annotation['level'], properties: Readonly<Record<string, string>>, value: string): void {
    this.#annotations += 1
    if (this.#annotations > ANNOTATIONS_MAX) return
    const { secrets } = this.#sinks
    const property = (name: string): string | null => {
      const text = properties[name]
      return text === undefined ? null : secrets.redact(text).slice(0, 1024)
    }
    this.#sinks.annotate({
      level,
      // Cut after it is masked: half of a secret is no form of it any more.
      message: secrets.redact(value).slice(0, 16_384),
      title: property('title'),
      file: property('file'),
      line: property('line'),
      endLine: property('endLine'),
      column: property('col'),
      endColumn: property('endColumn'),
    })
  }
}
