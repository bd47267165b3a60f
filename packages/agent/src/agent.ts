// SPDX-License-Identifier: Apache-2.0
import type { AccessCommands } from './access/contract.ts'
import type { AuditCommands } from './audit/contract.ts'
import type { Agent } from './contract.ts'

/** Each part is loaded when it is called: `exec` does not wait for the workflow parser. */
export function createAgent(): Agent {
  return {
    run: async (options, observer) => (await import('./run/run.ts')).runWorkflows(options, observer),
    preview: async (options) => (await import('./preview.ts')).previewRun(options),
    exec: async (options, observer) => (await import('./exec/exec.ts')).execCommand(options, observer),
    doctor: async (stateDirectory) => (await import('./doctor.ts')).examineHost(stateDirectory),
    access: {
      review: async (place) => (await loadAccess()).review(place),
      approve: async (place, digest) => (await loadAccess()).approve(place, digest),
      revoke: async (place) => (await loadAccess()).revoke(place),
      learn: async (place, runs) => (await loadAccess()).learn(place, runs),
      replay: async (place, runs) => (await loadAccess()).replay(place, runs),
      explain: async (place, question) => (await loadAccess()).explain(place, question),
    },
    audit: {
      verify: async (place, remember) => (await loadAudit()).verify(place, remember),
      prove: async (place, run, index) => (await loadAudit()).prove(place, run, index),
      async *show(place, filter) {
        yield* (await loadAudit()).show(place, filter)
      },
    },
  }
}

async function loadAccess(): Promise<AccessCommands> {
  return (await import('./access/commands.ts')).accessCommands
}

async function loadAudit(): Promise<AuditCommands> {
  return (await import('./audit/commands.ts')).auditCommands
}
