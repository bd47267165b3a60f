// SPDX-License-Identifier: Apache-2.0
import { AgentError } from '../agent-error.ts'
import { readPlainFile } from './plain-file.ts'

const AUTHORITIES_BYTES_MAX = 8 * 2 ** 20

/** The certificates in the files that the operator names. @throws AgentError OPERATOR_FILE_REFUSED */
export async function readAuthorities(files: readonly string[]): Promise<string> {
  return (await Promise.all(files.map(readAuthority))).join('\n')
}

async function readAuthority(path: string): Promise<string> {
  try {
    const file = await readPlainFile(path, { bytesMax: AUTHORITIES_BYTES_MAX, followsLinks: true })
    if (file?.text.includes('-----BEGIN CERTIFICATE-----')) return file.text
    throw new Error(file === null ? 'there is no such file' : 'it holds no certificate in PEM form')
  } catch (error) {
    throw new AgentError(
      'OPERATOR_FILE_REFUSED',
      `Cannot take the certificates in "${path}": ${error instanceof Error ? error.message : error}`,
      { cause: error },
    )
  }
}
