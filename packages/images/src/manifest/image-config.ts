// SPDX-License-Identifier: Apache-2.0
import { posix } from 'node:path'
import { quote } from '@sallyport/core'
import type { ImageConfig } from '../contract.ts'
import { ImagesError } from '../images-error.ts'
import { DIGEST } from '../reference/reference.ts'
import { isObject, listOf, parseJsonObject } from './parse-json.ts'
import { ARCHITECTURE } from './platform.ts'

export interface ParsedConfig {
  readonly config: ImageConfig
  /** Of the layers, unpacked. */
  readonly diffIds: readonly string[]
}

const WORDS_MAX = 1000
const WORD_CHARACTERS_MAX = 128 * 1024
/** Kernel file systems, and what is ours in a sandbox: no image starts there (CVE-2024-21626). */
const FORBIDDEN_PLACES: readonly string[] = ['/proc', '/sys', '/dev', '/run/sallyport']

/** OCI image-spec 1.1, "Image Configuration". @throws ImagesError IMAGE_REFUSED */
export function parseImageConfig(bytes: Uint8Array, layers: number): ParsedConfig {
  const json = parseJsonObject(bytes, 'its config')
  if (json['os'] !== 'linux' || json['architecture'] !== ARCHITECTURE)
    throw ImagesError.refused(
      'architecture',
      `it is for ${say(json['os'])} on ${say(json['architecture'])}, and this is linux on ${ARCHITECTURE}`,
    )
  const rootfs = isObject(json['rootfs']) ? json['rootfs'] : {}
  const diffIds = listOf(rootfs['diff_ids'], 'the list of unpacked layers', { max: WORDS_MAX, reason: 'layers' }).map(parseDiffId)
  if (diffIds.length !== layers)
    throw ImagesError.refused('malformed', `its config speaks of ${diffIds.length} layers, its manifest of ${layers}`)
  const inner = isObject(json['config']) ? json['config'] : {}
  const config: ImageConfig = {
    user: parseUser(inner['User']),
    env: parseEnvironment(inner['Env']),
    workingDir: parseWorkingDirectory(inner['WorkingDir']),
    entrypoint: parseCommand(inner['Entrypoint'], 'entrypoint'),
    cmd: parseCommand(inner['Cmd'], 'command'),
    architecture: ARCHITECTURE,
  }
  if (config.entrypoint.length === 0 && config.cmd.length > 0) assertProgram(config.cmd[0] ?? '', 'command')
  return { config, diffIds }
}

function parseDiffId(value: unknown): string {
  if (typeof value === 'string' && DIGEST.test(value)) return value
  throw ImagesError.refused('digest', 'the digest of an unpacked layer is none of SHA-256')
}

function parseUser(value: unknown): string {
  if (value === undefined || value === null || value === '') return ''
  if (typeof value === 'string' && /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,63})?$/.test(value)) return value
  throw ImagesError.refused('user', `its user ${say(value)} is none: USER or USER:GROUP`)
}

function parseEnvironment(value: unknown): Readonly<Record<string, string>> {
  const env: Record<string, string> = Object.create(null) as Record<string, string>
  for (const entry of value === undefined || value === null
    ? []
    : listOf(value, 'its environment', { max: WORDS_MAX, reason: 'environment' })) {
    const [, name, content] =
      typeof entry === 'string' && entry.length <= WORD_CHARACTERS_MAX ? (/^([^=\0\n]+)=([^\0]*)$/s.exec(entry) ?? []) : []
    if (name === undefined || content === undefined)
      throw ImagesError.refused('environment', `${say(entry)} of its environment is no NAME=VALUE`)
    env[name] = content
  }
  return { ...env }
}

function parseWorkingDirectory(value: unknown): string {
  if (value === undefined || value === null || value === '') return '/'
  if (typeof value !== 'string' || !value.startsWith('/') || /[\0\n]/.test(value) || value.length > 4095)
    throw ImagesError.refused('working-directory', `its working directory ${say(value)} is no absolute path`)
  if (value.split('/').includes('..')) throw ImagesError.refused('working-directory', `its working directory ${say(value)} goes up`)
  const path = posix.normalize(value).replace(/(.)\/$/, '$1')
  assertWorkingPlace(path)
  return path
}

/** @param path Absolute and normal. */
export function assertWorkingPlace(path: string): void {
  if (!FORBIDDEN_PLACES.some((place) => path === place || path.startsWith(`${place}/`))) return
  throw ImagesError.refused('working-directory', `its working directory leads to ${quote(path)}, where no program of an image begins`)
}

function parseCommand(value: unknown, what: 'entrypoint' | 'command'): readonly string[] {
  if (value === undefined || value === null) return []
  const words = listOf(value, `its ${what}`, { max: WORDS_MAX, reason: 'entrypoint' }).map((word) => {
    if (typeof word === 'string' && !word.includes('\0') && word.length <= WORD_CHARACTERS_MAX) return word
    throw ImagesError.refused('entrypoint', `${say(word)} of its ${what} is no word`)
  })
  if (what === 'entrypoint' && words.length > 0) assertProgram(words[0] ?? '', what)
  return words
}

/** A bare name is looked up in PATH; a relative path would depend on where a step begins. */
function assertProgram(word: string, what: string): void {
  if (word === '') throw ImagesError.refused('entrypoint', `the first word of its ${what} is empty`)
  if (word.includes('/') && (!word.startsWith('/') || word.split('/').includes('..')))
    throw ImagesError.refused('entrypoint', `the program ${say(word)} of its ${what} is neither a name nor an absolute path`)
}

function say(value: unknown): string {
  return quote(typeof value === 'string' ? value : (JSON.stringify(value) ?? 'nothing'))
}
