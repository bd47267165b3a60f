// SPDX-License-Identifier: Apache-2.0
import type { SecretSource } from '../config.ts'
import { UsageError } from '../usage-error.ts'
import { parseDotenv } from './dotenv.ts'
import { readInputFile } from './input-file.ts'

const SECRET_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/
const VALUE_BYTES_MAX = 64 * 1024
const FILE_BYTES_MAX = 2 ** 20

export interface SecretOptions {
  /** `NAME` or `NAME=@FILE`. */
  readonly secret: readonly string[]
  readonly secretsFile: readonly string[]
}

/** Values by upper-case name. `--secret` wins over a file; the same name twice in one place is a mistake. */
export function readSecrets(options: SecretOptions, source: SecretSource): Readonly<Record<string, string>> {
  const values = new Map<string, string>()
  for (const file of options.secretsFile) {
    for (const { name, value } of readSecretsFile(file)) put(values, name, value)
  }
  const named = new Map<string, string>()
  for (const text of options.secret) put(named, ...readSecret(text, source))
  return Object.fromEntries([...values, ...named])
}

export function readSecretsFile(file: string): readonly { readonly name: string; readonly value: string }[] {
  return parseDotenv(file, readInputFile(file, { option: '--secrets-file', bytesMax: FILE_BYTES_MAX }))
}

const DELIVERIES: Readonly<Record<string, 'env' | 'file' | 'fd'>> = { env: 'env', file: 'file', fd: 'fd' }

/** `--deliver NAME=file|fd|env`, of secrets that are given; in the environment unless it says otherwise. */
export function readDeliveries(
  texts: readonly string[],
  secrets: Readonly<Record<string, string>>,
): Readonly<Record<string, 'file' | 'fd'>> {
  const kinds = new Map<string, 'env' | 'file' | 'fd'>()
  for (const text of texts) {
    const at = text.indexOf('=')
    const name = checkName(at === -1 ? text : text.slice(0, at)).toUpperCase()
    const kind = readDelivery(at === -1 ? '' : text.slice(at + 1), name)
    if (!Object.hasOwn(secrets, name))
      throw new UsageError('USAGE', `--deliver: no secret "${name}" is given`, { hint: `Give it with --secret ${name}` })
    if (kinds.has(name))
      throw new UsageError('USAGE', `--deliver: "${name}" is given twice`, { hint: 'Each secret is delivered in one way' })
    kinds.set(name, kind)
  }
  return Object.fromEntries([...kinds].flatMap(([name, kind]) => (kind === 'env' ? [] : [[name, kind]])))
}

function readDelivery(text: string, name: string): 'env' | 'file' | 'fd' {
  const kind = Object.hasOwn(DELIVERIES, text) ? DELIVERIES[text] : undefined
  if (kind !== undefined) return kind
  // What stands there may be a value that somebody mistook the option for, and is not repeated.
  throw new UsageError('USAGE', `--deliver ${name}: that is no delivery`, { hint: `Write --deliver ${name}=file, =fd or =env` })
}

function put(values: Map<string, string>, name: string, value: string): void {
  const upper = checkName(name).toUpperCase()
  if (values.has(upper))
    throw new UsageError('USAGE', `Secret "${upper}" is given twice`, { hint: 'Names of secrets do not differ by case alone' })
  values.set(upper, value)
}

function checkName(name: string): string {
  const hint = 'Letters, digits and _, not beginning with a digit or with GITHUB_'
  if (SECRET_NAME.test(name) && !name.toUpperCase().startsWith('GITHUB_')) return name
  throw new UsageError('USAGE', `"${name}" cannot be the name of a secret`, { hint })
}

function readSecret(text: string, source: SecretSource): [string, string] {
  const at = text.indexOf('=')
  const name = checkName(at === -1 ? text : text.slice(0, at))
  if (at === -1) return [name, fromEnvironment(name, source)]
  if (text[at + 1] !== '@') refuseValue(name)
  return [name, trimSingleLine(readInputFile(text.slice(at + 2), { option: `--secret ${name}`, bytesMax: VALUE_BYTES_MAX }))]
}

function fromEnvironment(name: string, source: SecretSource): string {
  const value = source.read(name)
  if (value !== undefined) return value
  const hint = `Set it for this command only, for example: ${name}="$(cat FILE)" sallyport …, or write --secret ${name}=@FILE`
  throw new UsageError('SECRET_MISSING', `Cannot take secret "${name}" from the environment: it is not set there`, { hint })
}

/** The value itself is not repeated: the message may end in a log. */
function refuseValue(name: string): never {
  throw new UsageError(
    'SECRET_ON_ARGV',
    `Cannot take the value of secret "${name}" from the command line: every process of this machine can read it there`,
    {
      hint: `Write --secret ${name} to take it from the environment, or --secret ${name}=@FILE; this value counts as seen, so replace it`,
    },
  )
}

/** `echo token > file` ends in a newline that is no part of the token; a key of many lines keeps its last one. */
function trimSingleLine(text: string): string {
  return /^[^\n]*\r?\n$/.test(text) ? text.trimEnd() : text
}
