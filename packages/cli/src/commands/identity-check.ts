// SPDX-License-Identifier: Apache-2.0
import { resolve } from 'node:path'
import { ExitCode } from '@sallyport/core'
import type { CheckedPolicy, Finding } from '@sallyport/identity'
import type { Command } from 'commander'
import type { Context } from '../context.ts'
import { readInputFile } from '../options/input-file.ts'
import { addUnusedStateOption } from '../options/shared.ts'
import { oneLine } from '../terminal/sanitize.ts'
import { createStyle, type Style } from '../terminal/style.ts'

const EXAMPLES = `
Examples:
  sallyport identity check trust-policy.json
  aws iam get-role --role-name ci > role.json; sallyport identity check role.json
  bao read -format=json auth/jwt/role/ci > role.json; sallyport identity check role.json

It reads the trust policy of an AWS role, federated credentials of Azure, a provider of a Google workload identity pool, and JWT roles of Vault
and OpenBao, and says whom each lets in that its author can hardly have meant.

Exit codes: 0 nothing was found, 1 something was, 2 a file is no trust policy.`

interface Flags {
  readonly json?: true
}

interface CheckedFile extends CheckedPolicy {
  readonly file: string
}

const POLICY_BYTES_MAX = 256 * 1024

export function registerIdentityCheck(identity: Command, context: Context): void {
  const command = identity
    .command('check')
    .argument('<file...>', 'trust policies, JSON or the same as YAML')
    .description('Find over-broad subjects in trust policies.')
    .option('--json', 'one JSON document')
  addUnusedStateOption(command)
  command.addHelpText('after', EXAMPLES).action((files: string[], flags: Flags) => check(files, flags, context))
}

async function check(files: readonly string[], flags: Flags, context: Context): Promise<void> {
  const { stdout, config, workingDirectory } = context
  const { checkTrustPolicy } = await import('@sallyport/identity')
  const checked: CheckedFile[] = []
  for (const file of files) {
    const text = readInputFile(resolve(workingDirectory, file), { option: 'identity check', bytesMax: POLICY_BYTES_MAX })
    checked.push({ file, ...(await checkTrustPolicy(file, text)) })
  }
  const style = createStyle(stdout.isTerminal && config.allowsColor)
  stdout.write(
    flags.json === true
      ? `${JSON.stringify({ files: checked.map(describeFile) })}\n`
      : checked.map((one) => renderFile(one, style)).join(''),
  )
  context.exitCode = checked.every(({ findings }) => findings.length === 0) ? ExitCode.success : ExitCode.jobFailed
}

function describeFile({ file, kind, findings }: CheckedFile): object {
  return { file, kind, findings: findings.map(({ at: { line, column }, ...finding }) => ({ ...finding, line, column })) }
}

function renderFile({ file, kind, findings }: CheckedFile, style: Style): string {
  if (findings.length === 0) return `${oneLine(file, 1000)}: ${style.good('nothing found')} (${kind})\n`
  return findings.map((finding) => renderFinding(finding, style)).join('')
}

function renderFinding({ rule, at, path, message, remedy }: Finding, style: Style): string {
  const place = `${oneLine(at.file, 1000)}:${at.line}:${at.column}:`
  const where = path === '' ? '' : `  at ${oneLine(path, 500)}\n`
  return `${style.bold(place)} ${style.bad(rule)}: ${oneLine(message, 1000)}\n${where}  write ${oneLine(remedy, 1000)}\n`
}
