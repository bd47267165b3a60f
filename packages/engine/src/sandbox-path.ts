// SPDX-License-Identifier: Apache-2.0

/** Joins paths as text: the engine never looks at a file. `path` may be absolute. */
export function joinPath(base: string, path: string): string {
  const absolute = path.startsWith('/') ? path : `${base}/${path}`
  const parts: string[] = []
  for (const part of absolute.split('/')) {
    if (part === '..') parts.pop()
    else if (part !== '' && part !== '.') parts.push(part)
  }
  return `/${parts.join('/')}`
}
