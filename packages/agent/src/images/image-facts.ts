// SPDX-License-Identifier: Apache-2.0
import { posix } from 'node:path'
import type { JobImageFacts } from '@sallyport/engine'
import { ImageTree } from '@sallyport/sandbox'

const PATH_DEFAULT = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** Where the loader of the GNU C library looks without being told (ld.so(8)), and Debian's directories of an architecture. */
const LIBRARY_DIRECTORIES: readonly string[] = ['/lib', '/usr/lib', '/lib64', '/usr/lib64', '/usr/local/lib']

interface NodeNeeds {
  readonly loader: string
  readonly directory: string
}

const NODE_NEEDS: Readonly<Record<string, NodeNeeds>> = {
  x64: { loader: '/lib64/ld-linux-x86-64.so.2', directory: 'x86_64-linux-gnu' },
  arm64: { loader: '/lib/ld-linux-aarch64.so.1', directory: 'aarch64-linux-gnu' },
}

/** Of Node's own builds for Linux. */
const NODE_LIBRARIES = ['libc.so.6', 'libm.so.6', 'libstdc++.so.6', 'libgcc_s.so.1'] as const

/** `env`: what the image's configuration sets. Untrusted, all of it. */
export function imageFacts(root: string, env: Readonly<Record<string, string>>, architecture: string = process.arch): JobImageFacts {
  const tree = new ImageTree(root)
  const path = env['PATH'] || PATH_DEFAULT
  return {
    env,
    shell: (['bash', 'sh'] as const).find((name) => hasProgram(tree, path, name)) ?? null,
    nodeProblem: nodeProblem(tree, NODE_NEEDS[architecture]),
  }
}

function hasProgram(tree: ImageTree, path: string, name: string): boolean {
  return path
    .split(':')
    .filter((directory) => directory.startsWith('/'))
    .some((directory) => {
      const stats = tree.find(posix.join(directory, name))?.stats
      return stats?.isFile() === true && (stats.mode & 0o111) !== 0
    })
}

/** The Node that JavaScript actions run with is Sallyport's own, and not in the image; what it is linked with has to be there. */
function nodeProblem(tree: ImageTree, needs: NodeNeeds | undefined): string | null {
  if (needs === undefined) return null
  const has = (path: string): boolean => tree.find(path)?.stats.isFile() ?? false
  if (!has(needs.loader)) {
    return `the job's image has no GNU C library (${needs.loader}), which Sallyport's Node needs; use an image that has one (Debian and Fedora have; Alpine has not)`
  }
  const directories = LIBRARY_DIRECTORIES.flatMap((directory) => [directory, `${directory}/${needs.directory}`])
  const missing = NODE_LIBRARIES.filter((library) => !directories.some((directory) => has(`${directory}/${library}`)))
  return missing.length === 0
    ? null
    : `the job's image has no ${missing.join(', ')}, which Sallyport's Node needs; install them in the image`
}
