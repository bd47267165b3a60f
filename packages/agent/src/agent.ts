// SPDX-License-Identifier: Apache-2.0
import type { Agent } from './contract.ts'

/** Each part is loaded when it is called: `exec` does not wait for the workflow parser. */
export function createAgent(): Agent {
  return {
    run: async (options, observer) => (await import('./run/run.ts')).runWorkflows(options, observer),
    preview: async (options) => (await import('./preview.ts')).previewRun(options),
    exec: async (options, observer) => (await import('./exec/exec.ts')).execCommand(options, observer),
    doctor: async (stateDirectory) => (await import('./doctor.ts')).examineHost(stateDirectory),
  }
}
