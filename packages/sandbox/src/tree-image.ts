// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, rename, rm, utimes, writeFile } from 'node:fs/promises'
import { isAbsolute, join, normalize } from 'node:path'
import { messageOf, quote } from '@sallyport/core'
import type { SandboxImage } from './contract.ts'
import { APT_FILE, generatedFiles, withPlainHosts } from './generated-files.ts'
import type { LayeredImage, LayerOptions } from './image-layers.ts'
import { ImageTree } from './image-tree.ts'
import { SandboxError } from './sandbox-error.ts'
import { removeStalePartials, removeUnused } from './stale-partials.ts'

/**
 * A directory tree as an image. Untrusted: whoever made it chose every name, link and byte.
 *
 * What every sandbox needs (mount points, home, files of /etc) lies in a *cover*: a small directory of ours, over the image's own. A real directory of the cover
 * hides whatever the image has of that name but a directory, and is merged with one; a file hides anything. So nothing is ever made in the image's tree, and no
 * link of it is followed: the kernel looks up each component in the cover first.
 */
export async function prepareTreeImage(
  { root, description }: Extract<SandboxImage, { kind: 'tree' }>,
  { directory, resolver }: LayerOptions,
): Promise<LayeredImage> {
  const tree = new ImageTree(assertRoot(root))
  const cover = planCover(tree, resolver)
  const source = await prepareCover(directory, cover)
  return {
    description,
    layers: [{ target: '/', source: root, over: source }],
    hasSudo: cover.some(({ path }) => path === SUDO),
  }
}

function assertRoot(root: string): string {
  if (isAbsolute(root) && normalize(root) === root && new ImageTree(root).isDirectory('')) return root
  throw new SandboxError('SANDBOX_INPUT', `Cannot build a sandbox from the image at ${quote(root)}: it is no directory`, {
    hint: 'Pull the image again',
  })
}

export interface CoverEntry {
  /** Parents come first. */
  readonly path: string
  readonly mode: number
  /** Null: a directory. */
  readonly text: string | null
}

/** Mount points, and directories that jobs write to. */
const DIRECTORIES: readonly (readonly [path: string, mode: number])[] = [
  ['dev', 0o755],
  ['etc', 0o755],
  ['home', 0o755],
  ['home/runner', 0o755],
  ['opt', 0o755],
  ['opt/hostedtoolcache', 0o755],
  ['proc', 0o555],
  ['run', 0o755],
  ['sys', 0o555],
  ['tmp', 0o1777],
  ['var', 0o755],
  ['var/tmp', 0o1777],
]

const SUDO = 'usr/bin/sudo'
const NSSWITCH = 'etc/nsswitch.conf'
const NSSWITCH_BYTES_MAX = 64 << 10

const ROOT_ACCOUNT: Readonly<Record<string, string>> = {
  'etc/passwd': 'root:x:0:0:root:/home/runner:/bin/sh\n',
  'etc/group': 'root:x:0:\n',
}

/** Which entries lie over the image: pure but for reading it. */
export function planCover(tree: ImageTree, resolver: string | null): readonly CoverEntry[] {
  const directory = (path: string): CoverEntry => ({ path, mode: 0o755, text: null })
  const file = (path: string, text: string, mode = 0o644): CoverEntry => ({ path, mode, text })
  const nsswitch = tree.read(NSSWITCH, NSSWITCH_BYTES_MAX)?.toString('utf8') ?? ''
  return [
    ...DIRECTORIES.map(([path, mode]) => ({ path, mode, text: null })),
    ...Object.entries(generatedFiles(resolver)).map(([path, text]) => file(path, text)),
    file(NSSWITCH, withPlainHosts(nsswitch)),
    // Programs look up who they are: an image of one static program says nothing of it.
    ...Object.entries(ROOT_ACCOUNT).flatMap(([path, text]) => (tree.at(path)?.isFile() === true ? [] : [file(path, text)])),
    ...(tree.isDirectory('etc/apt') ? [directory('etc/apt'), directory('etc/apt/apt.conf.d'), file(APT_FILE.path, APT_FILE.text)] : []),
    // Only where it hides nothing of the image but its own sudo: a real directory over a link would hide all programs behind that.
    ...(tree.isDirectory('usr/bin') ? [directory('usr'), directory('usr/bin'), file(SUDO, '', 0o755)] : []),
  ]
}

/** A directory with exactly these entries, below `directory`; made once for all sandboxes that need the same. */
async function prepareCover(directory: string, cover: readonly CoverEntry[]): Promise<string> {
  const target = join(directory, `cover-${createHash('sha256').update(JSON.stringify(cover)).digest('hex').slice(0, 32)}`)
  await mkdir(directory, { recursive: true, mode: 0o711 })
  await removeStalePartials(directory)
  if (!existsSync(target)) await buildCover(directory, cover, target)
  const now = new Date()
  await utimes(target, now, now)
  return target
}

async function buildCover(directory: string, cover: readonly CoverEntry[], target: string): Promise<void> {
  const partial = await mkdtemp(join(directory, '.partial-'))
  try {
    await chmod(partial, 0o755)
    for (const { path, mode, text } of cover) {
      if (text === null) await mkdir(join(partial, path))
      else await writeFile(join(partial, path), text, { flag: 'wx' })
      await chmod(join(partial, path), mode)
    }
    await publish(partial, target)
    await removeUnused(directory, { prefix: 'cover-', except: target })
  } catch (error) {
    await rm(partial, { recursive: true, force: true })
    throw new SandboxError('SANDBOX_FAILED', `Cannot write what lies over an image into "${directory}": ${messageOf(error)}`, {
      cause: error,
      hint: 'The state directory needs free space',
    })
  }
}

async function publish(partial: string, target: string): Promise<void> {
  try {
    await rename(partial, target)
  } catch (error) {
    // Another supervisor was quicker: its cover has the same name, so the same entries.
    if (!existsSync(target)) throw error
    await rm(partial, { recursive: true, force: true })
  }
}
