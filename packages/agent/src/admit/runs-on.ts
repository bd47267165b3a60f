// SPDX-License-Identifier: Apache-2.0
import { refusedRunnerLabel } from '@sallyport/workflow'
import { AgentError } from '../agent-error.ts'

const OTHER_ARCHITECTURES: Readonly<Record<string, readonly string[]>> = {
  x64: ['arm', 'arm64', 'aarch64'],
  arm64: ['x64', 'x86', 'amd64'],
}

/**
 * Whether this host can be what `runs-on` asks for. Every Linux label becomes `image: host` in this release, and the run says so.
 *
 * @throws AgentError RUNNER_UNSUPPORTED naming the label.
 */
export function assertRunsHere(labels: readonly string[], architecture: string = process.arch): void {
  for (const label of labels) {
    const name = label.toLowerCase()
    const refused = refusedRunnerLabel(label)
    if (refused !== null) {
      throw new AgentError('RUNNER_UNSUPPORTED', `Cannot run the job: ${refused}`, { hint: 'Use a Linux label such as ubuntu-latest' })
    }
    const others = OTHER_ARCHITECTURES[architecture] ?? []
    if (others.includes(name) || others.some((other) => name.endsWith(`-${other}`))) {
      throw new AgentError('RUNNER_UNSUPPORTED', `Cannot run on "${label}": this host is ${architecture}`)
    }
  }
}
