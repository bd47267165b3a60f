// SPDX-License-Identifier: Apache-2.0
import { closeSync, constants, fstatSync, openSync } from 'node:fs'
import { resolve } from 'node:path'
import type { OwnRegistries } from '@sallyport/agent'
import type { ImageStore, RegistryCredentials } from '@sallyport/images'
import { type Command, Option } from 'commander'
import type { Context } from '../context.ts'
import { UsageError } from '../usage-error.ts'
import { addOperatorOption } from './egress.ts'
import { readInputFile } from './input-file.ts'
import { addStateOption, collect, stateDirectoryOf } from './shared.ts'

const CREDENTIALS_BYTES_MAX = 64 * 1024
const AUTHORITY_BYTES_MAX = 2 ** 20

export interface StoreFlags {
  readonly state?: string
  readonly json?: true
}

export interface RegistryFlags extends StoreFlags {
  readonly credentials?: string
  readonly config?: string
  readonly defaultRegistry?: string
  readonly authority: readonly string[]
  readonly dangerouslyWithoutTls: readonly string[]
}

export function addRegistryOptions(command: Command): void {
  command
    .option('--credentials <file>', 'a file that only you can read, with USERNAME:PASSWORD for the registry')
    .option('--default-registry <registry>', 'what a reference without a registry means: HOST[:PORT][/PATH]')
    .addOption(
      new Option('--authority <host=file>', "certificates (PEM) that a registry's may be issued by; may be repeated")
        .argParser(collect)
        .default([]),
    )
    .addOption(
      new Option('--dangerously-without-tls <host>', 'speak to this registry without TLS; may be repeated').argParser(collect).default([]),
    )
  addOperatorOption(command)
  addStateOption(command)
}

export async function openStore(flags: StoreFlags, { config }: Context): Promise<ImageStore> {
  const { openStateImages } = await import('@sallyport/images')
  return openStateImages(stateDirectoryOf(flags, config.stateDirectory))
}

/** What the command line alone says of registries. */
export function readRegistries(
  { defaultRegistry, authority, dangerouslyWithoutTls }: RegistryFlags,
  { workingDirectory }: Context,
): OwnRegistries {
  return {
    defaultRegistry: defaultRegistry ?? null,
    authorities: Object.fromEntries(authority.map((text) => parseAuthority(text, workingDirectory))),
    dangerouslyWithoutTls,
  }
}

function parseAuthority(text: string, directory: string): readonly [string, string] {
  const equals = text.indexOf('=')
  if (equals < 1)
    throw new UsageError('USAGE', `--authority: "${text}" is not HOST[:PORT]=FILE`, {
      hint: 'Write --authority registry.example.test=ca.pem',
    })
  const file = resolve(directory, text.slice(equals + 1))
  return [text.slice(0, equals), readInputFile(file, { option: '--authority', bytesMax: AUTHORITY_BYTES_MAX })]
}

/** @throws UsageError also where others can read the file: no message repeats what is in it. */
export function readCredentials(flags: RegistryFlags, { workingDirectory }: Context): RegistryCredentials | null {
  if (flags.credentials === undefined) return null
  const path = resolve(workingDirectory, flags.credentials)
  assertPrivate(path)
  const [line = '', ...more] = readInputFile(path, { option: '--credentials', bytesMax: CREDENTIALS_BYTES_MAX })
    .replace(/\r?\n$/, '')
    .split('\n')
  const colon = line.indexOf(':')
  if (more.length === 0 && colon > 0 && colon < line.length - 1) return { username: line.slice(0, colon), password: line.slice(colon + 1) }
  throw new UsageError('FILE_INVALID', `Cannot use "${path}" for --credentials: it is not one line USERNAME:PASSWORD`)
}

function assertPrivate(path: string): void {
  let fd: number
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
  } catch {
    return // Said by who reads it.
  }
  try {
    if ((fstatSync(fd).mode & 0o077) === 0) return
  } finally {
    closeSync(fd)
  }
  throw new UsageError('FILE_UNREADABLE', `Cannot use "${path}" for --credentials: others can read it`, { hint: `chmod 600 ${path}` })
}
