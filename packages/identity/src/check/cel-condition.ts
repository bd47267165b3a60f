// SPDX-License-Identifier: Apache-2.0
// The part of CEL that attribute conditions are written in: comparisons with literals, joined. Untrusted, and bounded.

export type Operator = 'equals' | 'startsWith' | 'endsWith' | 'contains' | 'unreadable'

export interface Term {
  /** What is compared, e.g. `assertion.sub`. */
  readonly subject: string
  readonly operator: Operator
  readonly values: readonly string[]
  readonly isNegated: boolean
}

/** All of them hold. */
export type Conjunction = readonly Term[]

export class ConditionSyntaxError extends Error {}

const TOKEN = /\s*(?:(?<word>[A-Za-z_][\w.]*)|(?<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")|(?<sign>&&|\|\||==|!=|[()[\],!]))/y
const WAYS_MAX = 64
const LENGTH_MAX = 4096
const DEPTH_MAX = 32

/** The ways in which it holds. @throws ConditionSyntaxError for what is not of this part. */
export function readCondition(text: string): readonly Conjunction[] {
  if (text.length > LENGTH_MAX) throw new ConditionSyntaxError(`it is longer than ${LENGTH_MAX} characters`)
  const reader = new Reader(tokensOf(text))
  const ways = reader.either(0)
  reader.end()
  return ways
}

interface Token {
  readonly kind: 'word' | 'text' | 'sign'
  readonly value: string
}

function tokensOf(text: string): readonly Token[] {
  const tokens: Token[] = []
  const trimmed = text.trimEnd()
  for (let at = 0; at < trimmed.length; at = TOKEN.lastIndex) {
    TOKEN.lastIndex = at
    const { word, text: literal, sign } = TOKEN.exec(trimmed)?.groups ?? {}
    if (word !== undefined) tokens.push({ kind: 'word', value: word })
    else if (sign !== undefined) tokens.push({ kind: 'sign', value: sign })
    else if (literal !== undefined) tokens.push({ kind: 'text', value: literal.slice(1, -1).replace(/\\(.)/g, '$1') })
    else throw new ConditionSyntaxError(`it has something else at character ${at + 1}`)
  }
  return tokens
}

class Reader {
  readonly #tokens: readonly Token[]
  #at = 0

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens
  }

  either(depth: number): readonly Conjunction[] {
    let ways = this.#both(depth)
    while (this.#takes('||')) ways = bounded([...ways, ...this.#both(depth)])
    return ways
  }

  end(): void {
    if (this.#at < this.#tokens.length) throw new ConditionSyntaxError(`it goes on with ${this.#peek()}`)
  }

  #both(depth: number): readonly Conjunction[] {
    let ways = this.#one(depth)
    while (this.#takes('&&')) {
      const more = this.#one(depth)
      ways = bounded(ways.flatMap((way) => more.map((other) => [...way, ...other])))
    }
    return ways
  }

  #one(depth: number): readonly Conjunction[] {
    if (depth > DEPTH_MAX) throw new ConditionSyntaxError('it is nested too deeply')
    if (this.#takes('!')) return [negated(this.#one(depth + 1))]
    if (!this.#takes('(')) return [[this.#comparison()]]
    const ways = this.either(depth + 1)
    this.#expect(')')
    return ways
  }

  #comparison(): Term {
    const word = this.#word()
    if (this.#takes('==')) return { subject: word, operator: 'equals', values: [this.#text()], isNegated: false }
    if (this.#takes('!=')) return { subject: word, operator: 'equals', values: [this.#text()], isNegated: true }
    if (this.#takes('in')) return { subject: word, operator: 'equals', values: this.#list(), isNegated: false }
    const dot = word.lastIndexOf('.')
    const [subject, method] = [word.slice(0, dot), word.slice(dot + 1)]
    this.#expect('(')
    const values = [this.#text()]
    this.#expect(')')
    const operator = (['startsWith', 'endsWith', 'contains'] as const).find((one) => one === method) ?? 'unreadable'
    return { subject, operator, values, isNegated: false }
  }

  #list(): readonly string[] {
    this.#expect('[')
    const values = [this.#text()]
    while (this.#takes(',')) values.push(this.#text())
    this.#expect(']')
    return values
  }

  #takes(value: string): boolean {
    const token = this.#tokens[this.#at]
    if (token === undefined || token.kind === 'text' || token.value !== value) return false
    this.#at += 1
    return true
  }

  #expect(sign: string): void {
    if (!this.#takes(sign)) throw new ConditionSyntaxError(`there should be ${sign} where ${this.#peek()} is`)
  }

  #word(): string {
    return this.#next('word', 'a claim')
  }

  #text(): string {
    return this.#next('text', 'a text in quotes')
  }

  #next(kind: Token['kind'], what: string): string {
    const token = this.#tokens[this.#at]
    if (token?.kind !== kind) throw new ConditionSyntaxError(`there should be ${what} where ${this.#peek()} is`)
    this.#at += 1
    return token.value
  }

  #peek(): string {
    return this.#tokens[this.#at]?.value ?? 'its end'
  }
}

/** Of one comparison: not (a and b) is another matter. */
function negated(ways: readonly Conjunction[]): Conjunction {
  const [way = [], ...others] = ways
  const [term, ...rest] = way
  if (term === undefined || others.length > 0 || rest.length > 0) throw new ConditionSyntaxError('it negates more than one comparison')
  return [{ ...term, isNegated: !term.isNegated }]
}

function bounded(ways: readonly Conjunction[]): readonly Conjunction[] {
  if (ways.length > WAYS_MAX) throw new ConditionSyntaxError(`it holds in more than ${WAYS_MAX} ways`)
  return ways
}
