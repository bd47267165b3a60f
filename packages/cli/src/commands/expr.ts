// SPDX-License-Identifier: Apache-2.0
import { messageOf, SallyportError } from '@sallyport/core'
import type { ExpressionContexts, Json } from '@sallyport/workflow'
import type { Command } from 'commander'
import type { Context } from '../context.ts'
import { addUnusedStateOption } from '../options/shared.ts'
import { readLines } from '../read-lines.ts'

const EXAMPLES = `
Examples:
  echo '{"expr":"github.ref == '"'refs/heads/main'"'","contexts":{"github":{"ref":"refs/heads/main"}}}' | sallyport expr

Each line of stdin is { "expr", "contexts" }; each line of stdout { "kind", "value" } or { "error" }.`

const LINE_BYTES_MAX = 16 * 2 ** 20

export function registerExpr(program: Command, context: Context): void {
  const command = program
    .command('expr')
    .description('Evaluate workflow expressions.')
    .option('--json', 'JSON lines, which is what it always prints')
  addUnusedStateOption(command)
  command.addHelpText('after', EXAMPLES).action(() => evaluateLines(context))
}

async function evaluateLines({ stdin, stdout }: Context): Promise<void> {
  const { evaluateExpression } = await import('@sallyport/workflow')
  for await (const line of readLines(stdin, LINE_BYTES_MAX)) {
    if (line.trim() === '') continue
    stdout.write(`${JSON.stringify(answer(line, evaluateExpression))}\n`)
    if (stdout.isBroken) return
  }
}

type Answer = { readonly kind: string; readonly value: Json } | { readonly error: string }

/** A bad line is answered in its place: the lines after it are still evaluated. */
function answer(line: string, evaluate: (expression: string, contexts: ExpressionContexts) => Json): Answer {
  try {
    const { expr, contexts = {} } = parseRequest(line)
    if (typeof expr !== 'string') return { error: '"expr" is not a string' }
    if (typeof contexts !== 'object' || contexts === null || Array.isArray(contexts)) return { error: '"contexts" is not an object' }
    return describe(evaluate(expr, contexts as ExpressionContexts))
  } catch (error) {
    if (error instanceof SallyportError || error instanceof SyntaxError) return { error: messageOf(error) }
    throw error
  }
}

function parseRequest(line: string): { expr?: Json; contexts?: Json } {
  const request = JSON.parse(line) as Json
  return typeof request === 'object' && request !== null && !Array.isArray(request) ? (request as { expr?: Json; contexts?: Json }) : {}
}

function describe(value: Json): Answer {
  if (value === null) return { kind: 'Null', value }
  if (Array.isArray(value)) return { kind: 'Array', value }
  switch (typeof value) {
    case 'boolean':
      return { kind: 'Boolean', value }
    case 'number':
      // JSON has no NaN and no infinity: they stand there by name.
      return { kind: 'Number', value: Number.isFinite(value) ? value : String(value) }
    case 'string':
      return { kind: 'String', value }
    default:
      return { kind: 'Object', value }
  }
}
