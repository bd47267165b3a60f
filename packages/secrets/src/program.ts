// SPDX-License-Identifier: Apache-2.0
import { programWords } from '@sallyport/linux'

/** The young generation would grow to 64 MB with the number of questions, though nothing of them is kept: with 4 MB the process stays as large as it starts. */
const NODE_FLAGS: readonly string[] = ['--max-old-space-size=128', '--max-semi-space-size=2', '--disable-proto=delete', '--no-warnings']

/** From the bundle: broker.cjs beside the file that this runs from. From the sources: they. */
export function brokerArgv(): readonly string[] {
  return [process.execPath, ...NODE_FLAGS, ...programWords(import.meta.url, 'broker.cjs')]
}
