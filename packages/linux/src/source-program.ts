// SPDX-License-Identifier: Apache-2.0
import { getCompileCacheDir } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * What Node is given to run another program of ours: from the sources, `main.ts` beside the file of `beside` (an `import.meta.url`); from a bundle, `bundled`
 * beside that.
 *
 * What this process keeps of compiled sources is the other's, too, whose environment is to stay empty. Nobody else gains by it: who could write there could have
 * changed this process.
 */
export function programWords(beside: string, bundled: string): readonly string[] {
  const here = fileURLToPath(beside)
  return here.endsWith('.ts')
    ? [...compileCacheFlags(getCompileCacheDir()), join(dirname(here), 'main.ts')]
    : [join(dirname(here), bundled)]
}

/** `kept`: as Node names it, below the directory that it was told. */
function compileCacheFlags(kept: string | undefined): readonly string[] {
  if (kept === undefined) return []
  const enable = `import { enableCompileCache } from 'node:module'; enableCompileCache(${JSON.stringify(dirname(kept))})`
  return ['--import', `data:text/javascript,${encodeURIComponent(enable)}`]
}
