// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, spawn } from 'node:child_process'
import { quote } from '@sallyport/core'
import { ImagesError } from '../images-error.ts'

export interface DebianTree {
  /** Names of packages beyond what apt itself needs. */
  readonly packages: readonly string[]
  /** Files of apt's own form (sources.list(5)) that say where packages come from. */
  readonly sources: readonly string[]
  /** Seconds since 1970: no file is younger. */
  readonly epoch: number
  /** The tar file to write; absolute. */
  readonly output: string
  /** For a temporary tree of the size of the image; absolute. */
  readonly scratch: string
  readonly signal: AbortSignal
  readonly onProgress: (line: string) => void
}

/**
 * Files that say when and where an image was built, and hold nothing that a job needs. mmdebstrap itself takes out caches, lists and logs of apt, /etc/machine-id's
 * content, /run and /tmp (its manual, "cleanup"). Run in the new tree's directory's parent, which is `$1`.
 */
const CLEAN =
  'cd "$1" && rm -rf etc/resolv.conf etc/hostname var/cache/debconf/*-old var/lib/dpkg/*-old var/cache/ldconfig/* && find var/log -type f -delete'

const SAID_CHARACTERS_MAX = 2000

/**
 * A minimal Debian root file system as a tar file: sorted, without devices, owners by number, times not beyond `epoch`. With the same packages the same bytes.
 *
 * @throws ImagesError IMAGE_TOOL_MISSING, IMAGE_BUILD_FAILED with what the program said last; the signal's reason
 */
export async function makeDebianTree({ packages, sources, epoch, output, scratch, signal, onProgress }: DebianTree): Promise<void> {
  const argv = [
    '--variant=minbase',
    '--mode=root',
    '--format=tar',
    '--skip=output/dev',
    ...(packages.length === 0 ? [] : [`--include=${packages.join(',')}`]),
    `--customize-hook=${CLEAN}`,
    '',
    output,
    ...sources,
  ]
  const child = spawn('mmdebstrap', argv, {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C.UTF-8', TZ: 'UTC', TMPDIR: scratch, SOURCE_DATE_EPOCH: String(epoch) },
    cwd: '/',
    // Packages run their own programs while they are installed: all of them end with us.
    detached: true,
  })
  const stop = (): void => endGroup(child)
  signal.addEventListener('abort', stop, { once: true })
  try {
    const said = listen(child, onProgress)
    const code = await ended(child)
    signal.throwIfAborted()
    if (code !== 0) throw failed(await said)
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

/** mmdebstrap undoes its mounts at SIGTERM. */
function endGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGTERM')
  } catch {
    // It has ended meanwhile.
  }
}

/** What it said last. */
async function listen({ stderr }: ChildProcess, onProgress: (line: string) => void): Promise<string> {
  let said = ''
  let line = ''
  for await (const chunk of (stderr ?? []) as AsyncIterable<Buffer>) {
    const lines = `${line}${chunk.toString('latin1')}`.split(/[\r\n]/)
    line = (lines.pop() ?? '').slice(-SAID_CHARACTERS_MAX)
    for (const text of lines) {
      said = `${said}${text}\n`.slice(-SAID_CHARACTERS_MAX)
      if (text.startsWith('I: ')) onProgress(text.slice('I: '.length))
    }
  }
  return said
}

function ended(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve, reject) => {
    child.once('error', (error: NodeJS.ErrnoException) => {
      reject(
        error.code !== 'ENOENT'
          ? error
          : new ImagesError('IMAGE_TOOL_MISSING', 'Cannot build an image: the program "mmdebstrap" is not installed', {
              hint: 'Install the package mmdebstrap',
            }),
      )
    })
    child.once('close', (code) => resolve(code))
  })
}

function failed(said: string): ImagesError {
  const reasons = said.split('\n').filter((line) => /^(E:|W:|Err:)|error|unable/i.test(line))
  const last = (reasons.length > 0 ? reasons : said.split('\n').filter((line) => line !== '')).slice(-3).join('; ')
  return new ImagesError('IMAGE_BUILD_FAILED', `mmdebstrap made no image: ${quote(last)}`, {
    hint: 'Packages come from the sources of this machine (/etc/apt): see that "apt-get update" works, and that the packages are there',
  })
}
