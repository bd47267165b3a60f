// SPDX-License-Identifier: Apache-2.0
import type { AccessPlace, AccessReview, Agent } from '@sallyport/agent'
import { ExitCode } from '@sallyport/core'
import type { Command } from 'commander'
import type { Context } from '../context.ts'
import { type PlaceFlags, placeOf } from '../options/access-place.ts'
import { addAccessOption, addOperatorOption } from '../options/egress.ts'
import { addStateOption } from '../options/shared.ts'
import { readLines } from '../read-lines.ts'
import { renderReview } from '../terminal/review.ts'
import { createStyle } from '../terminal/style.ts'
import { UsageError } from '../usage-error.ts'

const EXAMPLES = `
Examples:
  sallyport trust                  show what sallyport.yml asks for, and ask whether jobs may have it
  sallyport trust --diff           what has changed since it was last approved
  sallyport trust --yes            approve without a question, after a look at the file
  sallyport trust --revoke         take back every approval of this repository

What is approved is what the file asks for, with the hosts that its presets mean on this machine: a comment may change, a host may not.
Exit codes: 0 approved, or nothing to approve; 2 nobody to ask; 3 not approved.`

interface TrustFlags extends PlaceFlags {
  readonly diff?: true
  readonly revoke?: true
  readonly yes?: true
  readonly json?: true
}

export function registerTrust(program: Command, context: Context): void {
  const command = program
    .command('trust')
    .description('Review and approve what sallyport.yml of this repository asks for.')
    .option('--diff', 'show what has changed since it was last approved')
    .option('--revoke', 'take back every approval of this repository')
    .option('--yes', 'approve without a question')
    .option('--json', 'the review as one JSON document; asks no question')
  addAccessOption(command)
  addOperatorOption(command)
  addStateOption(command)
  command.addHelpText('after', EXAMPLES).action((flags: TrustFlags) => trust(flags, context))
}

async function trust(flags: TrustFlags, context: Context): Promise<void> {
  if (flags.revoke === true && (flags.yes === true || flags.diff === true))
    throw new UsageError('USAGE', '--revoke takes approvals back: it goes with neither --yes nor --diff')
  const agent = await context.loadAgent()
  const place = placeOf(flags, context)
  if (flags.revoke === true) return revoke(agent, place, flags, context)
  const review = await agent.access.review(place)
  const style = createStyle(context.stdout.isTerminal && context.config.allowsColor)
  if (flags.json !== true) context.stdout.write(renderReview(review, style, { diff: flags.diff === true }))
  const isOpen = review.state === 'untrusted' || review.state === 'changed'
  const isApproved = isOpen && (await agrees(review, flags, context))
  if (isApproved) await agent.access.approve(place, review.digest)
  if (flags.json === true) context.stdout.write(`${JSON.stringify({ ...review, state: isApproved ? 'trusted' : review.state })}\n`)
  else context.stderr.write(`sallyport: ${isOpen && !isApproved ? 'not approved: jobs do not run with it' : OUTCOMES[review.state]}\n`)
  context.exitCode = isOpen && !isApproved ? ExitCode.refused : ExitCode.success
}

const OUTCOMES: Readonly<Record<AccessReview['state'], string>> = {
  'nothing-asked': 'there is nothing to approve',
  ceiling: "there is nothing to approve: the operator's file decides what of it jobs get",
  trusted: 'approved already',
  untrusted: 'approved',
  changed: 'approved',
}

/** @throws UsageError when there is nobody to ask. */
async function agrees({ state }: AccessReview, flags: TrustFlags, { stdin, stdinIsTerminal, stderr }: Context): Promise<boolean> {
  if (flags.yes === true) return true
  if (flags.json === true) return false
  if (!stdinIsTerminal)
    throw new UsageError('USAGE', 'Cannot ask whether to approve it: stdin is not a terminal', {
      hint: 'Review what is above, then: sallyport trust --yes',
    })
  stderr.write(state === 'changed' ? 'It was approved for something else. Allow this? [y/N] ' : 'Allow this? [y/N] ')
  for await (const line of readLines(stdin, ANSWER_BYTES_MAX)) return /^y(es)?$/i.test(line.trim())
  return false
}

const ANSWER_BYTES_MAX = 1024

async function revoke(agent: Agent, place: AccessPlace, flags: TrustFlags, { stdout, stderr }: Context): Promise<void> {
  const revoked = await agent.access.revoke(place)
  if (flags.json === true) stdout.write(`${JSON.stringify({ revoked })}\n`)
  else stderr.write(`sallyport: ${revoked === 0 ? 'nothing was approved' : `${revoked} approval${revoked === 1 ? '' : 's'} taken back`}\n`)
}
