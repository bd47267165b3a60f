// SPDX-License-Identifier: Apache-2.0

const COMMAND = /^::([a-z-]+)((?: [^:]*)?)::(.*)$/
const LEVELS: Readonly<Record<string, string>> = { error: 'Error', warning: 'Warning', notice: 'Notice' }
const SILENT: readonly string[] = [
  'endgroup',
  'add-mask',
  'set-output',
  'save-state',
  'debug',
  'add-matcher',
  'remove-matcher',
  'echo',
  'stop-commands',
]

/** How a line of a job's output is shown: workflow commands as what they mean, null for those that mean nothing to a reader. */
export function showLine(line: string): string | null {
  const match = line.startsWith('::') ? COMMAND.exec(line) : null
  if (match === null) return line
  const [, command = '', , message = ''] = match
  if (command === 'group') return `▶ ${message}`
  if (SILENT.includes(command)) return null
  const level = Object.hasOwn(LEVELS, command) ? LEVELS[command] : undefined
  return level === undefined ? line : `${level}: ${message.replaceAll('%0A', ' ').replaceAll('%0D', '').replaceAll('%25', '%')}`
}
