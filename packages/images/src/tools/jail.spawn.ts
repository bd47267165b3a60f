// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable, Writable } from 'node:stream'
import { ImagesError } from '../images-error.ts'

/** A user id of nobody: below those of jobs (docs/adr/0003), above all that `useradd` gives. */
export const TRANSFER_UID = 0x6fff0000

export interface JailedProgram {
  readonly program: 'skopeo' | 'umoci' | 'tar'
  readonly argv: readonly string[]
  /** `/work` there, the only place that can be written; the program runs in it. */
  readonly workDirectory: string
  /**
   * `transfer`: TRANSFER_UID without any capability. `owner`: root, with what it takes to give files their owners and modes, and nothing else.
   */
  readonly identity: 'transfer' | 'owner'
  /** The host's network, names and certificates; or none. */
  readonly hasNetwork: boolean
  /** Content of `/auth.json`, a secret: by a pipe into a file system in memory, which ends with the program. */
  readonly auth: string | null
  /** RLIMIT_FSIZE: of any one file. */
  readonly fileBytesMax: number
  /** A descriptor. */
  readonly stdin?: number
  readonly signal: AbortSignal
}

export interface JailedResult {
  readonly exitCode: number
  readonly stdout: Buffer
  /** The end of it. Untrusted: it quotes what servers and archives say. */
  readonly stderr: string
}

/** A manifest, and something to say that it was too long. */
const STDOUT_BYTES_MAX: number = 4 * 2 ** 20 + 1
const STDERR_CHARACTERS_MAX = 16 * 1024
/** setpriv(1): the program was not found. */
const NOT_FOUND = 127
const OWNER_CAPABILITIES = '-all,+chown,+dac_override,+fowner,+fsetid'
const FILE_BLOCK_BYTES = 512

/**
 * A root directory in memory, of /usr, read-only, and the one directory to work in; the host's is not there. No /proc, so that nothing of the kernel can be set, and no set-user-id. A fixed text: what
 * changes are its arguments. Its end is that of the supervisor, too: --pdeathsig
 * of unshare, --kill-child, and --pdeathsig once more, because the kernel forgets it where a process becomes another user.
 */
const SCRIPT = `set -eu
work=$1 uid=$2 capabilities=$3 blocks=$4 network=$5
shift 5
umask 022
mount -n -t tmpfs -o size=64m,mode=755,nosuid,nodev tmpfs /mnt
cd /mnt
mkdir usr etc etc/registries.d work dev old proc
for name in bin sbin lib lib32 lib64 libx32; do
  if [ -L "/$name" ]; then
    cp -P "/$name" "$name"
  elif [ -d "/$name" ]; then
    mkdir "$name"
    mount -n --bind "/$name" "$name"
    mount -n -o remount,bind,ro,nosuid,nodev "$name"
  fi
done
mount -n --bind /usr usr
mount -n -o remount,bind,ro,nosuid,nodev usr
: >dev/null
mount -n --bind /dev/null dev/null
mount -n --bind "$work" work
mount -n -o remount,bind,nosuid,nodev work
: >etc/registries.conf
if [ "$network" = yes ]; then
  for name in hosts resolv.conf nsswitch.conf; do
    if [ -f "/etc/$name" ]; then cp -L "/etc/$name" "etc/$name"; fi
  done
  for name in ssl/certs pki/tls/certs pki/ca-trust; do
    if [ -d "/etc/$name" ]; then
      mkdir -p "etc/$name"
      mount -n --bind "/etc/$name" "etc/$name"
      mount -n -o remount,bind,ro,nosuid,nodev "etc/$name"
    fi
  done
fi
(umask 077; cat <&3 >auth.json)
exec 3<&-
chown "$uid:$uid" auth.json
pivot_root . old
cd /
mount -n -t proc proc proc
umount -n -l /old
umount -n -l /proc
rmdir old proc
mount -n -o remount,ro /
cd /work
ulimit -c 0
ulimit -f "$blocks"
exec setpriv --pdeathsig KILL --reuid "$uid" --regid "$uid" --clear-groups --inh-caps=-all --bounding-set="$capabilities" --no-new-privs -- "$@"
`

const ENVIRONMENT = {
  PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
  HOME: '/work',
  TMPDIR: '/work/tmp',
  CONTAINERS_REGISTRIES_CONF: '/etc/registries.conf',
}

/** Runs one program over what strangers have made. @throws ImagesError IMAGE_TOOL_MISSING; the signal's reason */
export async function runJailed(jailed: JailedProgram): Promise<JailedResult> {
  const { signal } = jailed
  signal.throwIfAborted()
  const child = spawn('setpriv', argumentsOf(jailed), {
    env: ENVIRONMENT,
    stdio: [jailed.stdin ?? 'ignore', 'pipe', 'pipe', 'pipe'],
    signal,
    killSignal: 'SIGKILL',
  })
  const failed = new Promise<Error | null>((resolve) => {
    child.once('error', resolve)
    child.once('close', () => resolve(null))
  })
  const pipe = child.stdio[3] as Writable
  pipe.on('error', () => undefined) // It may end before it reads.
  pipe.end(jailed.auth ?? '{}')
  const [stdout, stderr] = await Promise.all([collect(child.stdout as Readable, child), tail(child.stderr as Readable)])
  const error = await failed
  signal.throwIfAborted()
  if (error !== null || child.exitCode === NOT_FOUND) throw toolMissing(jailed.program, error)
  return { exitCode: child.exitCode ?? NOT_FOUND, stdout, stderr }
}

function argumentsOf({ program, argv, workDirectory, identity, hasNetwork, fileBytesMax }: JailedProgram): readonly string[] {
  const namespaces = ['--mount', '--propagation', 'private', '--pid', '--ipc', '--uts', ...(hasNetwork ? [] : ['--net'])]
  const uid = identity === 'transfer' ? TRANSFER_UID : 0
  const blocks = Math.ceil(fileBytesMax / FILE_BLOCK_BYTES)
  const settings = [
    workDirectory,
    String(uid),
    identity === 'transfer' ? '-all' : OWNER_CAPABILITIES,
    String(blocks),
    hasNetwork ? 'yes' : 'no',
  ]
  const shell = ['sh', '-c', SCRIPT, 'sh', ...settings, program, ...argv]
  return ['--pdeathsig', 'KILL', '--', 'unshare', ...namespaces, '--fork', '--kill-child=KILL', '--', ...shell]
}

function toolMissing(program: string, cause: Error | null): ImagesError {
  return new ImagesError('IMAGE_TOOL_MISSING', `Cannot run ${program}: it, or setpriv, unshare or mount, is not installed`, {
    ...(cause === null ? {} : { cause }),
    hint: 'On Debian: apt-get install skopeo umoci util-linux mount',
  })
}

/** More than a manifest is nothing that is wanted: the program ends, and its output is too long for whoever reads it. */
async function collect(stream: Readable, child: ChildProcess): Promise<Buffer> {
  const parts: Buffer[] = []
  let bytes = 0
  stream.on('data', (chunk: Buffer) => {
    if (bytes <= STDOUT_BYTES_MAX) parts.push(chunk)
    bytes += chunk.length
    if (bytes > STDOUT_BYTES_MAX) child.kill('SIGKILL')
  })
  await once(stream, 'close')
  return Buffer.concat(parts)
}

async function tail(stream: Readable): Promise<string> {
  let text = ''
  stream.on('data', (chunk: Buffer) => {
    text = `${text}${chunk.toString('utf8')}`.slice(-STDERR_CHARACTERS_MAX)
  })
  await once(stream, 'close')
  return text
}
