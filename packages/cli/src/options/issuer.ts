// SPDX-License-Identifier: Apache-2.0
import { identityDirectory, type KeyRing, readRing, startMinter } from '@sallyport/identity'
import type { Command } from 'commander'
import type { Context } from '../context.ts'
import { addStateOption, stateDirectoryOf } from './shared.ts'

export interface IssuerFlags {
  readonly issuer?: string
  readonly state?: string
  readonly json?: true
}

export interface Issuer {
  readonly directory: string
  readonly ring: KeyRing
}

export function addIssuerOptions(command: Command): void {
  command.option('--issuer <url>', 'URL under which verifiers find the keys; needed once, when they are made')
  addStateOption(command)
}

/** The keys of the state directory; made by a minter, and by nobody else, where there are none. */
export async function openIssuer(flags: IssuerFlags, { config }: Context): Promise<Issuer> {
  const directory = identityDirectory(stateDirectoryOf(flags, config.stateDirectory))
  const ring = await readRing(directory)
  if (ring !== null && (flags.issuer === undefined || flags.issuer === ring.issuer)) return { directory, ring }
  using _minter = await startMinter(directory, flags.issuer ?? null)
  const made = await readRing(directory)
  if (made === null) throw new TypeError('a minter that has started has keys')
  return { directory, ring: made }
}
