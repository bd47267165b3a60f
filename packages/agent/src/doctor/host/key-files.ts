// SPDX-License-Identifier: Apache-2.0
import { posix } from 'node:path'
import type { HostFinding } from '../../contract.ts'
import { found } from './finding.ts'
import type { HostView } from './host-view.ts'

/** Of each home directory. Names alone are looked at. */
const CREDENTIALS: readonly string[] = [
  '.aws/credentials',
  '.azure/msal_token_cache.json',
  '.config/gcloud/application_default_credentials.json',
  '.config/gcloud/credentials.db',
  '.config/gh/hosts.yml',
  '.docker/config.json',
  '.git-credentials',
  '.kube/config',
  '.netrc',
  '.npmrc',
  '.pgpass',
  '.pypirc',
  '.vault-token',
]

/** Directories of the system with private keys, and which of their files are ones. */
const SYSTEM: readonly { readonly directory: string; readonly isKey: RegExp }[] = [
  { directory: '/etc/ssh', isKey: /_key$/ },
  { directory: '/etc/ssl/private', isKey: /./ },
  { directory: '/etc/kubernetes', isKey: /\.conf$/ },
  { directory: '/etc/kubernetes/pki', isKey: /\.key$/ },
  { directory: '/etc/rancher/k3s', isKey: /\.yaml$/ },
]

const NO_KEYS = /\.pub$|^(known_hosts|authorized_keys|config|environment|rc)/

const NAMED = { group: 'files', name: 'keys and credentials that everybody may read' } as const
const READ = 0o004

export function keyFiles(view: HostView): HostFinding {
  const open = candidates(view).filter((path) => view.isOpenToOthers(path, READ))
  if (open.length === 0) return found('key-files', NAMED, { state: 'ok', text: 'none of those that are known by name', fix: null })
  return found('key-files', NAMED, { state: 'missing', text: open.slice(0, 20).join(', '), fix: `chmod o= ${open.slice(0, 20).join(' ')}` })
}

function candidates(view: HostView): readonly string[] {
  const homes = homeDirectories(view)
  return [
    '/etc/shadow',
    '/etc/gshadow',
    ...SYSTEM.flatMap(({ directory, isKey }) => files(view, directory).filter((path) => isKey.test(posix.basename(path)))),
    ...homes.flatMap((home) => CREDENTIALS.map((name) => posix.join(home, name))),
    ...homes.flatMap((home) => files(view, posix.join(home, '.ssh')).filter((path) => !NO_KEYS.test(posix.basename(path)))),
  ].filter((path) => view.stat(path)?.isFile() === true)
}

function files(view: HostView, directory: string): string[] {
  return view.names(directory).map((name) => posix.join(directory, name))
}

const HOMES_MAX = 1000

function homeDirectories(view: HostView): readonly string[] {
  const lines = (view.text('/etc/passwd') ?? '').split('\n')
  const homes = lines
    .map((line) => line.split(':')[5] ?? '')
    .filter((home) => home.startsWith('/') && home !== '/' && !home.split('/').includes('..'))
  return [...new Set(['/root', ...homes])].slice(0, HOMES_MAX)
}
