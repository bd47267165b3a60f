// SPDX-License-Identifier: Apache-2.0
import { homedir } from 'node:os'
import { join } from 'node:path'

/** What the user's package managers are configured by, beside their files. */
export interface PackageManagerSettings {
  /** For the package managers that are asked. */
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly cargoHome: string
  readonly mavenSettings: string
}

type Environment = Readonly<Record<string, string | undefined>>

export function readPackageManagerSettings(env: Environment = process.env): PackageManagerSettings {
  const home = env['HOME'] ?? homedir()
  return Object.freeze({
    environment: withoutCode(withoutNpmScript(env)),
    cargoHome: env['CARGO_HOME'] ?? join(home, '.cargo'),
    mavenSettings: join(home, '.m2', 'settings.xml'),
  })
}

/**
 * Started by npm (`npx`, a script of package.json) we are given npm's own configuration in the environment, and with it what the
 * repository's `.npmrc` says: a repository must not choose the hosts that `preset: npm` means.
 */
function withoutNpmScript(env: Environment): Environment {
  if (env['npm_execpath'] === undefined) return env
  return Object.fromEntries(Object.entries(env).filter(([name]) => !/^npm_(config|package|lifecycle)_/i.test(name)))
}

/** Variables by which an interpreter loads code, often from the directory that one works in (`PYTHONPATH=$PWD`): none of it is needed here. */
function withoutCode(env: Environment): Environment {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !/^(NODE_OPTIONS|NODE_PATH|PYTHON.*)$/.test(name)))
}
