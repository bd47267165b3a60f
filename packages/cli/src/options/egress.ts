// SPDX-License-Identifier: Apache-2.0
import { resolve } from 'node:path'
import type { EgressOptions } from '@sallyport/agent'
import type { Command } from 'commander'
import type { Context } from '../context.ts'
import { UsageError } from '../usage-error.ts'
import { collect } from './shared.ts'

const MODES: Readonly<Record<string, EgressOptions['mode']>> = { enforce: 'enforce', observe: 'observe' }

export interface EgressFlags {
  readonly allow: readonly string[]
  readonly egress: EgressOptions['mode']
  readonly resolve: readonly string[]
  readonly config?: string
  readonly access?: string
}

/** What may leave a sandbox: nothing, unless one of these or an access file says so. */
export function addEgressOptions(command: Command): void {
  command
    .option('--allow <host[:port]>', 'let connections to this host out (port 443 unless given); may be repeated', collect, [])
    .option('--egress <mode>', 'observe: block nothing, record everything, where the operator allows it', parseMode, 'enforce')
    .option('--resolve <host:address>', 'what a name stands for, without asking a name server; may be repeated', collect, [])
  addOperatorOption(command)
}

export function addOperatorOption(command: Command): void {
  command.option('--config <file>', "the operator's file (default: /etc/sallyport/config.yml, if there is one)")
}

export function addAccessOption(command: Command): void {
  command.option('--access <file>', 'what the jobs ask for (default: sallyport.yml of the repository, if there is one)')
}

function parseMode(text: string): EgressOptions['mode'] {
  const mode = Object.hasOwn(MODES, text) ? MODES[text] : undefined
  if (mode !== undefined) return mode
  throw new UsageError('USAGE', `--egress: there is no mode "${text}"`, { hint: 'Write --egress observe, or leave it out' })
}

export function readEgress(flags: EgressFlags, { workingDirectory }: Context): EgressOptions {
  return {
    allow: flags.allow,
    mode: flags.egress,
    resolve: flags.resolve,
    operatorFile: fileOf(flags.config, workingDirectory),
    accessFile: fileOf(flags.access, workingDirectory),
  }
}

/** A file that an option names, from where the user is. */
export function fileOf(name: string | undefined, directory: string): string | null {
  return name === undefined ? null : resolve(directory, name)
}
