// SPDX-License-Identifier: Apache-2.0

export interface LockEntry {
  readonly version?: string
  readonly integrity?: string
  readonly dev?: boolean
  readonly optional?: boolean
  readonly os?: string | readonly string[]
  readonly cpu?: string | readonly string[]
  readonly libc?: readonly string[]
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

/** The `packages` of a lock file, by path. */
export type Packages = Readonly<Record<string, LockEntry>>

const systems: readonly string[] = ['aix', 'android', 'darwin', 'freebsd', 'linux', 'netbsd', 'openbsd', 'openharmony', 'sunos', 'win32']
const processors: readonly string[] = ['arm', 'arm64', 'ia32', 'loong64', 'mips64el', 'ppc64', 'riscv64', 's390x', 'x64']

/** Entries for the optional packages that others in the lock file name and that it does not hold. */
export function missingVariants(packages: Packages): Packages {
  const missing = Object.values(packages).flatMap((entry) =>
    Object.entries(entry.optionalDependencies ?? {})
      .filter(([name]) => packages[`node_modules/${name}`] === undefined)
      .map(([name, version]) => [`node_modules/${name}`, variantEntry(name, version, entry.dev === true)] as const),
  )
  return Object.fromEntries(missing)
}

function variantEntry(name: string, version: string, dev: boolean): LockEntry {
  const words = name.split(/[/-]/)
  const os = systems.find((system) => words.includes(system))
  const cpu = processors.find((processor) => words.includes(processor))
  const libc = words.some((word) => word.startsWith('musl')) ? 'musl' : 'glibc'
  if (os === undefined || cpu === undefined)
    throw new Error(`"${name}" is missing in package-lock.json and its name tells no platform: npm install it`)
  if (os === 'linux' && libc === 'glibc' && (cpu === 'x64' || cpu === 'arm64')) {
    throw new Error(`"${name}" is missing in package-lock.json and runs on our own platforms: it needs its hash, npm install it`)
  }
  return { version, cpu: [cpu], ...(dev ? { dev } : {}), ...(os === 'linux' ? { libc: [libc] } : {}), optional: true, os: [os] }
}
