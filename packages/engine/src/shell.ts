// SPDX-License-Identifier: Apache-2.0
import { EngineError } from './errors.ts'

export interface ShellCommand {
  /** With the script's path in place of `{0}`. */
  readonly argv: readonly string[]
  readonly script: { readonly name: string; readonly content: string }
}

interface KnownShell {
  readonly template: string
  readonly extension: string
  readonly wrap?: (script: string) => string
}

/** Current Debian and Ubuntu have Python as `python3` alone; GitHub's images have both names. */
const PYTHON = String.raw`sh -c "command -v python >/dev/null && exec python \"$0\"; exec python3 \"$0\"" {0}`

/** GitHub's documented command lines for Linux. */
const SHELLS: Readonly<Record<string, KnownShell>> = {
  bash: { template: 'bash --noprofile --norc -eo pipefail {0}', extension: '.sh' },
  sh: { template: 'sh -e {0}', extension: '.sh' },
  python: { template: PYTHON, extension: '.py' },
  pwsh: { template: `pwsh -command ". '{0}'"`, extension: '.ps1', wrap: wrapPowerShell },
}

/** `shell` unspecified: bash without `pipefail`, or sh where there is no bash. */
const DEFAULT_SHELLS = {
  bash: { template: 'bash -e {0}', extension: '.sh' },
  sh: { template: 'sh -e {0}', extension: '.sh' },
} as const satisfies Readonly<Record<string, KnownShell>>
const WINDOWS_SHELLS: ReadonlySet<string> = new Set(['cmd', 'powershell'])
const KNOWN = Object.keys(SHELLS).join(', ')

export interface ShellPlace {
  /** Where the script lies. */
  readonly directory: string
  /** See `JobImageFacts.shell`. */
  readonly fallback: 'bash' | 'sh' | null
}

/**
 * The command line that runs `script` with what `shell:` says; null when it says nothing.
 *
 * @throws EngineError ENGINE_SHELL_INVALID
 */
export function shellCommand(shell: string | null, script: string, { directory, fallback }: ShellPlace): ShellCommand {
  const known = shell === null || shell === '' ? defaultShell(fallback) : knownShell(shell)
  const name = `script${known.extension}`
  const path = `${directory}/${name}`
  return {
    argv: splitArguments(known.template).map((argument) => argument.replaceAll('{0}', () => path)),
    script: { name, content: known.wrap?.(script) ?? script },
  }
}

function defaultShell(fallback: ShellPlace['fallback']): KnownShell {
  if (fallback !== null) return DEFAULT_SHELLS[fallback]
  throw invalid("Cannot run a script: the job's image has neither bash nor sh; use an image that has one, or name a program with shell:")
}

function knownShell(shell: string): KnownShell {
  const known = Object.hasOwn(SHELLS, shell) ? SHELLS[shell] : undefined
  if (known !== undefined) return known
  if (WINDOWS_SHELLS.has(shell)) throw invalid(`Cannot use shell "${shell}": it exists on Windows only; use one of ${KNOWN}`)
  if (!shell.includes('{0}')) {
    throw invalid(`Cannot use shell ${JSON.stringify(shell)}: it is none of ${KNOWN}, and holds no "{0}" for the script's path`)
  }
  return { template: shell, extension: '' }
}

/** As documented: stop at the first error, and end with the exit code of the last program. */
function wrapPowerShell(script: string): string {
  return `$ErrorActionPreference = 'stop'\n${script}\nif ((Test-Path -LiteralPath variable:\\LASTEXITCODE)) { exit $LASTEXITCODE }\n`
}

/**
 * Splits a custom shell at blanks outside of double quotes; `\"` is a quote. Single quotes mean nothing, as on
 * GitHub. No shell ever reads the line, so `;`, `$(…)` and the like are plain text.
 */
function splitArguments(template: string): readonly string[] {
  const parts: string[] = []
  let part: string | null = null
  let quoted = false
  for (let index = 0; index < template.length; index += 1) {
    const character = template.charAt(index)
    if (character === '\\' && template.charAt(index + 1) === '"') {
      part = `${part ?? ''}"`
      index += 1
    } else if (character === '"') {
      quoted = !quoted
      part ??= ''
    } else if (!quoted && /\s/.test(character)) {
      if (part !== null) parts.push(part)
      part = null
    } else {
      part = (part ?? '') + character
    }
  }
  if (quoted) throw invalid(`Cannot use shell ${JSON.stringify(template)}: a double quote is not closed`)
  return part === null ? parts : [...parts, part]
}

function invalid(message: string): EngineError {
  return new EngineError('ENGINE_SHELL_INVALID', message)
}
