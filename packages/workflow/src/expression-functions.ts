// SPDX-License-Identifier: Apache-2.0
import { data, wellKnownFunctions } from '@actions/expressions'
import type { FunctionDefinition } from '@actions/expressions/funcs/info'
import { quote } from '@sallyport/core'
import { toData, toJson } from './expression-data.ts'
import { type EvaluationBudget, EvaluationFault, VALUE_DEPTH_MAX } from './expression-limits.ts'
import type { Json } from './json.ts'

type Data = ReturnType<FunctionDefinition['call']>

/** A function that the caller gives, e.g. `hashFiles`: plain values in, a plain value out. */
export type ExpressionFunction = (...args: Json[]) => Json

/** What a caller's function threw: carried through the evaluator untouched. */
export class ThrownByFunction extends Error {
  readonly thrown: unknown

  constructor(thrown: unknown) {
    super('an expression function threw')
    this.thrown = thrown
  }
}

/** The functions of one evaluation by lower-case name; those that make text from text count against the budget. */
export function functionTable(
  given: Readonly<Record<string, ExpressionFunction>>,
  budget: EvaluationBudget,
): Map<string, FunctionDefinition> {
  const table = new Map<string, FunctionDefinition>(Object.entries(wellKnownFunctions))
  replace(table, 'format', (args) => new data.StringData(format(args, budget)))
  replace(table, 'join', (args) => new data.StringData(join(args, budget)))
  replace(table, 'tojson', ([value]) => new data.StringData(new JsonWriter(budget).write(value ?? new data.Null())))
  replace(table, 'fromjson', ([text]) => toData(fromJson(text?.coerceString() ?? '')))
  for (const [name, run] of Object.entries(given)) {
    const call = (...args: Data[]): Data => toData(callGiven(run, args.map(toJson)))
    table.set(name.toLowerCase(), { name, minArgs: 0, maxArgs: Number.MAX_SAFE_INTEGER, call })
  }
  return table
}

function replace(table: Map<string, FunctionDefinition>, name: string, call: (args: Data[]) => Data): void {
  const signature = table.get(name)
  if (signature === undefined) throw new TypeError(`no built-in function ${name}`)
  table.set(name, { ...signature, call: (...args) => call(args) })
}

function callGiven(run: ExpressionFunction, args: Json[]): Json {
  try {
    return run(...args)
  } catch (thrown) {
    throw new ThrownByFunction(thrown)
  }
}

/** `{{`, `}}`, `{0}`, or a brace that fits none of them. */
const FORMAT_PARTS = /\{\{|\}\}|\{(\d+)[^{}]*\}|[{}]/g

function format([template, ...values]: readonly Data[], budget: EvaluationBudget): string {
  const text = template?.coerceString() ?? ''
  const parts: string[] = []
  const push = (part: string): void => {
    budget.makeText(part.length)
    parts.push(part)
  }
  let at = 0
  for (const match of text.matchAll(FORMAT_PARTS)) {
    push(text.slice(at, match.index))
    push(formatPart(text, match[0], match[1], values))
    at = match.index + match[0].length
  }
  push(text.slice(at))
  return parts.join('')
}

function formatPart(text: string, part: string, index: string | undefined, values: readonly Data[]): string {
  if (part === '{{' || part === '}}') return part.charAt(0)
  if (index === undefined)
    throw new EvaluationFault(`the format ${quote(text)} has a single ${quote(part)}; write it twice to mean the character`)
  const value = values[Number(index)]
  if (value === undefined) throw new EvaluationFault(`the format ${quote(text)} asks for {${index}}, and ${values.length} values are given`)
  return value.coerceString()
}

function join([list, separatorValue]: readonly Data[], budget: EvaluationBudget): string {
  if (!(list instanceof data.Array)) return list?.primitive === true ? list.coerceString() : ''
  const separator = separatorValue === undefined ? ',' : separatorValue.primitive ? separatorValue.coerceString() : ','
  const items = list.values()
  const texts = items.map((item) => item.coerceString())
  budget.makeText(texts.reduce((sum, text) => sum + text.length, 0) + separator.length * Math.max(items.length - 1, 0))
  return texts.join(separator)
}

/** Untrusted: most often the output of another job. */
function fromJson(text: string): Json {
  if (text.trim() === '') throw new EvaluationFault('fromJSON was given an empty text')
  let value: Json
  try {
    value = JSON.parse(text) as Json
  } catch {
    throw new EvaluationFault(`fromJSON was given ${quote(text)}, which is not valid JSON`)
  }
  if (isTooDeep(value)) throw new EvaluationFault(`fromJSON was given a value that is nested more than ${VALUE_DEPTH_MAX} levels deep`)
  return value
}

function isTooDeep(root: Json): boolean {
  let level: readonly Json[] = [root]
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > VALUE_DEPTH_MAX) return true
    level = level.flatMap((value) => (typeof value === 'object' && value !== null ? Object.values(value) : []))
  }
  return false
}

/** Writes indented JSON and counts as it goes, so that a value that is too large stops early. */
class JsonWriter {
  readonly #budget: EvaluationBudget
  readonly #parts: string[] = []

  constructor(budget: EvaluationBudget) {
    this.#budget = budget
  }

  write(value: Data): string {
    this.#value(value, 0)
    return this.#parts.join('')
  }

  #value(value: Data, depth: number): void {
    if (depth > VALUE_DEPTH_MAX)
      throw new EvaluationFault(`toJSON was given a value that is nested more than ${VALUE_DEPTH_MAX} levels deep`)
    if (value instanceof data.Array) {
      this.#block('[', ']', value.values(), depth, (item) => this.#value(item, depth + 1))
    } else if (value instanceof data.Dictionary) {
      this.#block('{', '}', value.pairs(), depth, (pair) => {
        this.#push(`${JSON.stringify(pair.key)}: `)
        this.#value(pair.value, depth + 1)
      })
    } else {
      this.#push(JSON.stringify(toJson(value)))
    }
  }

  #block<Item>(open: string, close: string, items: readonly Item[], depth: number, write: (item: Item) => void): void {
    if (items.length === 0) {
      this.#push(`${open}${close}`)
      return
    }
    let before = open
    for (const item of items) {
      this.#push(`${before}\n${'  '.repeat(depth + 1)}`)
      write(item)
      before = ','
    }
    this.#push(`\n${'  '.repeat(depth)}${close}`)
  }

  #push(part: string): void {
    this.#budget.makeText(part.length)
    this.#parts.push(part)
  }
}
