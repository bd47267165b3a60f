// SPDX-License-Identifier: Apache-2.0

/** Longest control sequence that is recognised as one; more than that is shown as text. */
const SEQUENCE_MAX = 512

const ESC = '\x1b'
/** Any character that is not plain text for a terminal: C0, DEL, C1, line separators, bidirectional overrides and marks, lone surrogates. */
const SPECIAL = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g
const CSI = /^\x1b\[([0-?]*)[ -/]*([@-~])/
const STRING = /^\x1b[\]PX^_][^\x07\x1b\n]*(\x07|\x1b\\)/
/** What may still become one of the two when more text arrives. */
const UNFINISHED = /^\x1b(\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b\n]*\x1b?)?$/

/**
 * Makes hostile text harmless for a terminal, piece by piece: whole control sequences vanish, colours
 * stay when asked for, everything else that a terminal would obey becomes visible. Holds back at most
 * {@link SEQUENCE_MAX} characters.
 */
export class Sanitizer {
  readonly #keepsColor: boolean
  #held = ''
  /** True after a colour was let through and not reset: ours must not be tinted by theirs. */
  #isTinted = false

  constructor(keepsColor: boolean) {
    this.#keepsColor = keepsColor
  }

  get isTinted(): boolean {
    return this.#isTinted
  }

  write(text: string): string {
    const all = this.#held + text
    this.#held = ''
    let safe = ''
    let from = 0
    SPECIAL.lastIndex = 0
    for (let match = SPECIAL.exec(all); match !== null; match = SPECIAL.exec(all)) {
      safe += all.slice(from, match.index)
      const used = this.#consume(all, match.index)
      if (used === null) {
        this.#held = all.slice(match.index)
        return safe
      }
      safe += used.shown
      from = match.index + used.length
      SPECIAL.lastIndex = from
    }
    return safe + all.slice(from)
  }

  /** What was held back, and the end of any colour. */
  end(): string {
    const rest = [...this.#held].map((character) => (isPlain(character) ? character : visible(character))).join('')
    const reset = this.#isTinted ? `${ESC}[0m` : ''
    this.#held = ''
    this.#isTinted = false
    return rest + reset
  }

  /** The special character at `at` and what belongs to it; null when more text must arrive to know. */
  #consume(all: string, at: number): { shown: string; length: number } | null {
    const character = all[at] ?? ''
    if (character === '\r') return this.#carriageReturn(all, at)
    if (character !== ESC) return { shown: visible(character), length: 1 }
    const tail = all.slice(at, at + SEQUENCE_MAX)
    const csi = CSI.exec(tail)
    if (csi !== null) return { shown: csi[2] === 'm' ? this.#color(csi[1] ?? '') : '', length: csi[0].length }
    const string = STRING.exec(tail)
    if (string !== null) return { shown: '', length: string[0].length }
    return tail.length < SEQUENCE_MAX && UNFINISHED.test(tail) ? null : { shown: visible(ESC), length: 1 }
  }

  /** Alone it would let a line overwrite what stands before it; it becomes the end of a line. */
  #carriageReturn(all: string, at: number): { shown: string; length: number } | null {
    if (at + 1 === all.length) return null
    return { shown: all[at + 1] === '\n' ? '' : '\n', length: 1 }
  }

  /** Concealed text (8) is the one attribute that hides something. */
  #color(parameters: string): string {
    if (!this.#keepsColor || !/^[0-9;:]*$/.test(parameters)) return ''
    const kept = parameters
      .split(';')
      .filter((parameter, index, all) => parameter !== '8' || all[index - 1] === '5' || all[index - 1] === '2')
    if (kept.length === 0) return ''
    this.#isTinted = !/(^|;)0*$/.test(parameters)
    return `${ESC}[${kept.join(';')}m`
  }
}

function isPlain(character: string): boolean {
  SPECIAL.lastIndex = 0
  return !SPECIAL.test(character)
}

/** `␛` for C0 controls, `<U+202E>` for the rest. */
function visible(character: string): string {
  const code = character.codePointAt(0) ?? 0
  if (code < 0x20) return String.fromCodePoint(0x2400 + code)
  if (code === 0x7f) return '\u2421'
  return `<U+${code.toString(16).toUpperCase().padStart(4, '0')}>`
}

/** One line of hostile text, e.g. a name: without colours, newlines and tabs, at most `charactersMax` long. */
export function oneLine(text: string, charactersMax = 200): string {
  const sanitizer = new Sanitizer(false)
  const cut = text.length > charactersMax ? `${text.slice(0, charactersMax)}…` : text
  const safe = sanitizer.write(cut) + sanitizer.end()
  return safe.replaceAll(/\s*\n\s*/g, ' ␊ ').replaceAll('\t', ' ')
}

/** JSON in which nothing is left that a terminal would obey, or that hides what stands there: an escape says the same. */
export function jsonText(value: unknown): string {
  return JSON.stringify(value).replaceAll(SPECIAL, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
