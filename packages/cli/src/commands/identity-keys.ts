// SPDX-License-Identifier: Apache-2.0
import type { RingKey } from '@sallyport/identity'
import type { Command } from 'commander'
import type { Context } from '../context.ts'
import { addIssuerOptions, type Issuer, type IssuerFlags } from '../options/issuer.ts'
import { renderTable } from '../terminal/table.ts'

const EXAMPLES = `
Examples:
  sallyport identity keys

current keys sign; next ones are published, so that verifiers know them when they do; retired ones are published until their last token has
expired.`

export function registerIdentityKeys(identity: Command, context: Context): void {
  const command = identity.command('keys').description('List the keys.').option('--json', 'one JSON document')
  addIssuerOptions(command)
  command.addHelpText('after', EXAMPLES).action((flags: IssuerFlags) => listKeys(flags, context))
}

async function listKeys(flags: IssuerFlags, context: Context): Promise<void> {
  const { openIssuer } = await import('../options/issuer.ts')
  context.stdout.write(renderIssuer(await openIssuer(flags, context), flags))
}

export function renderIssuer({ ring }: Issuer, { json }: IssuerFlags): string {
  const keys = ring.keys.map(describeKey)
  if (json === true) return `${JSON.stringify({ issuer: ring.issuer, keys })}\n`
  const rows = keys.map(({ kid, algorithm, state, publishedAt, signsFrom, expiresAt }) => [
    state,
    algorithm,
    kid,
    `published ${publishedAt}`,
    signsFrom === null ? '' : `signs from ${signsFrom}`,
    expiresAt === null ? '' : `published until ${expiresAt}`,
  ])
  return `${ring.issuer}\n${renderTable(rows)}`
}

interface DescribedKey extends Pick<RingKey, 'kid' | 'algorithm' | 'state'> {
  readonly publishedAt: string
  readonly signsFrom: string | null
  readonly expiresAt: string | null
}

function describeKey({ kid, algorithm, state, publishedAtS, signsFromS, expiresAtS }: RingKey): DescribedKey {
  const time = (atS: number): string => new Date(atS * 1000).toISOString()
  const orNull = (atS: number | null): string | null => (atS === null ? null : time(atS))
  return { kid, algorithm, state, publishedAt: time(publishedAtS), signsFrom: orNull(signsFromS), expiresAt: orNull(expiresAtS) }
}
