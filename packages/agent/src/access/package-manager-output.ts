// SPDX-License-Identifier: Apache-2.0
// What package managers say about their configuration, as the places that they fetch from. Pure functions of text.
import type { PresetEndpoint, PresetHosts } from '@sallyport/access'

const SCHEMES: Readonly<Record<string, readonly [PresetEndpoint['protocol'], number]>> = {
  'https:': ['tls', 443],
  'http:': ['http', 80],
  'ssh:': ['ssh', 22],
  'git+ssh:': ['ssh', 22],
  'git:': ['tcp', 9418],
}

/** Of a URL; null when nothing outside of the machine is meant. What else the URL holds, e.g. a password, goes no further. */
export function endpointOf(url: string): PresetEndpoint | null {
  const parsed = URL.parse(url.trim())
  const [protocol, port] = SCHEMES[parsed?.protocol ?? ''] ?? []
  if (parsed === null || protocol === undefined || port === undefined) return null
  const host = parsed.hostname
    .toLowerCase()
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '')
  return host === '' ? null : { host, port: parsed.port === '' ? port : Number(parsed.port), protocol }
}

/** Each place once, in the order in which they were named. */
export function endpointsOf(urls: readonly string[]): readonly PresetEndpoint[] {
  const found = urls.map(endpointOf).filter((endpoint) => endpoint !== null)
  return [...new Map(found.map((endpoint) => [JSON.stringify(endpoint), endpoint])).values()]
}

/** `npm config ls --json`: the registry, and those of scopes. */
export function parseNpmConfig(text: string): PresetHosts {
  const config: unknown = JSON.parse(text)
  if (typeof config !== 'object' || config === null) return { endpoints: [], problems: ['npm says nothing of its configuration'] }
  const registries = Object.entries(config).filter(([key]) => key === 'registry' || /^@[^:]+:registry$/.test(key))
  const endpoints = endpointsOf(registries.map(([, value]) => String(value)))
  return { endpoints, problems: endpoints.length === 0 ? ['npm is configured with no registry'] : [] }
}

/** Where pip takes a setting from, the strongest first. */
const PIP_SECTIONS = [':env:', 'install', 'global'] as const

/**
 * `pip config list`: lines `section.name='value'`, values as Python writes them.
 *
 * @param defaults What pip uses unless it is configured: as it says itself, in words that {@link pipDefaultUrls} reads.
 */
export function parsePipConfig(text: string, defaults: string): PresetHosts {
  const settings = new Map<string, string>()
  for (const line of text.split('\n')) {
    const [, section, name, value] = /^([^.\s]+)\.([a-z-]+)=(.*)$/.exec(line.trim()) ?? []
    if (section !== undefined && name !== undefined && value !== undefined) settings.set(`${section}.${name}`, unquotePython(value))
  }
  const read = (name: string): string[] => {
    const section = PIP_SECTIONS.find((candidate) => settings.has(`${candidate}.${name}`))
    return settings.get(`${section}.${name}`)?.split(/\s+/) ?? []
  }
  const hasIndex = !['1', 'true', 'yes', 'on'].includes(read('no-index')[0]?.toLowerCase() ?? '')
  const configured = read('index-url').length > 0 ? read('index-url') : pipDefaultUrls(defaults)
  const endpoints = endpointsOf([...(hasIndex ? [...configured, ...read('extra-index-url')] : []), ...read('find-links')])
  return { endpoints, problems: hasIndex && endpoints.length === 0 ? ['pip does not say which index it uses'] : [] }
}

/** Two lines: the URL of the default index, and the domain that its files come from. */
function pipDefaultUrls(text: string): string[] {
  const [index = '', files = ''] = text.split('\n').map((line) => line.trim())
  return [index, ...(files === '' ? [] : [`https://${files}/`])]
}

const PYTHON_ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r' }

function unquotePython(text: string): string {
  const inner = /^(['"])(.*)\1$/.exec(text)?.[2] ?? text
  return inner.replace(/\\(.)/g, (_, character: string) => PYTHON_ESCAPES[character] ?? character)
}

/** `go env GOPROXY GOSUMDB`: two lines. */
export function parseGoEnv(text: string): PresetHosts {
  const [proxies = '', database = ''] = text.split('\n').map((line) => line.trim())
  const names = proxies.split(/[,|]/).map((name) => name.trim())
  const urls = names.filter((name) => !['', 'direct', 'off'].includes(name))
  const endpoints = endpointsOf([...urls, ...checksumUrls(database)])
  const isDirect = proxies === '' || names.includes('direct')
  return {
    endpoints,
    problems: isDirect && urls.length === 0 ? ['Go fetches modules from their own hosts (GOPROXY is "direct"): name each of them'] : [],
  }
}

/** `off`, or a name with or without a key, and a URL behind it when the database is not at its own name. */
function checksumUrls(database: string): string[] {
  if (database === '' || database === 'off') return []
  const [key = '', url] = database.split(/\s+/)
  return [url ?? `https://${key.split('+')[0]}`]
}

/** The URL of a git remote, in the forms that git knows; null for one on this machine. */
export function gitEndpointOf(url: string): PresetEndpoint | null {
  const scp = /^(?:[^@/:]+@)?(\[[^\]]+\]|[^/:[\]]+):(?!\/\/|:)/.exec(url.trim())?.[1]
  return endpointOf(scp === undefined || /^[a-z+]+:\/\//i.test(url.trim()) ? url : `ssh://${scp}/`)
}
