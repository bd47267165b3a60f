// SPDX-License-Identifier: Apache-2.0
import type { AccessCommands } from './access/contract.ts'
import type { AuditCommands } from './audit/contract.ts'
import type { RunAttempt } from './audit/refused-run.ts'
import type { KeyCommands, RetentionCommands } from './audit/retention-contract.ts'
import type { Agent } from './contract.ts'
import type { ImageCommands } from './images/contract.ts'
import type { SecretsCommands } from './secrets/contract.ts'

/** Each part is loaded when it is called: `exec` does not wait for the workflow parser. */
export function createAgent(): Agent {
  return {
    run: async (options, observer) => {
      const { runWorkflows } = await import('./run/run.ts')
      const { repository: directory, event, files } = options
      return onRecord(() => runWorkflows(options, observer), options, { command: 'run', directory, event, files })
    },
    preview: async (options) => (await import('./preview.ts')).previewRun(options),
    exec: async (options, observer) => {
      const { execCommand } = await import('./exec/exec.ts')
      const { directory, argv } = options
      return onRecord(() => execCommand(options, observer), options, { command: 'exec', directory, argv })
    },
    doctor: async (stateDirectory) => (await import('./doctor/doctor.ts')).examineHost(stateDirectory),
    hardening: async (stateDirectory, operatorFile) =>
      (await import('./doctor/host/examine-hardening.ts')).examineHardening(stateDirectory, operatorFile),
    supervisorEgress: async (stateDirectory, operatorFile) =>
      (await import('./doctor/host/read-egress.ts')).readEgressNeeds(stateDirectory, operatorFile),
    access: {
      review: async (place) => (await loadAccess()).review(place),
      approve: async (place, digest) => (await loadAccess()).approve(place, digest),
      revoke: async (place) => (await loadAccess()).revoke(place),
      learn: async (place, runs) => (await loadAccess()).learn(place, runs),
      replay: async (place, runs) => (await loadAccess()).replay(place, runs),
      explain: async (place, question) => (await loadAccess()).explain(place, question),
    },
    audit: {
      operatorLog: async (stateDirectory) => (await loadAudit()).operatorLog(stateDirectory),
      publish: async (stateDirectory) => (await loadAudit()).publish(stateDirectory),
      verify: async (place, options) => (await loadAudit()).verify(place, options),
      prove: async (place, run, index) => (await loadAudit()).prove(place, run, index),
      async *show(place, filter) {
        yield* (await loadAudit()).show(place, filter)
      },
    },
    images: {
      pull: async (stateDirectory, request) => (await loadImages()).pull(stateDirectory, request),
    },
    retention: {
      holds: async (state) => (await loadRetention()).holds(state),
      hold: async (state, selection) => (await loadRetention()).hold(state, selection),
      release: async (state, id, reason) => (await loadRetention()).release(state, id, reason),
      retain: async (state, applies) => (await loadRetention()).retain(state, applies),
      archive: async (state, request) => (await loadRetention()).archive(state, request),
      verifyArchive: async (place, archive) => (await loadRetention()).verifyArchive(place, archive),
      erase: async (state, run, request) => (await loadRetention()).erase(state, run, request),
      async *payloads(state, run) {
        yield* (await loadRetention()).payloads(state, run)
      },
    },
    keys: {
      prepare: async (state) => (await loadKeys()).prepare(state),
      rotate: async (state) => (await loadKeys()).rotate(state),
      list: async (place) => (await loadKeys()).list(place),
    },
    secrets: {
      leases: async (stateDirectory) => (await loadSecrets()).leases(stateDirectory),
      sweep: async (stateDirectory, operatorFile) => (await loadSecrets()).sweep(stateDirectory, operatorFile),
      auditManager: async (stateDirectory, request, found) => (await loadSecrets()).auditManager(stateDirectory, request, found),
      rotateManaged: async (stateDirectory, request) => (await loadSecrets()).rotateManaged(stateDirectory, request),
      scheduled: async (stateDirectory, operatorFile, nowMs) => (await loadSecrets()).scheduled(stateDirectory, operatorFile, nowMs),
    },
  }
}

/** A run that may not start leaves that in the log. */
async function onRecord<T>(work: () => Promise<T>, attempt: RunAttempt, facts: Readonly<Record<string, unknown>>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const { recordRefusal } = await import('./audit/refused-run.ts')
    await recordRefusal(error, attempt, facts)
    throw error
  }
}

async function loadAccess(): Promise<AccessCommands> {
  return (await import('./access/commands.ts')).accessCommands
}

async function loadImages(): Promise<ImageCommands> {
  return (await import('./images/pull-image.ts')).imageCommands
}

async function loadKeys(): Promise<KeyCommands> {
  return (await import('./audit/key-commands.ts')).keyCommands
}

async function loadAudit(): Promise<AuditCommands> {
  return (await import('./audit/commands.ts')).auditCommands
}

async function loadRetention(): Promise<RetentionCommands> {
  return (await import('./audit/retention-commands.ts')).retentionCommands
}

async function loadSecrets(): Promise<SecretsCommands> {
  return (await import('./secrets/leases.ts')).secretsCommands
}
