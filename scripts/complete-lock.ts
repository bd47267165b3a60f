// SPDX-License-Identifier: Apache-2.0
// scripts/with-node.sh scripts/complete-lock.ts: to be run after each change of package-lock.json; writes it only where something is missing.
//
// A registry mirror may lack the variants of a package for other platforms. `npm install` then leaves them out of the lock file, and
// `npm ci` of npm 10 and newer refuses the file for it. The entries written here name version and platform, so that npm
// knows them and skips them; they carry no hash, which is why no platform that we run on may get one.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { missingVariants, type Packages } from './lock-variants.ts'

const file = join(import.meta.dirname, '../package-lock.json')
const lock = JSON.parse(readFileSync(file, 'utf8')) as { packages: Packages }
const added = missingVariants(lock.packages)
if (Object.keys(added).length > 0) {
  const entries = Object.entries({ ...lock.packages, ...added })
  lock.packages = Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)))
  writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`)
}
process.stderr.write(`complete-lock: ${Object.keys(added).length} entries added\n`)
