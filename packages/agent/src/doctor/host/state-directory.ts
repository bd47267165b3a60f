// SPDX-License-Identifier: Apache-2.0
import { posix } from 'node:path'
import type { HostFinding } from '../../contract.ts'
import { found } from './finding.ts'
import type { HostView } from './host-view.ts'

const NAMED = { group: 'files', name: 'the state directory and the operator’s file' } as const

/** Holds private keys, or what they sign: nobody but their owner may even look in. */
const PRIVATE: readonly string[] = ['audit', 'signer', 'identity', 'secrets', 'runs', 'trust', 'witness', 'doctor']

export function stateDirectory(view: HostView, directory: string, operatorFile: string): HostFinding {
  const wrong = [
    ...modeProblem(view, directory, 0o022),
    ...PRIVATE.flatMap((name) => modeProblem(view, posix.join(directory, name), 0o077)),
    ...modeProblem(view, operatorFile, 0o022),
  ]
  if (wrong.length === 0) return found('state-directory', NAMED, { state: 'ok', text: directory, fix: null })
  return found('state-directory', NAMED, {
    state: 'missing',
    text: wrong.map(({ text }) => text).join(', '),
    fix: wrong.map(({ fix }) => fix).join(' && '),
  })
}

function modeProblem(view: HostView, path: string, forbidden: number): { text: string; fix: string }[] {
  const stats = view.stat(path)
  if (stats === null || (stats.mode & forbidden) === 0) return []
  return [{ text: `${path} has mode ${(stats.mode & 0o7777).toString(8)}`, fix: `chmod ${forbidden === 0o022 ? 'go-w' : 'go='} ${path}` }]
}
