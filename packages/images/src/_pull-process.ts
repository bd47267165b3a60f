// SPDX-License-Identifier: Apache-2.0
// A process that pulls, so that a test can kill it: argv is the store, the registry without TLS, the reference.
import { openImageStore } from './image-store.ts'

const [directory = '', host = '', reference = ''] = process.argv.slice(2)
const image = await openImageStore(directory, { dangerouslyWithoutTls: [host] }).pull(reference, {
  credentials: { username: 'alice', password: 'words-of-alice' },
  signal: new AbortController().signal,
})
process.stdout.write(image.digest)
