// SPDX-License-Identifier: Apache-2.0
// The configuration files of package managers that cannot be asked. Pure functions of text.
import type { PresetHosts } from '@sallyport/access'
import { endpointsOf } from './package-manager-output.ts'

/**
 * Cargo's `config.toml`: registries, and what replaces the default source. Only what these settings can look like is read: tables, keys and
 * strings.
 */
export function parseCargoConfig(text: string): PresetHosts {
  const settings = parseTomlStrings(text)
  const replacement = settings.get('source.crates-io.replace-with')
  const indexes = [...settings].filter(([key]) => /^registries\..+\.index$/.test(key)).map(([, value]) => value)
  const urls = [...replacedSources(settings, replacement), ...indexes].map((url) => url.replace(/^(sparse|registry|git)\+/, ''))
  const missing =
    'Cargo names no host for its default registry (source.crates-io has no replacement): name the hosts of its index and its downloads'
  return { endpoints: endpointsOf(urls), problems: replacement === undefined ? [missing] : [] }
}

/** A replacement may be replaced in turn. */
function replacedSources(settings: ReadonlyMap<string, string>, first: string | undefined): string[] {
  const urls: string[] = []
  let name = first
  for (let depth = 0; name !== undefined && depth < 8; depth += 1) {
    for (const kind of ['registry', 'git']) urls.push(settings.get(`source.${name}.${kind}`) ?? '')
    urls.push(settings.get(`registries.${name}.index`) ?? '')
    name = settings.get(`source.${name}.replace-with`)
  }
  return urls
}

/** Strings of a TOML file by their dotted keys. */
function parseTomlStrings(text: string): Map<string, string> {
  const values = new Map<string, string>()
  let table = ''
  for (const line of text.split('\n')) {
    const header = /^\s*\[([^[\]]+)\]\s*(?:#.*)?$/.exec(line)?.[1]
    if (header !== undefined) table = `${dottedKey(header)}.`
    const [, key, value] = /^\s*([^=#]+?)\s*=\s*(.*)$/.exec(line) ?? []
    if (key === undefined || value === undefined) continue
    if (value.startsWith('{'))
      for (const [, inner = '', text = ''] of value.matchAll(/([\w."'-]+)\s*=\s*["']([^"']*)["']/g))
        values.set(`${table}${dottedKey(key)}.${dottedKey(inner)}`, text)
    else values.set(table + dottedKey(key), /^(["'])(.*?)\1/.exec(value)?.[2] ?? '')
  }
  return values
}

function dottedKey(text: string): string {
  return text
    .split('.')
    .map((part) => part.trim().replaceAll(/^["']|["']$/g, ''))
    .join('.')
}

/** Maven's `settings.xml`: mirrors, and the repositories of its profiles. */
export function parseMavenSettings(text: string): PresetHosts {
  const plain = text.replaceAll(/<!--[\s\S]*?-->/g, '')
  const urls = [...plain.matchAll(/<(mirror|repository|pluginRepository)>([\s\S]*?)<\/\1>/g)].map(
    ([, , body = '']) => /<url>\s*([^<\s]+)\s*<\/url>/.exec(body)?.[1] ?? '',
  )
  const hasMirror = /<mirror>/.test(plain)
  const missing = 'Maven names no host for its default repository (settings.xml has no mirror): name it'
  return { endpoints: endpointsOf(urls.map((url) => url.replaceAll('&amp;', '&'))), problems: hasMirror ? [] : [missing] }
}

/** apt's `sources.list` (one source a line) and `*.sources` files (deb822). */
export function parseAptSources(files: readonly { readonly name: string; readonly text: string }[]): PresetHosts {
  const urls = files.flatMap(({ name, text }) => (name.endsWith('.sources') ? deb822Uris(text) : oneLineUris(text)))
  const endpoints = endpointsOf(urls.map((url) => url.replace(/^mirror\+/, '')))
  return { endpoints, problems: endpoints.length === 0 ? ['apt is configured with no source on the network'] : [] }
}

function oneLineUris(text: string): string[] {
  return text.split('\n').map((line) => /^\s*deb(?:-src)?\s+(?:\[[^\]]*\]\s+)?(\S+)/.exec(line)?.[1] ?? '')
}

/** Paragraphs of `Field: value`; a line that begins with a space goes on with the field before it. */
function deb822Uris(text: string): string[] {
  const paragraphs = text.replaceAll(/^#.*\n?/gm, '').split(/\n\s*\n/)
  return paragraphs.flatMap((paragraph) => {
    const fields = [...paragraph.matchAll(/^([\w-]+):((?:.*)(?:\n[ \t].*)*)/gm)].map(
      ([, name = '', value = '']) => [name.toLowerCase(), value.trim()] as const,
    )
    const field = (wanted: string): string => fields.find(([name]) => name === wanted)?.[1] ?? ''
    return /^(no|false|without|off|disable)$/i.test(field('enabled')) ? [] : field('uris').split(/\s+/)
  })
}
