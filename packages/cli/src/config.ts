// SPDX-License-Identifier: Apache-2.0
import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'
import { readOuterNamespace } from '@sallyport/linux'

/** All that the command line takes from its environment; the only place that reads it. */
export interface Config {
  /** Where `--state` points when it is not given. */
  readonly stateDirectory: string
  /** False under NO_COLOR and on a terminal that cannot. */
  readonly allowsColor: boolean
  /** False on a terminal that cannot move its cursor. */
  readonly allowsRepaint: boolean
  /** Where the CI runner around us, if there is one, keeps the script of the step that we are (RUNNER_TEMP). */
  readonly runnerTemp: string | null
  /** Print stacks of unexpected errors. */
  readonly isDebug: boolean
}

type Environment = Readonly<Record<string, string | undefined>>

export function readConfig(
  env: Environment = process.env,
  isRoot: boolean = process.geteuid?.() === 0 && readOuterNamespace() === null,
): Config {
  const isDumb = env['TERM'] === 'dumb'
  return Object.freeze({
    stateDirectory: isRoot ? '/var/lib/sallyport' : join(stateHome(env), 'sallyport'),
    allowsColor: !isDumb && (env['NO_COLOR'] ?? '') === '',
    allowsRepaint: !isDumb,
    runnerTemp: isAbsolute(env['RUNNER_TEMP'] ?? '') ? (env['RUNNER_TEMP'] ?? null) : null,
    isDebug: (env['SALLYPORT_DEBUG'] ?? '') !== '',
  })
}

/** All of it, for ourselves as the root of a user namespace: where the home is, the user's id says no more there. */
export function ownEnvironment(env: Environment = process.env): Environment {
  return { ...env, HOME: homedir() }
}

/** The specification of these directories says that a relative path is to be ignored. */
function stateHome(env: Environment): string {
  const named = env['XDG_STATE_HOME'] ?? ''
  return isAbsolute(named) ? named : join(homedir(), '.local/state')
}

/** Values that `--secret NAME` asks for. A type of its own: nothing here is ever printed. */
export interface SecretSource {
  read(name: string): string | undefined
}

export function environmentSecrets(env: Environment = process.env): SecretSource {
  return { read: (name) => env[name] }
}
