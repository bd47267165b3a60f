// SPDX-License-Identifier: Apache-2.0
import { type ExecFileException, execFile } from 'node:child_process'
import { readdir, realpath, writeFile } from 'node:fs/promises'
import { isAbsolute, join } from 'node:path'
import type { PresetHosts, PresetName } from '@sallyport/access'
import { messageOf } from '@sallyport/core'
import { openGitView } from '../claim/git-view.spawn.ts'
import { ScratchDirectory } from '../scratch-directory.spawn.ts'
import { type PackageManagerSettings, readPackageManagerSettings } from './config.ts'
import { parseAptSources, parseCargoConfig, parseMavenSettings } from './package-manager-files.ts'
import { gitEndpointOf, parseGoEnv, parseNpmConfig, parsePipConfig } from './package-manager-output.ts'
import { readPlainFile } from './plain-file.ts'

const ANSWER_MS = 15_000
const ANSWER_BYTES_MAX = 2 ** 20
const FILE_BYTES_MAX = 2 ** 20
/** Files in `sources.list.d`. */
const APT_FILES_MAX = 100
const APT_DIRECTORY = '/etc/apt'

const PIP_DEFAULTS = 'from pip._internal.models.index import PyPI; print(PyPI.simple_url); print(PyPI.file_storage_domain)'

/**
 * The hosts that a package manager of this machine is configured to fetch from: the user's configuration and the system's, never the
 * repository's files. Nothing is thrown: what cannot be known is a problem in words.
 *
 * @param repository The root, or null: `git` means its remotes, and no program that lies in it is run.
 */
export async function readPackageManagerHosts(
  name: PresetName,
  repository: string | null,
  settings: PackageManagerSettings = readPackageManagerSettings(),
): Promise<PresetHosts> {
  try {
    return await READERS[name](await withoutProgramsIn(repository ?? process.cwd(), settings), repository)
  } catch (error) {
    return { endpoints: [], problems: [describeFailure(name, error)] }
  }
}

type Reader = (settings: PackageManagerSettings, repository: string | null) => Promise<PresetHosts>

const READERS: Readonly<Record<PresetName, Reader>> = {
  npm: async (settings) => parseNpmConfig(await ask(settings, [['npm', 'config', 'ls', '--json']]).then(firstOf)),
  pip: async (settings) => {
    const [config = '', defaults = ''] = await ask(settings, [
      ['python3', '-m', 'pip', 'config', 'list'],
      ['python3', '-c', PIP_DEFAULTS],
    ])
    return parsePipConfig(config, defaults)
  },
  go: async (settings) => parseGoEnv(await ask(settings, [['go', 'env', 'GOPROXY', 'GOSUMDB']]).then(firstOf)),
  cargo: async ({ cargoHome }) =>
    parseCargoConfig((await readOptional(join(cargoHome, 'config.toml'))) ?? (await readOptional(join(cargoHome, 'config'))) ?? ''),
  maven: async ({ mavenSettings }) => parseMavenSettings((await readOptional(mavenSettings)) ?? ''),
  apt: async () => parseAptSources(await readAptSources()),
  git: async (_settings, repository) => readRemotes(repository),
}

const USUAL_PATH = '/usr/local/bin:/usr/bin:/bin'

/**
 * `PATH` often leads into the repository: npm, direnv and activated virtual environments put `node_modules/.bin` and `.venv/bin` there. Its `npm`
 * would run here, as whoever started us.
 */
async function withoutProgramsIn(directory: string, settings: PackageManagerSettings): Promise<PackageManagerSettings> {
  const root = await realpath(directory)
  const found = await Promise.all((settings.environment['PATH'] ?? USUAL_PATH).split(':').map(realDirectory))
  const path = found.filter((entry) => entry !== null && entry !== root && !entry.startsWith(`${root}/`)).join(':')
  return { ...settings, environment: { ...settings.environment, PATH: path } }
}

