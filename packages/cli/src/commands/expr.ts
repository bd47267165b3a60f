// SPDX-License-Identifier: Apache-2.0
import { messageOf, SallyportError } from '@sallyport/core'
import type { Command } from 'commander'
import type { Context } from '../context.ts'
import { readLines } from '../read-lines.ts'

const EXAMPLES = `
Examples:
  echo '{"expr":"github.ref == '"'refs/heads/main'"'","contexts":{"github":{"ref":"refs/heads/main"}}}' | sallyport expr

Each line of stdin is { "expr", "contexts" }; each line of stdout { "kind", "value" } or { "error" }.`

const LINE_BYTES_MAX = 16 * 2 ** 20

export function registerExpr(program: Command, context: Context): void {
  program
    .command('expr')
    .description('Evaluate workflow expressions.')
    .option('--json', 'JSON lines, which is what it always prints')
    .addHelpText('after', EXAMPLES)
    .action(() => evaluateLines(context))
}

async function evaluateLines({ stdin, stdout }: Context): Promise<void> {
  const { evaluateExpression } = await import('@sallyport/workflow')
  for await (const line of readLines(stdin, LINE_BYTES_MAX)) {
    if (line.trim() === '') continue
    stdout.write(`${JSON.stringify(answer(line, evaluateExpression))}\n`)
    if (stdout.isBroken) return
  }
}

/** A bad line is answered in its place: the lines after it are still evaluated. */
function answer(line: string, evaluate: (expression: string, contexts: Record<string, unknown>) => unknown): unknown {
  try {
    const { expr, contexts } = JSON.parse(line) as { expr?: unknown; contexts?: unknown }
    if (typeof expr !== 'string') return { error: '"expr" is not a string' }
    return evaluate(expr, (contexts ?? {}) as Record<string, unknown>)
  } catch (error) {
    if (error instanceof SallyportError || error instanceof SyntaxError) return { error: messageOf(error) }
    throw error
  }
}
