// SPDX-License-Identifier: Apache-2.0
import { resolve } from 'node:path'
import type { AuditPlace } from '@sallyport/agent'
import type { Command } from 'commander'
import type { Context } from '../context.ts'
import { addStateOption, stateDirectoryOf } from './shared.ts'

export interface AuditFlags {
  readonly state?: string
  readonly key?: string
  readonly json?: true
}

export function addAuditOptions(command: Command): void {
  command.option('--key <vkey>', 'trust this key of the log, NAME+ID+KEY, instead of those that its signer has noted')
  addStateOption(command)
}

export function auditPlaceOf(directory: string | undefined, flags: AuditFlags, { config, workingDirectory }: Context): AuditPlace {
  return {
    stateDirectory: stateDirectoryOf(flags, config.stateDirectory),
    directory: directory === undefined ? null : resolve(workingDirectory, directory),
    key: flags.key ?? null,
  }
}
