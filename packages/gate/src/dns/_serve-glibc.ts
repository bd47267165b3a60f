// SPDX-License-Identifier: Apache-2.0
// Runs in namespaces of its own: serves the loopback's port 53 and lets the C library's resolver ask it. Prints what it found, one JSON document.
import { execFile, execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { startServer } from './_server.ts'
import { recordedStep } from './_steps.ts'

execFileSync('ip', ['link', 'set', 'lo', 'up'])
const directory = mkdtempSync(join(tmpdir(), 'gate-glibc-'))
try {
  const file = join(directory, 'resolv.conf')
  const run = promisify(execFile)
  const step = recordedStep(['allowed.test'])
  const found: Record<string, string> = {}
  await using _server = await startServer(step, {}, 53)
  for (const options of ['', 'edns0 trust-ad', 'use-vc', 'single-request']) {
    writeFileSync(file, `nameserver 127.0.0.1\noptions timeout:2 attempts:1 ${options}\n`)
    execFileSync('mount', ['--bind', file, '/etc/resolv.conf'])
    for (const name of ['allowed.test', 'evil.test']) {
      const { stdout } = await run('getent', ['ahosts', name]).catch((error: { code: number }) => ({ stdout: `exit ${error.code}` }))
      found[`${name} ${options}`.trim()] = stdout.split(/\s/).slice(0, 2).join(' ')
    }
    execFileSync('umount', ['/etc/resolv.conf'])
  }
  process.stdout.write(JSON.stringify(found))
} finally {
  rmSync(directory, { recursive: true })
}
