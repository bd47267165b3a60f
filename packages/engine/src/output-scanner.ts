// SPDX-License-Identifier: Apache-2.0
import { allocate, type ByteBuffer, copyOf, viewOf } from './byte-buffer.ts'
import { COMMAND_NAMES, type CommandName, isCommandName, parseCommand } from './workflow-command.ts'

export type ScannedItem =
  /** Often a view of the pushed chunk: use it, or copy it, before the chunk's memory is written again. */
  | { readonly kind: 'output'; readonly bytes: Uint8Array }
  | {
      readonly kind: 'command'
      readonly name: CommandName
      /** By lower-case name. */
      readonly properties: Readonly<Record<string, string>>
      readonly value: string
      /** The whole line with its end: outputs and lines together are what was pushed. */
      readonly line: Uint8Array
      /** The line belongs into the log, because of `::echo::on` or because the command says so itself. */
      readonly echo: boolean
    }

/**
 * Separates workflow commands from a step's output as it streams by. Untrusted: every byte is the job's.
 * Memory is constant. Output that cannot be the start of a command is never held back.
 */
export interface OutputScanner {
  /** The chunk must not be changed while its items are in use. */
  push(chunk: Uint8Array): readonly ScannedItem[]
  /** At the end of the output: what was held back. */
  end(): readonly ScannedItem[]
}

export function createOutputScanner(): OutputScanner {
  return new StreamingScanner()
}

/** A longer line is plain output, whatever it starts with. */
export const COMMAND_LINE_BYTES_MAX: number = 64 * 1024

const LF = 0x0a
const CR = 0x0d
const COLON = 0x3a
const HASH = 0x23
const NEEDLES = { colons: copyOf('::'), hashes: copyOf('##['), lf: LF, cr: CR } as const
const STOP_TOKEN = /^[!-~]{1,256}$/
/** Enough of a line to tell whether it names a command or the stop token. */
const HEAD_BYTES_MAX = 512
/** Commands that change state: shown after `::echo::on` only. */
const ECHOED: ReadonlySet<CommandName> = new Set(['set-output', 'save-state', 'set-env', 'add-path'])
const ALWAYS_SHOWN: ReadonlySet<CommandName> = new Set(['stop-commands', 'echo'])

class StreamingScanner implements OutputScanner {
  /** True while the current line holds nothing but blanks, so that a command may still start. */
  #blank = true
  #echo = false
  #stopToken: string | null = null
  /** The start of a line that may become a command; allocated once, when first needed. */
  #held: ByteBuffer | null = null
  #heldBytes = 0

  push(chunk: Uint8Array): readonly ScannedItem[] {
    const view = viewOf(chunk)
    const items: ScannedItem[] = []
    this.#scan(view, this.#heldBytes > 0 ? this.#continueHeld(view, items) : 0, items)
    return items
  }

  end(): readonly ScannedItem[] {
    const items: ScannedItem[] = []
    const line = this.#takeHeld()
    if (line.length > 0) items.push(this.#command(line, line.length) ?? { kind: 'output', bytes: line })
    return items
  }

  /** Completes the held line from the chunk; returns how many of the chunk's bytes belong to it. */
  #continueHeld(view: ByteBuffer, items: ScannedItem[]): number {
    if (view.length === 0) return 0
    if (this.#held?.[this.#heldBytes - 1] === CR) {
      const length = view[0] === LF ? 1 : 0
      this.#hold(view.subarray(0, length))
      this.#finishHeld(items)
      return length
    }
    const end = new LineFinder(view, 0, false).lineEnd(0)
    const length = end ?? view.length
    if (this.#heldBytes + length > COMMAND_LINE_BYTES_MAX) {
      this.#releaseHeld(items)
      return 0
    }
    this.#hold(view.subarray(0, length))
    if (end !== null) this.#finishHeld(items)
    else if (!this.#couldBeCommand(this.#heldView())) this.#releaseHeld(items)
    return length
  }

  #scan(view: ByteBuffer, start: number, items: ScannedItem[]): void {
    if (start >= view.length) return
    const lines = new LineFinder(view, start, this.#blank)
    let from = start
    for (let at = lines.candidate(start); at !== null; ) {
      const end = lines.lineEnd(at)
      if (end === null) {
        if (this.#mayHold(view, at)) {
          emit(items, view, from, at)
          this.#hold(view.subarray(at))
          return
        }
        break
      }
      const command = this.#command(view.subarray(at, end), end - at)
      if (command !== null) {
        emit(items, view, from, at)
        items.push(command)
        from = end
      }
      at = lines.candidate(end)
    }
    emit(items, view, from, view.length)
    this.#blank = isLineStart(view, view.length, start, this.#blank)
  }

  #mayHold(view: ByteBuffer, at: number): boolean {
    return view.length - at <= COMMAND_LINE_BYTES_MAX && this.#couldBeCommand(view.subarray(at))
  }

  /** Parses a whole line and takes over what it changes here; null when it is plain output. */
  #command(line: ByteBuffer, length: number): ScannedItem | null {
    if (length > COMMAND_LINE_BYTES_MAX) return null
    const text = line.toString('utf8').replace(/\r?\n$|\r$/, '')
    if (this.#stopToken !== null) {
      if (text.startsWith(`::${this.#stopToken}::`)) this.#stopToken = null
      return null
    }
    const parsed = parseCommand(text)
    if (parsed === null) return null
    if (parsed.name === 'stop-commands') {
      if (!isStopToken(parsed.value)) return null
      this.#stopToken = parsed.value
    }
    if (parsed.name === 'echo') this.#echo = echoAfter(parsed.value, this.#echo)
    const echo = ALWAYS_SHOWN.has(parsed.name) || (this.#echo && ECHOED.has(parsed.name))
    return { kind: 'command', ...parsed, line, echo }
  }

