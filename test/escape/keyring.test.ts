// SPDX-License-Identifier: Apache-2.0
// Keyrings belong to no namespace but the user's: what the supervisor's session holds must not come along into a step.
import { runScript } from '@sallyport/testkit'
import { escape, findingOf, inDisposableBox } from './_suite.ts'

await inDisposableBox()

/** request_key, by its number: no distribution has a program for it installed. */
const CALL = process.arch === 'arm64' ? 218 : 249

escape({
  never: "a step finds a key of its supervisor's session",
  probe: async (sandbox) => {
    const script = `my $key = syscall(${CALL}, my $type = "user", my $name = "planted-key", 0, 0); print $key > 0 ? "found" : $!`
    const { output } = await runScript(sandbox, `perl -e '${script}'`)
    return findingOf(output, output.includes('found'))
  },
  error: 'EPERM',
  without: [['step-keyring', 'seccomp']],
  plants: ['session-key'],
  rows: [39],
})
