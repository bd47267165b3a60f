// SPDX-License-Identifier: Apache-2.0
// What documents say that a machine can check.

export interface Guarantee {
  readonly number: number
  /** Names of the self-check that stand in the heading. */
  readonly names: readonly string[]
  readonly tests: readonly string[]
  readonly missing: readonly string[]
}

const PARTS = ['Mechanism', 'Test', 'Remains'] as const

/** The sections `### G1 Title (`name`, …)` of the threat model. */
export function guaranteesIn(text: string): Guarantee[] {
  return text
    .split(/^(?=#{2,3} )/m)
    .filter((section) => /^### G\d+ /.test(section))
    .map((section) => {
      const heading = section.split('\n', 1)[0] ?? ''
      return {
        number: Number(/\d+/.exec(heading)?.[0]),
        names: codeSpans(/\(([^()]*)\)$/.exec(heading)?.[1] ?? ''),
        tests: codeSpans(/^- Test: (.*)$/m.exec(section)?.[1] ?? ''),
        missing: PARTS.filter((part) => !section.includes(`\n- ${part}: `)),
      }
    })
}

/** Text between backticks; fenced blocks are not looked at. */
export function codeSpans(text: string): string[] {
  return [...withoutFences(text).matchAll(/`([^`\n]+)`/g)].map((match) => match[1] ?? '')
}

/** Lines of fenced blocks. */
function fencedLines(text: string): string[] {
  return [...text.matchAll(/^```.*\n([\s\S]*?)^```$/gm)].flatMap((match) => (match[1] ?? '').split('\n'))
}

function withoutFences(text: string): string {
  return text.replace(/^```.*\n[\s\S]*?^```$/gm, '')
}

const TOP = /^(packages|native|test|docs|scripts|examples|bench|\.ci)\//

/** Paths of the repository that code spans name; what is built, a pattern, or elided is none. */
export function pathsIn(text: string): string[] {
  return codeSpans(text).filter((span) => TOP.test(span) && !/[\s*{}<>…]/.test(span))
}

/** Targets of links, and of images. */
export function linksIn(text: string): string[] {
  return [...withoutFences(text).matchAll(/\]\(([^()\s]+)\)/g)].map((match) => match[1] ?? '')
}

/** Anchors as forges make them of headings. */
export function anchorsIn(text: string): string[] {
  return [...withoutFences(text).matchAll(/^#+ (.+)$/gm)].map((match) =>
    (match[1] ?? '')
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replaceAll(' ', '-'),
  )
}

export interface CommandUse {
  /** `run`, or `` for none. */
  readonly command: string
  readonly flags: readonly string[]
}

/** Each `sallyport COMMAND …` in code, with its own flags: those before ` -- `, a pipe or the end. */
export function commandUsesIn(text: string): CommandUse[] {
  return [...codeSpans(text), ...fencedLines(text).map((line) => line.replace(/(^|\s)#.*/, ''))].flatMap((line) =>
    [
      ...line.matchAll(
        /(?:^|[\s/"])sallyport ((?:(?:runs|audit(?: hold)?|secrets|identity|image) )?[a-z]+)((?: (?!-- )[^|]*?)?)(?= -- |\||$)/g,
      ),
    ].map((match) => ({
      command: match[1] ?? '',
      flags: flagsIn(match[2] ?? ''),
    })),
  )
}

export function flagsIn(text: string): string[] {
  return [...text.matchAll(/(?<=^|\s)--[a-z][a-z-]*/g)].map((match) => match[0])
}

/** Code spans that are nothing but a flag, with or without its value. */
export function bareFlagsIn(text: string): string[] {
  return codeSpans(text)
    .filter((span) => span.startsWith('--'))
    .flatMap(flagsIn)
}

/** Cells of the rows of every table, without the rule below the heading. */
export function tableRowsIn(text: string): string[][] {
  return withoutFences(text)
    .split('\n')
    .filter((line) => line.startsWith('| ') && !/^\| *-/.test(line))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    )
}
