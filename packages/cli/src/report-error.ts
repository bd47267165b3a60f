// SPDX-License-Identifier: Apache-2.0
import { resolve } from 'node:path'
import { ExitCode, messageOf, type Problem, SallyportError } from '@sallyport/core'
import type { Context } from './context.ts'
import { readInputFile } from './options/input-file.ts'
import { shownFromHere } from './options/repository.ts'
import { renderAsk } from './terminal/review.ts'
import { jsonText, oneLine } from './terminal/sanitize.ts'
import { createStyle, type Style } from './terminal/style.ts'

const EXCERPT_BYTES_MAX = 2 ** 20
/** By the error's class or its code. */
const EXIT_CODES: Readonly<Record<string, ExitCode>> = {
  UsageError: ExitCode.badInput,
  WorkflowError: ExitCode.badInput,
  RUN_NOT_FOUND: ExitCode.badInput,
  RUN_AMBIGUOUS: ExitCode.badInput,
  REPOSITORY_UNREADABLE: ExitCode.badInput,
  NOTHING_TO_RUN: ExitCode.badInput,
  JOB_UNKNOWN: ExitCode.badInput,
  INPUT_INVALID: ExitCode.badInput,
  RUNNER_UNSUPPORTED: ExitCode.badInput,
  WRITE_REFUSED: ExitCode.badInput,
  FILES_TOO_LARGE: ExitCode.badInput,
  AccessError: ExitCode.badInput,
  ACCESS_FILE_UNREADABLE: ExitCode.badInput,
  ACCESS_CHANGED: ExitCode.refused,
  EGRESS_INVALID: ExitCode.badInput,
  NOTHING_RECORDED: ExitCode.badInput,
  AUDIT_LOG_NOT_FOUND: ExitCode.badInput,
  AUDIT_KEY_UNKNOWN: ExitCode.badInput,
  AUDIT_KEY_INVALID: ExitCode.badInput,
  AUDIT_MEMORY_INVALID: ExitCode.badInput,
  AUDIT_ENTRY_NOT_FOUND: ExitCode.badInput,
  AUDIT_RETENTION_INVALID: ExitCode.badInput,
  AUDIT_RETENTION_UNSET: ExitCode.badInput,
  AUDIT_HOLD_NOT_FOUND: ExitCode.badInput,
  AUDIT_RUN_ACTIVE: ExitCode.badInput,
  AUDIT_HELD: ExitCode.refused,
  PROVIDER_CONFIG_INVALID: ExitCode.badInput,
  SECRET_NOT_GIVEN: ExitCode.badInput,
  SECRET_PROVIDER_UNKNOWN: ExitCode.badInput,
  NOT_TRUSTED: ExitCode.refused,
  OBSERVE_FORBIDDEN: ExitCode.refused,
  OPERATOR_FILE_REFUSED: ExitCode.badInput,
  SANDBOX_UNSUPPORTED: ExitCode.guaranteeMissing,
  GUARANTEE_MISSING: ExitCode.guaranteeMissing,
  LEASE_UNWITNESSED: ExitCode.guaranteeMissing,
  WITNESS_QUORUM_MISSED: ExitCode.guaranteeMissing,
  AUDIT_KEY_UNWITNESSED: ExitCode.guaranteeMissing,
  AUDIT_POLICY_INVALID: ExitCode.badInput,
  HTTP_UNAVAILABLE: ExitCode.badInput,
  WITNESS_UNCONFIGURED: ExitCode.badInput,
  SECRET_NOT_FOUND: ExitCode.badInput,
  SECRET_VERSION_NOT_FOUND: ExitCode.badInput,
  SECRET_FIELD_MISSING: ExitCode.badInput,
  SECRET_TOO_LARGE: ExitCode.badInput,
  SECRET_EMPTY: ExitCode.badInput,
  SECRET_STORE_MISSING: ExitCode.badInput,
  SECRET_STORE_EXISTS: ExitCode.badInput,
  SECRET_STORE_WRONG_KEY: ExitCode.badInput,
  SECRET_STORE_DAMAGED: ExitCode.refused,
  SECRET_KEY_INVALID: ExitCode.badInput,
  SECRET_KEY_UNSAFE: ExitCode.refused,
  ROTATION_PENDING: ExitCode.badInput,
  ROTATION_FAILED: ExitCode.jobFailed,
  IDENTITY_ISSUER: ExitCode.badInput,
  IDENTITY_NOT_CONFIGURED: ExitCode.badInput,
  IDENTITY_CLAIM_INVALID: ExitCode.badInput,
  IDENTITY_TOO_EARLY: ExitCode.refused,
  TRUST_POLICY_INVALID: ExitCode.badInput,
  IMAGE_REFERENCE_INVALID: ExitCode.badInput,
  IMAGE_NOT_FOUND: ExitCode.badInput,
  IMAGE_REFUSED: ExitCode.badInput,
  IMAGE_ACCESS_DENIED: ExitCode.refused,
  IMAGE_NOT_ALLOWED: ExitCode.refused,
  IMAGE_AUTHORITY_UNREADABLE: ExitCode.badInput,
  IMAGE_TAMPERED: ExitCode.refused,
  IMAGE_STORE_UNSAFE: ExitCode.refused,
  IMAGE_TOOL_MISSING: ExitCode.guaranteeMissing,
  IMAGE_NEEDS_ROOT: ExitCode.guaranteeMissing,
  IMAGE_BUILD_FAILED: ExitCode.jobFailed,
  INTERRUPTED: ExitCode.interrupted,
}