  /** Whether more bytes could make a command (or the end of a stop) of this start of a line. */
  #couldBeCommand(start: ByteBuffer): boolean {
    const text = start.toString('latin1', 0, Math.min(start.length, HEAD_BYTES_MAX))
    if (this.#stopToken !== null) return `::${this.#stopToken}::`.startsWith(text) || text.startsWith(`::${this.#stopToken}::`)
    const introducer = text.startsWith('#') ? '##[' : '::'
    if (text.length <= introducer.length) return introducer.startsWith(text)
    const [name = '', ...rest] = text
      .slice(introducer.length)
      .toLowerCase()
      .split(/[ :\]\r]/)
    return rest.length > 0 ? isCommandName(name) : COMMAND_NAMES.some((known) => known.startsWith(name))
  }

  #hold(bytes: ByteBuffer): void {
    this.#held ??= allocate(COMMAND_LINE_BYTES_MAX + 1)
    this.#held.set(bytes, this.#heldBytes)
    this.#heldBytes += bytes.length
  }

  #heldView(): ByteBuffer {
    return this.#held?.subarray(0, this.#heldBytes) ?? allocate(0)
  }

  /** A copy, because the buffer is used again. */
  #takeHeld(): ByteBuffer {
    const line = copyOf(this.#heldView())
    this.#heldBytes = 0
    return line
  }

  #finishHeld(items: ScannedItem[]): void {
    const line = this.#takeHeld()
    items.push(this.#command(line, line.length) ?? { kind: 'output', bytes: line })
    this.#blank = true
  }

  #releaseHeld(items: ScannedItem[]): void {
    items.push({ kind: 'output', bytes: this.#takeHeld() })
    this.#blank = false
  }
}

/**
 * Where commands may start and where lines end in one chunk. Only native searches run over the bytes, and each
 * goes over them once, as questions only move forward: a chunk made to be slow stays linear.
 */
class LineFinder {
  readonly #view: ByteBuffer
  readonly #start: number
  readonly #blank: boolean
  readonly #found = { colons: -1, hashes: -1, lf: -1, cr: -1 }

  /** `blank`: whether only blanks stand in the line before `start`. */
  constructor(view: ByteBuffer, start: number, blank: boolean) {
    this.#view = view
    this.#start = start
    this.#blank = blank
  }

  /** Position of the next possible command at or after `from`, also of one cut off by the chunk's end. */
  candidate(from: number): number | null {
    for (let at = this.#introducer(from); at < this.#view.length; ) {
      if (isLineStart(this.#view, at, this.#start, this.#blank)) return at
      at = this.#introducer(this.#lineBreak(at))
    }
    return this.#cutOff(from)
  }

  /** Index after the end of the line; null when the chunk does not show it yet (a CR may be half of CRLF). */
  lineEnd(from: number): number | null {
    const end = this.#lineBreak(from)
    if (this.#view[end] === CR && this.#view[end + 1] === LF) return end + 2
    if (end === this.#view.length || (this.#view[end] === CR && end + 1 === this.#view.length)) return null
    return end + 1
  }

  #introducer(from: number): number {
    return Math.min(this.#next('colons', from), this.#next('hashes', from))
  }

  #lineBreak(from: number): number {
    return Math.min(this.#next('lf', from), this.#next('cr', from))
  }

  #next(which: keyof typeof NEEDLES, from: number): number {
    if (this.#found[which] < from) {
      const found = this.#view.indexOf(NEEDLES[which], from)
      this.#found[which] = found < 0 ? this.#view.length : found
    }
    return this.#found[which]
  }

  #cutOff(from: number): number | null {
    const { length } = this.#view
    const last = this.#view[length - 1]
    if (length <= from || (last !== COLON && last !== HASH)) return null
    const at = last === HASH && length - 2 >= from && this.#view[length - 2] === HASH ? length - 2 : length - 1
    return isLineStart(this.#view, at, this.#start, this.#blank) ? at : null
  }
}

/** Whether only blanks stand between the last line end (or the chunk's start) and `at`. */
function isLineStart(view: ByteBuffer, at: number, start: number, blankBefore: boolean): boolean {
  for (let index = at - 1; index >= start; index -= 1) {
    const byte = view[index]
    if (byte === LF || byte === CR) return true
    if (byte !== 0x20 && byte !== 0x09) return false
  }
  return blankBefore
}

function emit(items: ScannedItem[], view: ByteBuffer, from: number, to: number): void {
  if (to > from) items.push({ kind: 'output', bytes: view.subarray(from, to) })
}

/** A token that names a command, or none, would let any later output switch commands on again. */
function isStopToken(token: string): boolean {
  return STOP_TOKEN.test(token) && !token.includes('::') && !isCommandName(token.toLowerCase())
}

function echoAfter(value: string, before: boolean): boolean {
  const word = value.trim().toLowerCase()
  return word === 'on' || (word !== 'off' && before)
}
