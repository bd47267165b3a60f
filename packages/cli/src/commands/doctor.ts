// SPDX-License-Identifier: Apache-2.0
import type { Agent, DoctorReport } from '@sallyport/agent'
import { ExitCode, SallyportError } from '@sallyport/core'
import type { Command } from 'commander'
import type { Context } from '../context.ts'
import { fileOf } from '../options/egress.ts'
import { addStateOption, stateDirectoryOf } from '../options/shared.ts'
import { oneLine } from '../terminal/sanitize.ts'
import { createStyle, type Style } from '../terminal/style.ts'
import { renderTable } from '../terminal/table.ts'
import { UsageError } from '../usage-error.ts'
import { renderHost } from './doctor-host.ts'

const EXAMPLES = `
Examples:
  sallyport doctor
  sallyport doctor --json | jq '.checks[] | select(.ok | not)'
  sudo sallyport doctor --host --egress > /etc/systemd/system/sallyport-publish.service.d/egress.conf
  sudo sallyport doctor --host          how well the host itself is defended, what changed since the last check

Exit codes: 0 jobs can run here with every guarantee (--host: nothing that a wall leans on is missing), 5 they cannot.`

export function registerDoctor(program: Command, context: Context): void {
  const command = program
    .command('doctor')
    .description('Measure what this host can enforce, and say how to fix what it cannot.')
    .option('--host', 'check the hardening of the host itself; changes nothing, and remembers what it found')
    .option('--egress', 'with --host: where Sallyport itself dials to, as a drop-in of systemd that refuses it all else')
    .option('--config <file>', "the operator's file, whose mode is checked with --host (default: /etc/sallyport/config.yml)")
    .option('--json', 'the report as one JSON document')
  addStateOption(command)
  command.addHelpText('after', EXAMPLES).action((flags: DoctorFlags) => doctor(flags, context))
}

interface DoctorFlags {
  readonly host?: true
  readonly egress?: true
  readonly config?: string
  readonly json?: true
  readonly state?: string
}

async function doctor(flags: DoctorFlags, context: Context): Promise<void> {
  const { stdout, config } = context
  await becomeOwnRootIfPossible(context)
  const agent = await context.loadAgent()
  if (flags.egress === true && flags.host !== true)
    throw new UsageError('USAGE', '--egress is about the host: it needs --host', { hint: 'Write sallyport doctor --host --egress' })
  if (flags.host === true) return doctorHost(agent, flags, context)
  const report = await agent.doctor(stateDirectoryOf(flags, config.stateDirectory))
  const usable = isUsable(report)
  stdout.write(
    flags.json === true
      ? `${JSON.stringify({ ...report, usable })}\n`
      : renderReport(report, usable, createStyle(stdout.isTerminal && config.allowsColor)),
  )
  context.exitCode = usable ? ExitCode.success : ExitCode.guaranteeMissing
}

async function doctorHost(agent: Agent, flags: DoctorFlags, context: Context): Promise<void> {
  const { stdout, config, workingDirectory } = context
  const operatorFile = fileOf(flags.config, workingDirectory)
  if (flags.egress === true) {
    const egress = await agent.supervisorEgress(stateDirectoryOf(flags, config.stateDirectory), operatorFile)
    stdout.write(flags.json === true ? `${JSON.stringify(egress)}\n` : egress.fragment)
    return
  }
  const report = await agent.hardening(stateDirectoryOf(flags, config.stateDirectory), operatorFile)
  stdout.write(
    flags.json === true ? `${JSON.stringify(report)}\n` : renderHost(report, createStyle(stdout.isTerminal && config.allowsColor)),
  )
  context.exitCode = report.hardened ? ExitCode.success : ExitCode.guaranteeMissing
}

/** What is in the way is a line of the report. */
async function becomeOwnRootIfPossible(context: Context): Promise<void> {
  try {
    await context.becomeOwnRoot(ExitCode.guaranteeMissing)
  } catch (error) {
    if (!(error instanceof SallyportError)) throw error
  }
}

/** A guarantee that nobody could measure is not given; one that was declared missing is no surprise. */
function isUsable({ checks, drivers, guarantees, weaker }: DoctorReport): boolean {
  const required = checks.every(({ ok, required }) => ok || !required)
  return (
    required &&
    drivers.some(({ usable }) => usable) &&
    guarantees.length > 0 &&
    guarantees.every(({ holds, guarantee }) => holds || weaker.some(({ name }) => name === guarantee))
  )
}

