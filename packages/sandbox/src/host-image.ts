// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto'
import { existsSync, lstatSync, readFileSync, type Stats } from 'node:fs'
import { chmod, copyFile, mkdir, mkdtemp, readdir, readFile, readlink, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { messageOf } from '@sallyport/core'
import { APT_FILE, generatedFiles, withPlainHosts } from './generated-files.ts'
import { SandboxError } from './sandbox-error.ts'
import { removeStalePartials, removeUnused } from './stale-partials.ts'

/**
 * `image: host`: the host's `/usr` and what belongs to it, so that a new machine needs no registry. Everything outside
 * `/usr` is a skeleton made here by an allow list: a file of `/etc` that is not on the list, that not everybody may read, or that
 * holds a URL with a password, is not in any sandbox. Nothing of /root, /home, /run, /var (but the package database) or /opt is.
 */
export interface HostImage {
  /** e.g. `host (Debian GNU/Linux 12)`. */
  readonly description: string
  /** Lower layers, in mount order. */
  readonly layers: readonly { readonly target: string; readonly source: string }[]
}

/** Raise when the skeleton's content changes, so that an old one is not reused. */
const SKELETON_VERSION = 4

/** Entries of /etc that builds read and that hold no secret on any distribution. */
const ETC_ALLOWED: readonly string[] = [
  'adduser.conf',
  'alternatives',
  'alpine-release',
  'apk',
  'apt',
  'bash.bashrc',
  'bash_completion.d',
  'bindresvport.blacklist',
  'ca-certificates',
  'ca-certificates.conf',
  'crypto-policies',
  'debconf.conf',
  'debian_version',
  'deluser.conf',
  'dpkg',
  'ethertypes',
  'fedora-release',
  'fonts',
  'gai.conf',
  'gss',
  'host.conf',
  'inputrc',
  'java',
  'java-11-openjdk',
  'java-17-openjdk',
  'java-21-openjdk',
  'ld.so.cache',
  'ld.so.conf',
  'ld.so.conf.d',
  'libaudit.conf',
  'locale.alias',
  'locale.conf',
  'locale.gen',
  'localtime',
  'login.defs',
  'lsb-release',
  'magic',
  'magic.mime',
  'mailcap',
  'manpath.config',
  'maven',
  'mime.types',
  'mke2fs.conf',
  'networks',
  'nsswitch.conf',
  'os-release',
  'pam.conf',
  'pam.d',
  'perl',
  'pki',
  'protocols',
  'python3',
  'python3.9',
  'python3.10',
  'python3.11',
  'python3.12',
  'python3.13',
  'redhat-release',
  'rpc',
  'rpm',
  'security',
  'services',
  'sgml',
  'shells',
  'skel',
  'ssl',
  'terminfo',
  'timezone',
  'ucf.conf',
  'vim',
  'xattr.conf',
  'xdg',
  'xml',
]

/** Below the allowed entries. */
const ETC_REFUSED: readonly RegExp[] = [
  /^ssl\/private(\/|$)/,
  /^apt\/auth\.conf/,
  /^pki\/(private|nssdb)/,
  /private/i,
  /\.key$/i,
  /^security\/opasswd/,
]

/** `user:password@`, or a token alone. */
const CREDENTIAL_IN_URL = /:\/\/[^/\s@"'<>]+@/
const FILE_MAX_BYTES = 16 << 20

/** Mount points and homes that every sandbox has. */
const DIRECTORIES: readonly (readonly [path: string, mode: number])[] = [
  ['dev', 0o755],
  ['etc', 0o755],
  ['home', 0o755],
  ['home/runner', 0o755],
  ['opt', 0o755],
  ['opt/hostedtoolcache', 0o755],
  ['proc', 0o555],
  ['root', 0o700],
  ['run', 0o755],
  ['srv', 0o755],
  ['sys', 0o555],
  ['tmp', 0o1777],
  ['usr', 0o755],
  ['var', 0o755],
  ['var/cache', 0o755],
  ['var/cache/apt', 0o755],
  ['var/cache/apt/archives', 0o755],
  ['var/cache/apt/archives/partial', 0o755],
  ['var/lib', 0o755],
  ['var/lib/apt', 0o755],
  ['var/lib/apt/lists', 0o755],
  ['var/lib/apt/lists/partial', 0o755],
  ['var/lib/dpkg', 0o755],
  ['var/log', 0o755],
  ['var/log/apt', 0o755],
  ['var/mail', 0o755],
  ['var/spool', 0o755],
  ['var/tmp', 0o1777],
]

/** Directories of a merged-/usr host are links; of an older one, layers of their own. */
const USR_LINKS = ['bin', 'sbin', 'lib', 'lib32', 'lib64', 'libx32'] as const

export interface HostImageOptions {
  /** The address that names are asked at; null where nobody answers. */
  readonly resolver: string | null
  /** Another root in tests only. */
  readonly host?: string
}

/** Makes the skeleton if the host changed since the last one. `directory` is Sallyport's own. */
export async function prepareHostImage(directory: string, { resolver, host = '/' }: HostImageOptions): Promise<HostImage> {
  const skeleton = join(directory, `host-${skeletonKey(host, resolver)}`)
  await mkdir(directory, { recursive: true, mode: 0o711 })
  await removeStalePartials(directory)
  if (!existsSync(skeleton)) await buildSkeleton({ host, resolver }, directory, skeleton)
  const now = new Date()
  await utimes(skeleton, now, now)
  const layers = [
    { target: '/', source: skeleton },
    ...['usr', ...USR_LINKS, 'var/lib/dpkg']
      .filter((path) => isDirectory(join(host, path)))
      .map((path) => ({ target: `/${path}`, source: join(host, path) })),
  ]
  return { description: `host (${osName(host)})`, layers }
}

function isDirectory(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
}

function osName(host: string): string {
  const name = /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(readFileSync(join(host, 'etc/os-release'), 'utf8'))?.[1] ?? 'Linux'
  return name.replace(/ \(.*\)$/, '')
}

/** The same as long as `image: host` is: a sandbox that was made earlier shows what one made now would. */
export function hostImageEpoch(): string {
  return skeletonKey('/', null)
}

/** What changes when packages are installed or the listed files are edited; a change deep inside a listed directory is seen with the next one. */
function skeletonKey(host: string, resolver: string | null): string {
  const hash = createHash('sha256').update(`${SKELETON_VERSION} ${resolver}\n`)
  const watched = ['passwd', 'group', 'ssl/certs', ...ETC_ALLOWED.filter((name) => existsSync(join(host, 'etc', name)))].map((name) =>
    join('etc', name),
  )
  for (const path of [...watched, 'var/lib/dpkg/status', ...USR_LINKS]) {
    const stats = lstatSync(join(host, path), { throwIfNoEntry: false })
    hash.update(`${path} ${stats?.ino} ${stats?.mtimeMs} ${stats?.ctimeMs} ${stats?.size}\n`)
  }
  return hash.digest('hex').slice(0, 16)
}

async function buildSkeleton(source: Required<HostImageOptions>, directory: string, target: string): Promise<void> {
  const partial = await mkdtemp(join(directory, '.partial-'))
  try {
    await fillSkeleton(source, partial)
    await publish(partial, target)
  } catch (error) {
    await rm(partial, { recursive: true, force: true })
    throw new SandboxError('SANDBOX_FAILED', `Cannot copy the host's image into "${directory}": ${messageOf(error)}`, {
      cause: error,
      hint: 'The state directory needs free space',
    })
  }
  await removeUnused(directory, { prefix: 'host-', except: target })
}

async function fillSkeleton({ host, resolver }: Required<HostImageOptions>, partial: string): Promise<void> {
  await chmod(partial, 0o755)
  for (const [path, mode] of DIRECTORIES) {
    await mkdir(join(partial, path))
    await chmod(join(partial, path), mode)
  }
  for (const name of USR_LINKS) await copyUsrLink(join(host, name), join(partial, name))
  for (const name of ETC_ALLOWED) await copyAllowed(name, { from: join(host, 'etc'), to: join(partial, 'etc') })
  await writeAccounts(join(host, 'etc'), partial)
  await writeGenerated(partial, resolver)
}

async function publish(partial: string, target: string): Promise<void> {
  try {
    await rename(partial, target)
  } catch (error) {
    // Another supervisor was quicker: its skeleton has the same key.
    await rm(partial, { recursive: true, force: true })
    if (!existsSync(target)) throw error
  }
}

async function copyUsrLink(source: string, target: string): Promise<void> {
  const stats = lstatSync(source, { throwIfNoEntry: false })
  if (stats?.isSymbolicLink()) await symlink(await readlink(source), target)
  if (stats?.isDirectory()) await mkdir(target)
}

interface EtcCopy {
  readonly from: string
  readonly to: string
}

async function copyAllowed(name: string, etc: EtcCopy): Promise<void> {
  if (ETC_REFUSED.some((pattern) => pattern.test(name))) return
  const source = join(etc.from, name)
  const stats = lstatSync(source, { throwIfNoEntry: false })
  if (stats === undefined) return
  const target = join(etc.to, name)
  if (stats.isSymbolicLink()) await symlink(await readlink(source), target)
  else if (stats.isDirectory() && everybodyMay(stats, 0o005)) await copyDirectory(name, etc)
  else if (stats.isFile() && everybodyMay(stats, 0o004) && stats.size <= FILE_MAX_BYTES) await copyPublicFile(source, target, stats)
}

function everybodyMay(stats: Stats, mode: number): boolean {
  return (stats.mode & mode) === mode
}

async function copyDirectory(name: string, etc: EtcCopy): Promise<void> {
  await mkdir(join(etc.to, name), { mode: 0o755 })
  for (const entry of await readdir(join(etc.from, name))) await copyAllowed(join(name, entry), etc)
}

async function copyPublicFile(source: string, target: string, stats: Stats): Promise<void> {
  if (CREDENTIAL_IN_URL.test(await readFile(source, 'latin1'))) return
  await copyFile(source, target)
  await chmod(target, stats.mode & 0o755)
}

/** System accounts only, and none with a home of the host. */
async function writeAccounts(etc: string, root: string): Promise<void> {
  const system = (text: string): string[] =>
    text.split('\n').filter((line) => /^[a-z_][a-z0-9_.-]*:/i.test(line) && isSystemId(Number(line.split(':')[2])))
  const users = system(await readFile(join(etc, 'passwd'), 'utf8')).map((line) => {
    const [name, , uid, gid, , home, shell] = line.split(':')
    return name === 'root'
      ? 'root:x:0:0:root:/home/runner:/bin/bash'
      : `${name}:x:${uid}:${gid}::${home?.startsWith('/home') === true ? '/nonexistent' : home}:${shell}`
  })
  const groups = system(await readFile(join(etc, 'group'), 'utf8')).map((line) => `${line.split(':').slice(0, 3).join(':')}:`)
  await writeFile(join(root, 'etc/passwd'), `${users.join('\n')}\n`)
  await writeFile(join(root, 'etc/group'), `${groups.join('\n')}\n`)
}

function isSystemId(id: number): boolean {
  return (id >= 0 && id < 1000) || id === 65_534
}

async function writeGenerated(root: string, resolver: string | null): Promise<void> {
  const write = async (path: string, text: string): Promise<void> => {
    await makeRealDirectories(root, dirname(path))
    await rm(join(root, path), { recursive: true, force: true })
    await writeFile(join(root, path), text, { flag: 'wx' })
  }
  for (const [path, text] of Object.entries(generatedFiles(resolver))) await write(path, text)
  await write('etc/nsswitch.conf', withPlainHosts(await readFileOr(join(root, 'etc/nsswitch.conf'), '')))
  await write(APT_FILE.path, APT_FILE.text)
}

async function readFileOr(path: string, missing: string): Promise<string> {
  return lstatSync(path, { throwIfNoEntry: false })?.isFile() === true ? readFile(path, 'utf8') : missing
}

/** A copied link (an `/etc/apt` that lies elsewhere) would lead what is written here onto the host. */
async function makeRealDirectories(root: string, path: string): Promise<void> {
  let current = root
  for (const part of path.split('/')) {
    current = join(current, part)
    if (isDirectory(current)) continue
    await rm(current, { force: true })
    await mkdir(current)
  }
}
