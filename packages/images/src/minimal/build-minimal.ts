// SPDX-License-Identifier: Apache-2.0
import { existsSync, readdirSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { messageOf, quote } from '@sallyport/core'
import { ImagesError } from '../images-error.ts'
import { writeImageLayout } from './image-layout.ts'
import { makeDebianTree } from './mmdebstrap.spawn.ts'

export interface MinimalImage {
  readonly packages: readonly string[]
  /** Files of apt's own form; empty: this machine's. */
  readonly sources: readonly string[]
  /** `oci:DIR[:TAG]`; DIR does not exist yet. */
  readonly output: string
  /** Seconds since 1970; null: {@link EPOCH_DEFAULT}. */
  readonly epoch: number | null
  readonly signal: AbortSignal
  readonly onProgress: (line: string) => void
}

export interface BuiltImage {
  /** What `--image` takes. */
  readonly reference: string
  /** Of the manifest. */
  readonly digest: string
}

/** 1980-01-01: the earliest that a ZIP file can say, and always the same. */
export const EPOCH_DEFAULT = 315_532_800

const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' }
// Debian Policy 5.6.1; with `name:arch`, `name=version` and `name/release` of apt-get(8).
const PACKAGE = /^[a-z0-9][a-z0-9+.-]+(?::[a-z0-9]+)?(?:[=/][A-Za-z0-9.+:~-]+)?$/
const PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/**
 * A minimal Debian image of these packages, written as an OCI layout: what apt needs, and nothing of this machine but the choice of its package sources. With the same
 * versions of the packages the same digest.
 *
 * @throws ImagesError IMAGE_REFERENCE_INVALID, IMAGE_TOOL_MISSING, IMAGE_BUILD_FAILED, IMAGE_NEEDS_ROOT; the signal's reason
 */
export async function buildMinimalImage(image: MinimalImage): Promise<BuiltImage> {
  const { directory, tag } = parseOutput(image.output)
  const packages = [...new Set(image.packages)].sort()
  for (const name of packages)
    if (!PACKAGE.test(name)) throw new ImagesError('IMAGE_BUILD_FAILED', `Cannot build an image: ${quote(name)} is no name of a package`)
  if (process.getuid?.() !== 0)
    throw new ImagesError('IMAGE_NEEDS_ROOT', 'Cannot build an image: packages are installed as root', { hint: 'Run it as root' })
  if (existsSync(directory))
    throw new ImagesError('IMAGE_BUILD_FAILED', `Cannot write an image to ${quote(directory)}: it exists`, { hint: 'Name a new directory' })
  await mkdir(dirname(directory), { recursive: true })
  const partial = await mkdtemp(`${directory}.partial-`)
  try {
    const digest = await build(partial, { ...image, packages }, tag)
    await chmod(join(partial, 'layout'), 0o755)
    await rename(join(partial, 'layout'), directory)
    return { reference: `oci:${directory}:${tag}`, digest }
  } catch (error) {
    if (error instanceof ImagesError || image.signal.aborted) throw error
    throw new ImagesError('IMAGE_BUILD_FAILED', `Cannot write an image to ${quote(directory)}: ${messageOf(error)}`, { cause: error })
  } finally {
    await rm(partial, { recursive: true, force: true })
  }
}

async function build(partial: string, { packages, sources, epoch, signal, onProgress }: MinimalImage, tag: string): Promise<string> {
  const layer = join(partial, 'layer.tar')
  const seconds = epoch ?? EPOCH_DEFAULT
  await mkdir(join(partial, 'scratch'))
  // The tree that packages are installed into is entered by apt's own user, too.
  await chmod(partial, 0o755)
  await makeDebianTree({
    packages,
    sources: sources.length > 0 ? sources : machineSources(),
    epoch: seconds,
    output: layer,
    scratch: join(partial, 'scratch'),
    signal,
    onProgress,
  })
  await mkdir(join(partial, 'layout'))
  return await writeImageLayout(join(partial, 'layout'), {
    layer,
    architecture: ARCHITECTURES[process.arch] ?? process.arch,
    env: [PATH],
    cmd: ['/bin/bash'],
    epoch: seconds,
    createdBy: `sallyport image build-minimal${packages.length === 0 ? '' : ` --packages ${packages.join(',')}`}`,
    tag,
  })
}

function parseOutput(output: string): { readonly directory: string; readonly tag: string } {
  const [, path, tag = 'latest'] = /^oci:([^:\0]+)(?::([A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?$/.exec(output) ?? []
  if (path !== undefined) return { directory: resolve(path), tag }
  throw new ImagesError('IMAGE_REFERENCE_INVALID', `${quote(output)} is nowhere to write an image to`, {
    hint: 'Write oci:DIR or oci:DIR:TAG',
  })
}

/** @throws ImagesError IMAGE_BUILD_FAILED where this machine has none: it is no Debian. */
function machineSources(): readonly string[] {
  const parts = '/etc/apt/sources.list.d'
  const files = [
    '/etc/apt/sources.list',
    ...(existsSync(parts)
      ? readdirSync(parts)
          .filter((name) => /^[A-Za-z0-9_.-]+\.(list|sources)$/.test(name))
          .sort()
      : []
    ).map((name) => join(parts, name)),
  ].filter((path) => existsSync(path))
  if (files.length > 0) return files
  throw new ImagesError('IMAGE_BUILD_FAILED', 'Cannot build an image: this machine has no package sources of apt', {
    hint: 'Name them: --sources FILE, in the form of sources.list(5)',
  })
}