/** Prints what was thrown for a person on stderr, and with `--json` for a program on stdout: the code that the process ends with, and that of the reason. */
export function reportError(thrown: unknown, context: Context, asJson: boolean): void {
  const { stdout, stderr, config } = context
  const style = createStyle(stderr.isTerminal && config.allowsColor)
  stderr.write(
    problemsOf(thrown)
      ?.map((problem) => renderProblem(problem, context.workingDirectory, style))
      .join('') ?? '',
  )
  stderr.write(renderError(thrown, style))
  if (config.isDebug && thrown instanceof Error) stderr.write(`${thrown.stack}\n`)
  if (asJson)
    stdout.write(`${jsonText({ exitCode: context.exitCode, error: { exitCode: exitCodeOf(thrown), ...describeError(thrown) } })}\n`)
}

/** An error can say its own exit code; the rest stands in the table, and what nobody foresaw is internal. */
export function exitCodeOf(thrown: unknown): number {
  if (!(thrown instanceof SallyportError)) return ExitCode.internal
  const own = 'exitCode' in thrown ? thrown.exitCode : undefined
  if (Object.values<unknown>(ExitCode).includes(own)) return own as ExitCode
  return EXIT_CODES[thrown.name] ?? EXIT_CODES[thrown.code] ?? ExitCode.internal
}

function describeError(thrown: unknown): Readonly<Record<string, unknown>> {
  if (!(thrown instanceof SallyportError)) return { code: 'INTERNAL', message: messageOf(thrown), hint: null }
  const { code, message, hint, details } = thrown
  return { code, message, hint: hint ?? null, details }
}

function renderError(thrown: unknown, style: Style): string {
  const { code, message, hint } = describeError(thrown) as { code: string; message: string; hint: string | null }
  const problems = problemsOf(thrown)
  const text =
    problems === null ? oneLine(message, 4000) : `${problems.length} problem${problems.length === 1 ? '' : 's'}, nothing was started`
  const second = hint ?? (code === 'INTERNAL' ? 'This is a fault of Sallyport; SALLYPORT_DEBUG=1 prints where it happened' : null)
  return `sallyport: ${style.bad(`error[${code}]`)}: ${text}\n${renderAsks(thrown)}${second === null ? '' : `  ${oneLine(second, 4000)}\n`}`
}

/** What was not trusted: a repository's words, so that each line of ours holds one of them and no more. */
function renderAsks(thrown: unknown): string {
  const asks = thrown instanceof SallyportError && thrown.code === 'NOT_TRUSTED' ? thrown.details['asks'] : null
  if (!Array.isArray(asks)) return ''
  return asks.map((ask) => `    ${renderAsk(String(ask))}\n`).join('')
}

function problemsOf(thrown: unknown): readonly Problem[] | null {
  return thrown instanceof SallyportError && (thrown.name === 'WorkflowError' || thrown.name === 'AccessError')
    ? ((thrown as SallyportError & { problems: readonly Problem[] }).problems ?? null)
    : null
}

/** As compilers do: where, what, the line itself with a mark below, what would be right. */
function renderProblem({ at, message, suggestion, kind }: Problem, directory: string, style: Style): string {
  const label = kind === 'unsupported' ? 'not supported' : 'error'
  const isOption = at.file.startsWith('--')
  const file = isOption ? at.file : shownFromHere(at.file, directory)
  const place = isOption ? `${oneLine(file)}:` : `${oneLine(file)}:${at.line}:${at.column}:`
  const head = `${style.bold(place)} ${style.bad(label)}: ${oneLine(message, 1000)}\n`
  const help = suggestion === null ? '' : `  ${oneLine(suggestion, 1000)}\n`
  if (isOption) return head + help
  return head + renderExcerpt(resolve(directory, file), at.line, at.column, style) + help
}

function renderExcerpt(path: string, line: number, column: number, style: Style): string {
  const source = readLine(path, line)
  if (source === null) return ''
  const gutter = String(line).padStart(5)
  const before = oneLine(source.slice(0, Math.max(0, column - 1)))
  return `${style.dim(`${gutter} │`)} ${oneLine(source)}\n${style.dim(`${' '.repeat(5)} │`)} ${' '.repeat(before.length)}${style.bad('^')}\n`
}

function readLine(path: string, line: number): string | null {
  try {
    return readInputFile(path, { option: 'the excerpt', bytesMax: EXCERPT_BYTES_MAX }).split(/\r?\n/)[line - 1] ?? null
  } catch {
    return null // The problem is reported without its line, e.g. for a file of a job's workspace.
  }
}
