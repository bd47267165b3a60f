// SPDX-License-Identifier: Apache-2.0
import type { RegistryCredentials } from '../contract.ts'
import { ImagesError } from '../images-error.ts'
import { MANIFEST_BYTES_MAX } from '../limits.ts'
import type { RegistryReference } from '../reference/reference.ts'
import { type JailedProgram, runJailed } from './jail.spawn.ts'
import { toolFailure } from './tool-failure.ts'

export interface RegistryAccess {
  readonly registry: string
  readonly repository: string
  readonly credentials: RegistryCredentials | null
  readonly isPlain: boolean
  /** `/work/certs` has an authority. */
  readonly hasAuthority: boolean
  /** Belongs to the transfer's user. */
  readonly workDirectory: string
  readonly signal: AbortSignal
}

// Whether what it says of itself is signed is another question than what its digest is.
const GENERAL: readonly string[] = ['--insecure-policy', '--registries.d', '/etc/registries.d']
const SMALL_BYTES = 2 ** 20

/** The manifest (or index) of a name or digest, with this caller's credentials. Nothing of an earlier answer is used. @throws ImagesError */
export async function fetchManifest(access: RegistryAccess, name: Pick<RegistryReference, 'tag' | 'digest'>): Promise<Buffer> {
  const place = `docker://${access.registry}/${access.repository}${name.digest === null ? `:${name.tag}` : `@${name.digest}`}`
  const argv = [...GENERAL, 'inspect', '--raw', '--authfile', '/auth.json', ...tls(access, ''), place]
  const result = await runJailed({ ...jailFor(access), argv, fileBytesMax: SMALL_BYTES })
  // The program reads no more than that either; a kill for its output is no failure of the registry.
  if (result.stdout.length > MANIFEST_BYTES_MAX || /exceeded maximum allowed size|too (big|large)/i.test(result.stderr))
    throw ImagesError.refused('manifest-bytes', `a manifest has more than ${MANIFEST_BYTES_MAX} bytes`)
  if (result.exitCode !== 0) throw toolFailure(result, `Cannot read the manifest of "${place.slice('docker://'.length)}"`)
  return result.stdout
}

/** All of an image, each blob as a file `/work/out/HEX`; digests are compared by the program, and again by whoever reads them. @throws ImagesError */
export async function transferImage(access: RegistryAccess, digest: string, fileBytesMax: number): Promise<void> {
  const place = `docker://${access.registry}/${access.repository}@${digest}`
  const argv = [
    ...GENERAL,
    'copy',
    '--quiet',
    '--preserve-digests',
    '--src-authfile',
    '/auth.json',
    ...tls(access, 'src-'),
    place,
    'dir:/work/out',
  ]
  const result = await runJailed({ ...jailFor(access), argv, fileBytesMax })
  if (result.exitCode !== 0) throw toolFailure(result, `Cannot transfer "${place.slice('docker://'.length)}"`)
}

/** The same of an archive of Docker, `/work/in.tar`. @throws ImagesError */
export async function convertDockerArchive(
  { workDirectory, signal }: Pick<RegistryAccess, 'workDirectory' | 'signal'>,
  tag: string | null,
  fileBytesMax: number,
): Promise<void> {
  const source = `docker-archive:/work/in.tar${tag === null ? '' : `:${tag}`}`
  const argv = [...GENERAL, 'copy', '--quiet', source, 'dir:/work/out']
  const result = await runJailed({
    program: 'skopeo',
    argv,
    workDirectory,
    identity: 'transfer',
    hasNetwork: false,
    auth: null,
    fileBytesMax,
    signal,
  })
  if (result.exitCode !== 0) {
    const failure = toolFailure(result, 'Cannot read the archive')
    throw failure.code === 'IMAGE_TRANSFER_FAILED' ? ImagesError.refused('malformed', failure.message) : failure
  }
}

function jailFor({ registry, credentials, workDirectory, signal }: RegistryAccess): Omit<JailedProgram, 'argv' | 'fileBytesMax'> {
  return { program: 'skopeo', workDirectory, identity: 'transfer', hasNetwork: true, auth: authFile(registry, credentials), signal }
}

/** containers-auth.json(5). With none, too: else the program would look for logins elsewhere. */
function authFile(registry: string, credentials: RegistryCredentials | null): string {
  if (credentials === null) return '{"auths":{}}'
  const auth = Buffer.from(`${credentials.username}:${credentials.password}`).toString('base64')
  return JSON.stringify({ auths: { [registry === 'docker.io' ? 'https://index.docker.io/v1/' : registry]: { auth } } })
}

function tls({ isPlain, hasAuthority }: RegistryAccess, prefix: string): readonly string[] {
  if (isPlain) return [`--${prefix}tls-verify=false`]
  return hasAuthority ? [`--${prefix}cert-dir`, '/work/certs'] : []
}
