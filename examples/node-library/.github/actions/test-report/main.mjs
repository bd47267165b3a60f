// SPDX-License-Identifier: Apache-2.0
import { appendFileSync, globSync } from 'node:fs'
import { join, relative } from 'node:path'
import { run } from 'node:test'
import { annotate, input, setInFile } from './commands.mjs'

const workspace = process.env.GITHUB_WORKSPACE
const files = globSync(join(workspace, input('directory'), '*.test.js')).sort()
const isVerbose = input('verbose') === 'true'
const counts = { passed: 0, failed: 0 }

const isCase = ({ details, file, name }) => details.type !== 'suite' && name !== file
const events = run({ files, concurrency: 2 })
events.on('test:pass', (event) => {
  if (!isCase(event)) return
  counts.passed += 1
  if (isVerbose) process.stdout.write(`  ✓ ${event.name}\n`)
})
events.on('test:fail', (event) => {
  if (!isCase(event)) return
  counts.failed += 1
  annotate('error', { file: relative(workspace, event.file ?? ''), line: event.line ?? 1, title: event.name }, event.details.error.message)
})

for await (const _ of events);
const total = counts.passed + counts.failed
process.stdout.write(`::group::Totals\n${counts.passed} of ${total} tests passed in ${files.length} files\n::endgroup::\n`)
setInFile('GITHUB_OUTPUT', 'total', String(total))
setInFile('GITHUB_OUTPUT', 'passed', String(counts.passed))
setInFile('GITHUB_STATE', 'total', String(total))
appendFileSync(process.env.GITHUB_STEP_SUMMARY, `| tests | passed |\n|---|---|\n| ${total} | ${counts.passed} |\n`)
if (total === 0) annotate('error', {}, `no tests in ${input('directory')}`)
process.exitCode = counts.failed === 0 && total > 0 ? 0 : 1