/** Null for what is not there, and for a relative one. */
async function realDirectory(entry: string): Promise<string | null> {
  return isAbsolute(entry) ? realpath(entry).catch(() => null) : null
}

function firstOf(answers: readonly string[]): string {
  return answers[0] ?? ''
}

/**
 * Asked in a directory of ours, which ends the search of npm and Go for a project in the directories above: those may belong to
 * anybody (`/tmp`), or to the repository.
 */
async function ask({ environment }: PackageManagerSettings, commands: readonly (readonly [string, ...string[]])[]): Promise<string[]> {
  await using scratch = await ScratchDirectory.create('ask')
  await writeFile(join(scratch.path, 'package.json'), '{}')
  await writeFile(join(scratch.path, 'go.mod'), 'module empty\n')
  return await Promise.all(commands.map((argv) => answer(argv, scratch.path, environment)))
}

function answer(
  [program, ...args]: readonly [string, ...string[]],
  cwd: string,
  env: PackageManagerSettings['environment'],
): Promise<string> {
  const options = {
    cwd,
    env: { ...env, ...QUIET },
    timeout: ANSWER_MS,
    killSignal: 'SIGKILL',
    maxBuffer: ANSWER_BYTES_MAX,
    encoding: 'utf8',
  } as const
  return new Promise((resolve, reject) => {
    const child = execFile(program, args, options, (error, stdout) => (error === null ? resolve(stdout) : reject(error)))
    child.stdin?.end()
  })
}

/** None of them has to go to the network to answer. */
const QUIET: Readonly<Record<string, string>> = {
  npm_config_update_notifier: 'false',
  npm_config_offline: 'true',
  PIP_DISABLE_PIP_VERSION_CHECK: '1',
  PIP_NO_INPUT: '1',
  GOTOOLCHAIN: 'local',
  GOWORK: 'off',
}

function describeFailure(name: PresetName, error: unknown): string {
  const { code, killed, syscall } = error as ExecFileException & { syscall?: string }
  if (code === 'ENOENT' && syscall?.startsWith('spawn')) return `${name} is not installed here, so that nobody knows its hosts: name them`
  if (killed === true) return `${name} did not say within ${ANSWER_MS / 1000} seconds what its hosts are: name them`
  // The command line in it is ours; of what the program said the last line says why. It may quote a setting, with the password in its URL.
  const lines = messageOf(error)
    .replaceAll(/\/\/[^\s/]*@/g, '//')
    .trim()
    .split('\n')
  return `${name} does not say what its hosts are (${lines.at(-1)?.slice(0, 200)}): name them`
}

async function readAptSources(): Promise<{ name: string; text: string }[]> {
  const directory = join(APT_DIRECTORY, 'sources.list.d')
  const found = await readdir(directory).catch(() => []) // It is not there on a machine without apt, nor always with it.
  const names = found.filter((name) => /\.(list|sources)$/.test(name)).sort()
  const files: { name: string; text: string }[] = []
  for (const name of [join(APT_DIRECTORY, 'sources.list'), ...names.slice(0, APT_FILES_MAX).map((name) => join(directory, name))]) {
    const text = await readOptional(name)
    if (text !== null) files.push({ name, text })
  }
  return files
}

async function readOptional(path: string): Promise<string | null> {
  return (await readPlainFile(path, { bytesMax: FILE_BYTES_MAX, followsLinks: true }))?.text ?? null
}

async function readRemotes(repository: string | null): Promise<PresetHosts> {
  if (repository === null)
    return { endpoints: [], problems: ['there is no repository whose remotes "preset: git" could mean: name the hosts'] }
  await using view = await openGitView(repository)
  const endpoints = (await view.settings('^remote\\..*\\.(url|pushurl)$')).map(gitEndpointOf).filter((endpoint) => endpoint !== null)
  const distinct = [...new Map(endpoints.map((endpoint) => [JSON.stringify(endpoint), endpoint])).values()]
  return { endpoints: distinct, problems: distinct.length === 0 ? ['the repository has no remote on the network: name the hosts'] : [] }
}