function renderReport({ host, checks, drivers, guarantees, weaker }: DoctorReport, usable: boolean, style: Style): string {
  const sign = (ok: boolean, required: boolean): string => (ok ? style.good('✓') : required ? style.bad('✗') : style.warn('!'))
  const checkRows = checks.map(({ name, ok, required, found, fix }) => [
    `${sign(ok, required)} ${oneLine(name)}`,
    oneLine(found),
    ok ? '' : oneLine(fix ?? '', 1000),
  ])
  const driverRows = drivers.map(({ driver, version, usable, reason, hint, ...more }) => [
    `${sign(usable, false)} ${oneLine(driver)}`,
    oneLine(version ?? 'not found'),
    usable
      ? oneLine(describeDriver(more), 1000)
      : [reason, hint]
          .filter((text) => text !== null)
          .map((text) => oneLine(text, 1000))
          .join('; '),
  ])
  const started = guarantees.length > 0 ? renderGuarantees(drivers, weaker, sign) : `${style.bad('✗')} no sandbox could be started\n`
  return [
    `${oneLine(host.os)}, kernel ${oneLine(host.kernel)}, ${oneLine(host.arch)}, cgroup ${host.cgroup}, Node ${oneLine(host.node)}\n`,
    `${style.bold('Host')}\n${renderTable(checkRows)}`,
    `${style.bold('Drivers')}\n${renderTable(driverRows)}`,
    `${style.bold('Guarantees, proven in a sandbox of each driver just now')}\n${started}`,
    ...(weaker.length === 0 ? [] : [renderWeaker(weaker, style)]),
    usable
      ? `${style.good('usable')}: jobs get every guarantee here${weaker.length === 0 ? '' : ' but those that are weaker'}\n`
      : `${style.bad('not usable')}: see the lines marked ✗\n`,
  ].join('\n')
}

function renderWeaker(weaker: DoctorReport['weaker'], style: Style): string {
  const rows = weaker.map(({ name, text, fix }) => [`${style.warn('!')} ${name}`, oneLine(text, 1000), oneLine(fix, 1000)])
  return `${style.bold('Weaker without root')}\n${renderTable(rows)}`
}

type Driver = DoctorReport['drivers'][number]

/** One row a guarantee, one column a driver of which a sandbox was started: how many checks, and whose kernel answered. What broke follows, line by line. */
function renderGuarantees(
  drivers: readonly Driver[],
  weaker: DoctorReport['weaker'],
  sign: (ok: boolean, required: boolean) => string,
): string {
  const isRequired = (name: string): boolean => weaker.every((weak) => weak.name !== name)
  const started = drivers.filter(({ guarantees }) => guarantees.length > 0)
  const names = [...new Set(started.flatMap(({ guarantees }) => guarantees.map(({ guarantee }) => guarantee)))]
  const cell = (name: string, { guarantees }: Driver): string => {
    const results = guarantees.filter(({ guarantee }) => guarantee === name)
    const broken = results.filter(({ holds }) => !holds)
    if (results.length === 0 || broken.length > 0) return `${sign(false, isRequired(name))} ${broken.length} of ${results.length} fail`
    return `${sign(true, true)} ${results.length} ${[...new Set(results.map(({ by }) => by))].toSorted().join('+')}`
  }
  const rows = names.map((name) => [name, ...started.map((driver) => cell(name, driver))])
  const broken = started.flatMap(({ driver, guarantees }) =>
    guarantees
      .filter(({ holds }) => !holds)
      .map(({ guarantee, evidence }) => [`${sign(false, isRequired(guarantee))} ${driver}: ${guarantee}`, oneLine(evidence, 1000)]),
  )
  const table = renderTable([['', ...started.map(({ driver }) => driver)], ...rows])
  return broken.length === 0 ? table : `${table}\n${renderTable(broken)}`
}

function describeDriver({ traits, platforms, tracePoints }: Pick<Driver, 'traits' | 'platforms' | 'tracePoints'>): string {
  const works = platforms.filter((platform) => platform.works).map(({ name }) => name)
  const not = platforms.filter((platform) => !platform.works).map(({ name, reason }) => `${name}: ${reason}`)
  return [
    `kernel ${traits.kernel}`,
    `steps told apart ${traits.attributesSteps}`,
    `programs of connections ${traits.attributesPrograms ? 'known' : 'unknown'}`,
    `leftovers ${traits.leftovers}`,
    ...(works.length === 0 ? [] : [`platform ${works[0]} (${[...works.slice(1), ...not].join('; ')})`]),
    ...(tracePoints === null ? [] : [`${tracePoints} trace points`]),
  ].join(', ')
}
