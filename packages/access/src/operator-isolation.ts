// SPDX-License-Identifier: Apache-2.0
import { quote } from '@sallyport/core'
import type { TreeReader } from './tree-reader.ts'
import type { YamlNode } from './yaml-tree.ts'

/** How well jobs of this machine are kept apart at least, whatever a repository or a command line asks for. */
export interface IsolationCeiling {
  readonly minimum: 'oci' | 'gvisor'
  /** Absolute path of gVisor's runtime; null: where the system has its programs. */
  readonly runsc: string | null
}

/** Without a word of the operator. */
const ISOLATION_DEFAULT: IsolationCeiling = { minimum: 'oci', runsc: null }

/** `isolation:` of the operator's file: one word, or a map. */
export function readIsolationCeiling(node: YamlNode | undefined, reader: TreeReader): IsolationCeiling {
  if (node === undefined) return ISOLATION_DEFAULT
  if (node.kind === 'text') return { minimum: reader.choice(node, 'isolation', ['oci', 'gvisor']) ?? 'gvisor', runsc: null }
  const { minimum, runsc } = reader.fields(node, 'isolation', ['minimum', 'runsc'])
  return {
    // What cannot be read is an error of the file; until it is told nothing weaker may be meant.
    minimum: minimum === undefined ? 'oci' : (reader.choice(minimum, 'isolation.minimum', ['oci', 'gvisor']) ?? 'gvisor'),
    runsc: runsc === undefined ? null : readProgram(runsc, reader),
  }
}

function readProgram(node: YamlNode, reader: TreeReader): string | null {
  const text = reader.text(node, 'isolation.runsc')
  if (text === null) return null
  const isPlain = text.value.startsWith('/') && !/[\0\t\n]/.test(text.value)
  return isPlain ? text.value : reader.invalid(text.at, `${quote(text.value)} is no absolute path`, 'for example /usr/local/bin/runsc')
}
