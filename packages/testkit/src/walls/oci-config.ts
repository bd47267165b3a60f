// SPDX-License-Identifier: Apache-2.0

/** The parts of an OCI runtime configuration that walls are made of. */
export interface OciConfig {
  readonly hostname?: string
  readonly mounts: readonly OciMount[]
  readonly linux: OciLinux
  readonly [key: string]: unknown
}

export interface OciMount {
  readonly destination: string
  readonly type: string
  readonly source: string
  readonly options: readonly string[]
}

export interface OciLinux {
  readonly namespaces: readonly { readonly type: string }[]
  readonly resources: Readonly<Record<string, unknown>>
  readonly maskedPaths: readonly string[]
  readonly readonlyPaths: readonly string[]
  readonly [key: string]: unknown
}

export type OciChange = (config: OciConfig) => OciConfig

export function changeLinux(change: (linux: OciLinux) => OciLinux): OciChange {
  return (config) => ({ ...config, linux: change(config.linux) })
}

export function withoutNamespace(type: string): OciChange {
  return changeLinux((linux) => ({ ...linux, namespaces: linux.namespaces.filter((namespace) => namespace.type !== type) }))
}

export function withoutLinux(key: string): OciChange {
  return changeLinux((linux) => without(linux, key) as OciLinux)
}

/** For a key that the configuration need not have. */
export function withoutKey(key: string): OciChange {
  return (config) => without(config, key) as OciConfig
}

function without(object: Readonly<Record<string, unknown>>, key: string): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(object).filter(([name]) => name !== key))
}

export function withoutResource(name: string): OciChange {
  return changeLinux((linux) => ({ ...linux, resources: without(linux.resources, name) }))
}

/** Replaces the mount at `destination`; null leaves it out. */
export function replaceMount(destination: string, mount: OciMount | null): OciChange {
  return (config) => ({
    ...config,
    mounts: config.mounts.flatMap((old) => (old.destination !== destination ? [old] : mount === null ? [] : [mount])),
  })
}

export function addMount(mount: OciMount): OciChange {
  return (config) => ({ ...config, mounts: [...config.mounts, mount] })
}

export function bind(source: string, destination: string, options: readonly string[]): OciMount {
  return { destination, type: 'bind', source, options: ['rbind', ...options] }
}

/** One after the other. */
export function all(...changes: readonly OciChange[]): OciChange {
  return (config) => changes.reduce((changed, change) => change(changed), config)
}
