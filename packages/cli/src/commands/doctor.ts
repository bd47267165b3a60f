// SPDX-License-Identifier: Apache-2.0
import type { DoctorReport } from '@sallyport/agent'
import { ExitCode } from '@sallyport/core'
import type { Command } from 'commander'
import type { Context } from '../context.ts'
import { addStateOption, stateDirectoryOf } from '../options/shared.ts'
import { oneLine } from '../terminal/sanitize.ts'
import { createStyle, type Style } from '../terminal/style.ts'
import { renderTable } from '../terminal/table.ts'

const EXAMPLES = `
Examples:
  sallyport doctor
  sallyport doctor --json | jq '.checks[] | select(.ok | not)'

Exit codes: 0 jobs can run here with every guarantee, 5 they cannot.`

export function registerDoctor(program: Command, context: Context): void {
  const command = program
    .command('doctor')
    .description('Measure what this host can enforce, and say how to fix what it cannot.')
    .option('--json', 'the report as one JSON document')
  addStateOption(command)
  command.addHelpText('after', EXAMPLES).action((flags: { json?: true; state?: string }) => doctor(flags, context))
}

async function doctor(flags: { readonly json?: true; readonly state?: string }, context: Context): Promise<void> {
  const { stdout, config } = context
  const agent = await context.loadAgent()
  const report = await agent.doctor(stateDirectoryOf(flags, config.stateDirectory))
  const usable = isUsable(report)
  stdout.write(
    flags.json === true
      ? `${JSON.stringify({ ...report, usable })}\n`
      : renderReport(report, usable, createStyle(stdout.isTerminal && config.allowsColor)),
  )
  context.exitCode = usable ? ExitCode.success : ExitCode.guaranteeMissing
}

/** A guarantee that nobody could measure is not given. */
function isUsable({ checks, drivers, guarantees }: DoctorReport): boolean {
  const required = checks.every(({ ok, required }) => ok || !required)
  return required && drivers.some(({ usable }) => usable) && guarantees.length > 0 && guarantees.every(({ holds }) => holds)
}

function renderReport({ host, checks, drivers, guarantees }: DoctorReport, usable: boolean, style: Style): string {
  const sign = (ok: boolean, required: boolean): string => (ok ? style.good('✓') : required ? style.bad('✗') : style.warn('!'))
  const checkRows = checks.map(({ name, ok, required, found, fix }) => [
    `${sign(ok, required)} ${oneLine(name)}`,
    oneLine(found),
    ok ? '' : oneLine(fix ?? '', 1000),
  ])
  const driverRows = drivers.map(({ driver, version, usable, reason, hint }) => [
    `${sign(usable, false)} ${oneLine(driver)}`,
    oneLine(version ?? 'not found'),
    usable
      ? ''
      : [reason, hint]
          .filter((text) => text !== null)
          .map((text) => oneLine(text, 1000))
          .join('; '),
  ])
  const guaranteeRows = [...Map.groupBy(guarantees, ({ guarantee }) => guarantee)].flatMap(([guarantee, results]) => {
    const broken = results.filter(({ holds }) => !holds)
    const proven = results.length === 1 ? oneLine(results[0]?.evidence ?? '', 1000) : `${results.length} checks`
    return broken.length === 0
      ? [[`${sign(true, true)} ${guarantee}`, proven]]
      : broken.map(({ evidence }) => [`${sign(false, true)} ${guarantee}`, oneLine(evidence, 1000)])
  })
  const started = guaranteeRows.length > 0 ? renderTable(guaranteeRows) : `${style.bad('✗')} no sandbox could be started\n`
  return [
    `${oneLine(host.os)}, kernel ${oneLine(host.kernel)}, ${oneLine(host.arch)}, cgroup ${host.cgroup}, Node ${oneLine(host.node)}\n`,
    `${style.bold('Host')}\n${renderTable(checkRows)}`,
    `${style.bold('Drivers')}\n${renderTable(driverRows)}`,
    `${style.bold('Guarantees, proven in a sandbox just now')}\n${started}`,
    usable ? `${style.good('usable')}: jobs get every guarantee here\n` : `${style.bad('not usable')}: see the lines marked ✗\n`,
  ].join('\n')
}
