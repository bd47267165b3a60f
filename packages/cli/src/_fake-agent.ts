// SPDX-License-Identifier: Apache-2.0
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type AccessCommands,
  type AccessReview,
  type Agent,
  type AuditCommands,
  type AuditReport,
  type CheckedPayload,
  createAgent,
  type DoctorReport,
  type ExecOptions,
  type HostReport,
  type KeyCommands,
  type RetentionCommands,
  type RetentionReport,
  type RunDocument,
  type RunObserver,
  type RunOptions,
  type RunPreview,
  type SecretsCommands,
  type SessionLease,
  type ShownEntry,
} from '@sallyport/agent'
import type { EventEnvelope } from '@sallyport/core'

type Entry =
  | { readonly event: string; readonly job?: string; readonly step?: string; readonly data?: Record<string, unknown> }
  | { readonly output: string; readonly job: string; readonly step: string }
  | { readonly sleepMs: number }

/** A run with one job that passes, one that fails at its second step and one that is skipped. */
const SCRIPT: readonly Entry[] = [
  { event: 'run.started', data: { workflows: ['ci.yml'] } },
  { event: 'run.notice', data: { message: 'permissions have no effect here' } },
  ...['build', 'test (20)', 'deploy'].map((job) => ({ event: 'job.queued', job, data: { name: job } })),
  ...['build', 'test (20)'].flatMap((job) => [
    { event: 'job.preparing', job, data: { name: job, image: 'host (Debian 12)' } },
    { sleepMs: 300 },
    { event: 'job.prepared', job, data: { isolation: 'oci', prepareMs: 40, selfCheckMs: 5, passed: 26, failed: [] } },
    { event: 'step.started', job, step: '1', data: { name: 'Check out', number: 1, secrets: [] } },
  ]),
  { sleepMs: 400 },
  { output: 'fetching\n', job: 'build', step: '1' },
  {
    event: 'step.finished',
    job: 'build',
    step: '1',
    data: { name: 'Check out', outcome: 'success', conclusion: 'success', exitCode: 0, durationMs: 400, message: null },
  },
  {
    event: 'step.finished',
    job: 'test (20)',
    step: '1',
    data: { name: 'Check out', outcome: 'success', conclusion: 'success', exitCode: 0, durationMs: 410, message: null },
  },
  { event: 'step.started', job: 'test (20)', step: '2', data: { name: 'Run tests', number: 2, secrets: ['TOKEN'] } },
  { output: '::group::Install\n', job: 'test (20)', step: '2' },
  ...Array.from({ length: 30 }, (_, index) => ({ output: `ok ${index + 1}\n`, job: 'test (20)', step: '2' })),
  { output: '::endgroup::\n\x1b]0;owned\x07\x1b[31mnot ok\x1b[0m\x1b[2J \u202eevil\u202c\roverwritten\n', job: 'test (20)', step: '2' },
  { sleepMs: 600 },
  { event: 'job.finished', job: 'build', data: { name: 'build', conclusion: 'success', durationMs: 900, outputs: {}, message: null } },
  { output: 'last line without newline', job: 'test (20)', step: '2' },
  {
    event: 'door.refused',
    job: 'test (20)',
    step: '2',
    data: { code: 'no-rule', target: 'evil.example.test:443\x1b[2J', reason: 'no rule names it', rule: null, remedy: null },
  },
  { event: 'limit.hit', job: 'test (20)', step: '2', data: { limit: 'pids', detail: '512 processes' } },
  {
    event: 'step.finished',
    job: 'test (20)',
    step: '2',
    data: { name: 'Run tests', outcome: 'failure', conclusion: 'failure', exitCode: 3, durationMs: 1500, message: 'exit code 3' },
  },
  { event: 'step.skipped', job: 'test (20)', step: '3', data: { name: 'Publish', number: 3, reason: 'an earlier step failed' } },
  {
    event: 'job.finished',
    job: 'test (20)',
    data: { name: 'test (20)', conclusion: 'failure', durationMs: 2100, outputs: {}, message: null },
  },
  { event: 'job.skipped', job: 'deploy', data: { name: 'deploy', reason: 'test did not succeed' } },
  { event: 'run.finished', data: { conclusion: 'failure', durationMs: 2500 } },
]

export const DOCUMENT: RunDocument = {
  id: '20261122-201501-ab12cd',
  conclusion: 'failure',
  exitCode: 1,
  startedAt: '2026-11-22T20:15:01.000Z',
  durationMs: 2500,
  workflows: ['ci.yml'],
  jobs: [
    {
      id: 'build',
      key: 'build',
      name: 'build',
      matrix: null,
      conclusion: 'success',
      durationMs: 900,
      outputs: {},
      image: 'host (Debian 12)',
      isolation: 'oci (runc 1.1.5)',
      selfCheck: { passed: 26, failed: [] },
      steps: [{ id: '1', name: 'Check out', outcome: 'success', conclusion: 'success', durationMs: 400 }],
    },
    {
      id: 'test',
      key: 'test (20)',
      name: 'test (20)',
      matrix: { node: 20 },
      conclusion: 'failure',
      durationMs: 2100,
      outputs: {},
      image: 'host (Debian 12)',
      isolation: 'oci (runc 1.1.5)',
      selfCheck: { passed: 26, failed: [] },
      steps: [
        { id: '1', name: 'Check out', outcome: 'success', conclusion: 'success', durationMs: 410 },
        { id: '2', name: 'Run tests\x1b[2J', outcome: 'failure', conclusion: 'failure', durationMs: 1500 },
        { id: '3', name: 'Publish', outcome: 'skipped', conclusion: 'skipped', durationMs: 0 },
      ],
    },
    {
      id: 'deploy',
      key: 'deploy',
      name: 'deploy',
      matrix: null,
      conclusion: 'skipped',
      durationMs: 0,
      outputs: {},
      image: null,
      isolation: null,
      selfCheck: null,
      steps: [],
    },
  ],
  weaker: [],
  doors: {
    observed: false,
    used: [
      {
        job: 'build',
        step: '1',
        host: 'registry.example.test',
        port: 443,
        protocol: 'tls',
        rule: 'sallyport.yml:4',
        connections: 3,
        bytesOut: 1200,
        bytesIn: 4_700_000,
        requests: [],
        requestsMore: 0,
      },
    ],
    refused: [
      {
        job: 'test (20)',
        step: '2',
        code: 'no-rule',
        target: 'evil.example.test:443\x1b[2J',
        reason: 'no rule names it',
        rule: null,
        remedy: 'add "evil.example.test:443" to jobs.test.egress in sallyport.yml',
        count: 12,
      },
    ],
  },
  secrets: [{ name: 'TOKEN', job: 'test (20)', step: '2', delivery: 'env' }],
  published: [],
  policy: [],
  findings: [],
  sourceChanges: [],
  refusals: [{ job: 'test (20)', step: '2', what: 'pids', detail: '512 processes' }],
  error: null,
  log: { origin: '', first: 1, last: 30, size: 30, unpublished: null, salt: '' },
}

const PREVIEW: RunPreview = {
  workflows: [
    {
      file: '.github/workflows/ci.yml',
      name: 'CI',
      triggers: ['push'],
      triggered: true,
      reason: null,
      notices: ['permissions have no effect here'],
      jobs: [
        {
          id: 'build',
          name: 'build',
          needs: [],
          matrix: [{}],
          runsOn: 'ubuntu-24.04',
          image: 'host (Debian 12)',
          steps: [{ name: 'Check out', kind: 'checkout', secrets: [] }],
        },
        {
          id: 'test',
          name: 'Test',
          needs: ['build'],
          matrix: [{ node: 20 }, { node: 24 }],
          runsOn: 'ubuntu-24.04',
          image: 'host (Debian 12)',
          steps: [{ name: 'Run tests', kind: 'run', secrets: ['TOKEN'] }],
        },
      ],
    },
    {
      file: '.github/workflows/release.yml',
      name: 'Release',
      triggers: ['release'],
      triggered: false,
      reason: 'the event is push',
      notices: [],
      jobs: [],
    },
  ],
}

const GUARANTEES = [{ guarantee: 'network', holds: true, evidence: 'connect: ENETUNREACH', by: 'kernel' }] as const
const DRIVER = {
  traits: {
    kernel: 'shared',
    attributesSteps: 'each-packet',
    attributesPrograms: true,
    hasHostPids: true,
    leftovers: 'run-on',
    memoryLimitEnds: 'process',
    tellsPidsLimit: true,
  },
  platforms: [],
  tracePoints: null,
} as const

export const REPORT: DoctorReport = {
  host: { os: 'Debian GNU/Linux 12', kernel: '6.1.0', arch: 'x64', cgroup: 'v2', node: '24.21.0' },
  checks: [
    { name: 'user namespaces', ok: true, required: true, found: 'enabled', fix: null },
    { name: 'Landlock', ok: false, required: false, found: 'ABI 1', fix: 'use kernel 6.2 or later' },
  ],
  drivers: [
    { ...DRIVER, driver: 'runc', version: '1.1.5', usable: true, reason: null, hint: null, guarantees: GUARANTEES },
    { ...DRIVER, driver: 'crun', version: null, usable: false, reason: 'not installed', hint: 'apt-get install crun', guarantees: [] },
  ],
  weaker: [],
  guarantees: GUARANTEES,
}

const HOST_REPORT: HostReport = {
  findings: [
    { id: 'swap', group: 'memory', name: 'swap', state: 'ok', found: 'none', fix: null },
    {
      id: 'key-files',
      group: 'files',
      name: 'keys',
      state: 'warning',
      found: '/home/a/.ssh/id\x1b[2J',
      fix: 'chmod o= /home/a/.ssh/id\x1b[2J',
    },
  ],
  drift: { since: '2026-11-22T20:15:01.000Z', changes: [{ id: 'swap', was: 'warning: /dev/sda2', is: 'ok: none' }] },
  hardened: true,
}

export const REVIEW: AccessReview = {
  file: 'sallyport.yml',
  digest: 'ab'.repeat(32),
  state: 'changed',
  asks: ['job build: registry.example.test:443 (tls)  sallyport.yml:4', 'job build: git.example.test:22 (ssh)\x1b[2J  sallyport.yml:5'],
  changes: [
    { kind: 'kept', ask: 'job build: registry.example.test:443 (tls)  sallyport.yml:4' },
    { kind: 'added', ask: 'job build: git.example.test:22 (ssh)\x1b[2J  sallyport.yml:5' },
    { kind: 'removed', ask: 'job build: old.example.test:443 (tls)  sallyport.yml:5' },
  ],
  notices: [],
}

export interface FakeAgent extends Agent {
  /** Options of every call, by method. */
  readonly calls: {
    run: RunOptions[]
    preview: RunOptions[]
    exec: ExecOptions[]
    doctor: string[]
    /** Name and arguments. */
    access: unknown[][]
    audit: unknown[][]
    retention: unknown[][]
    secrets: unknown[][]
  }
}

type CallRecorder = <Arguments extends unknown[], Result>(
  name: string,
  answer: (...args: Arguments) => Result,
) => (...args: Arguments) => Result

/** Notes each call, and answers. */
function recordIn(calls: unknown[][]): CallRecorder {
  return (name, answer) =>
    (...args) => {
      calls.push([name, ...args])
      return answer(...args)
    }
}

/** Answers for a repository that asks for more than was approved, and for one run that it suffices for. */
function createFakeAccess(calls: unknown[][], overrides: Partial<AccessCommands>): AccessCommands {
  const answers: AccessCommands = {
    review: async () => REVIEW,
    approve: async () => undefined,
    revoke: async () => 2,
    learn: async (_place, runs) => ({ text: 'version: 1\n', runs: runs.length === 0 ? [DOCUMENT.id] : runs, notices: [] }),
    replay: async (_place, runs) => ({
      sufficient: true,
      runs,
      missing: [],
      unused: [{ rule: 'sallyport.yml:5', text: 'x.example.test:443' }],
      notices: [],
    }),
    explain: async () => ({ allowed: true, lines: ['sallyport.yml:4 allows it'] }),
    ...overrides,
  }
  const record = recordIn(calls)
  return {
    review: record('review', answers.review),
    approve: record('approve', answers.approve),
    revoke: record('revoke', answers.revoke),
    learn: record('learn', answers.learn),
    replay: record('replay', answers.replay),
    explain: record('explain', answers.explain),
  }
}

/** A log with a run that somebody has edited. */
export const AUDIT_KEY = 'host.test/sallyport/00000000+00000000+AAAA'

export const AUDIT_REPORT: AuditReport = {
  sound: false,
  directory: '/state/audit',
  origin: 'host.test/sallyport/00000000',
  size: 9,
  root: 'AAAA',
  key: AUDIT_KEY,
  keyChanges: [{ size: 5, from: `${AUDIT_KEY}\x1b[2J`, to: AUDIT_KEY }],
  trust: 'own',
  policy: null,
  witnesses: [],
  minimumIndex: 0,
  archives: [],
  entriesChecked: 8,
  publishedNow: 0,
  unpublished: 0,
  runsCompared: 1,
  manipulation: 'entry-edited',
  firstWrong: { first: 4, last: 4 },
  findings: [
    {
      kind: 'entry-wrong',
      severity: 'failure',
      manipulation: 'entry-edited',
      entries: { first: 4, last: 4 },
      path: null,
      message: 'entry 4 is not the one whose hash stands in the tile',
      count: 1,
    },
  ],
  openRuns: [{ run: DOCUMENT.id, state: 'cut-off' }],
  notices: [],
}

const SHOWN: readonly ShownEntry[] = [
  {
    index: 4,
    entry: {
      v: 1,
      at: '2026-11-22T20:15:02.000Z',
      source: `run/${DOCUMENT.id}`,
      seq: 5,
      type: 'step.started',
      job: 'build',
      step: '1',
      data: { name: 'Publish\x1b[2J', secrets: ['TOKEN'] },
    },
  },
]

function createFakeAudit(calls: unknown[][], overrides: Partial<AuditCommands>): AuditCommands {
  return {
    operatorLog: async () => ({
      record: async (type, data) => void calls.push(['record', type, data]),
      close: async () => void calls.push(['close']),
    }),
    verify: async (...args) => {
      calls.push(['verify', ...args])
      return overrides.verify === undefined ? AUDIT_REPORT : overrides.verify(...args)
    },
    publish: async (...args) => {
      calls.push(['publish', ...args])
      if (overrides.publish !== undefined) return overrides.publish(...args)
      return { origin: AUDIT_REPORT.origin, size: 9, key: AUDIT_KEY, witnesses: ['w1', 'w2\x1b[2J'] }
    },
    prove: async (...args) => {
      calls.push(['prove', ...args])
      const [, run] = args
      const [{ index, entry }] = SHOWN as readonly [ShownEntry]
      return { proof: 'c2sp.org/tlog-proof@v1\n', run, index, size: 9, entry, key: AUDIT_KEY }
    },
    async *show(...args) {
      calls.push(['show', ...args])
      yield* SHOWN
    },
  }
}

const HOLD = { id: '3f9a2c41', reason: 'case 4711\x1b[2J', source: null, class: 'output', since: '2026-11', until: null }

/** Something of each class is over its time. */
export const RETENTION: RetentionReport = {
  file: '/state/audit-retention',
  keepDays: { caller: 30, output: 90, record: null, entry: 730 },
  due: [{ class: 'output', sources: 2, bytes: 2048 }],
  held: 1,
  archivable: { first: 0, end: 512 },
  entries: [],
  notices: [],
}

const PAYLOADS: readonly CheckedPayload[] = [
  { index: 0, source: 'run/r1', type: 'source.opened', job: null, step: null, class: 'caller', bytes: 17, state: 'erased' },
  { index: 7, source: 'run/r1', type: 'step.log', job: 'build\x1b[2J', step: '1', class: 'output', bytes: 6, state: 'different' },
]

function createFakeRetention(calls: unknown[][], overrides: Partial<RetentionCommands>): RetentionCommands {
  const recorded = { entry: 9, notices: ['too few witnesses'] }
  const answers: RetentionCommands = {
    holds: async () => [HOLD],
    hold: async (_state, { run, ...selection }) => ({ hold: { id: HOLD.id, source: run, ...selection }, ...recorded }),
    release: async () => ({ hold: HOLD, ...recorded }),
    retain: async (_state, applies) => ({ ...RETENTION, entries: applies ? [9] : [] }),
    archive: async (_state, { archive }) => ({ made: { first: 0, end: 512, archive: archive ?? '/state/audit/archives/0', ...recorded } }),
    verifyArchive: async (_place, archive) => ({ archive, problem: null, range: { first: 0, end: 512 }, size: 700, inLog: true }),
    erase: async (_state, run, { classes }) => ({ run, classes, ...recorded }),
    async *payloads() {
      yield* PAYLOADS
    },
    ...overrides,
  }
  const record = recordIn(calls)
  return {
    holds: record('holds', answers.holds),
    hold: record('hold', answers.hold),
    release: record('release', answers.release),
    retain: record('retain', answers.retain),
    archive: record('archive', answers.archive),
    verifyArchive: record('verifyArchive', answers.verifyArchive),
    erase: record('erase', answers.erase),
    payloads: record('payloads', answers.payloads),
  }
}

const NEXT_KEY = 'host.test/sallyport/00000000+11111111+BBBB'

/** A key that has signed 9 entries, and the next one. */
function createFakeKeys(calls: unknown[][], overrides: Partial<KeyCommands>): KeyCommands {
  const origin = AUDIT_REPORT.origin
  const rotated = { origin, oldKey: AUDIT_KEY, newKey: NEXT_KEY, size: 10, entry: 9, wasUnfinished: false, notices: ['too few witnesses'] }
  const keys = [
    { key: `${AUDIT_KEY}\x1b[2J`, firstSize: 0, lastSize: 5 },
    { key: AUDIT_KEY, firstSize: 5, lastSize: null },
  ]
  const record = recordIn(calls)
  return {
    prepare: record('prepare', overrides.prepare ?? (async () => ({ origin, key: AUDIT_KEY, next: NEXT_KEY }))),
    rotate: record('rotate', overrides.rotate ?? (async () => rotated)),
    list: record('list', overrides.list ?? (async () => ({ origin, keys, next: NEXT_KEY, problem: null }))),
  }
}

/** One that its run will end, and one that nobody will. */
const LEASES: readonly SessionLease[] = [
  { run: DOCUMENT.id, state: 'live', provider: 'vault', job: 'deploy\x1b[2J', until: '2026-11-22T21:15:00.000Z' },
  { run: '20261121-101500-000000', state: 'abandoned', provider: 'vault', job: 'build', until: '2026-11-22T20:30:00.000Z' },
]

const auditNothing: SecretsCommands['auditManager'] = async (_state, { provider }) => ({
  provider,
  files: 1,
  from: '2026-11-22T20:00:00.000Z',
  to: '2026-11-22T21:00:00.000Z',
  reads: 3,
  ours: 3,
  known: 0,
  findings: 0,
})

function createFakeSecrets(calls: unknown[][], overrides: Partial<SecretsCommands>): SecretsCommands {
  const record = recordIn(calls)
  return {
    leases: record('leases', overrides.leases ?? (async () => LEASES)),
    sweep: record('sweep', overrides.sweep ?? (async () => ({ revoked: 1, unrevoked: [] }))),
    auditManager: record('auditManager', overrides.auditManager ?? auditNothing),
    rotateManaged: record('rotateManaged', overrides.rotateManaged ?? (async () => ({ version: '2', isResumed: false }))),
    scheduled: record('scheduled', overrides.scheduled ?? (async () => [])),
  }
}

/** What an `exec` comes to that met no door. */
export const NO_DOORS: RunDocument['doors'] = { observed: false, used: [], refused: [] }

/** Plays {@link SCRIPT}; with `pace` 0 at once. */
export function createFakeAgent(
  overrides: Partial<Omit<Agent, 'access' | 'audit' | 'retention' | 'keys' | 'secrets'>> & {
    readonly access?: Partial<AccessCommands>
    readonly audit?: Partial<AuditCommands>
    readonly retention?: Partial<RetentionCommands>
    readonly keys?: Partial<KeyCommands>
    readonly secrets?: Partial<SecretsCommands>
  } = {},
  pace = 0,
): FakeAgent {
  const calls: FakeAgent['calls'] = { run: [], preview: [], exec: [], doctor: [], access: [], audit: [], retention: [], secrets: [] }
  return {
    calls,
    access: createFakeAccess(calls.access, overrides.access ?? {}),
    audit: createFakeAudit(calls.audit, overrides.audit ?? {}),
    // The real ones: they need no sandbox.
    images: createAgent().images,
    retention: createFakeRetention(calls.retention, overrides.retention ?? {}),
    keys: createFakeKeys(calls.retention, overrides.keys ?? {}),
    secrets: createFakeSecrets(calls.secrets, overrides.secrets ?? {}),
    run: async (options, observer) => {
      calls.run.push(options)
      if (overrides.run !== undefined) return overrides.run(options, observer)
      await play(observer, pace, options.interrupt.hard)
      return options.interrupt.soft.aborted ? { ...DOCUMENT, conclusion: 'cancelled', exitCode: 130 } : DOCUMENT
    },
    preview: async (options) => {
      calls.preview.push(options)
      return PREVIEW
    },
    exec: async (options, observer) => {
      calls.exec.push(options)
      if (overrides.exec !== undefined) return overrides.exec(options, observer)
      observer.output('exec', '1', Buffer.from('hello\x1b[2J\n'))
      return {
        id: DOCUMENT.id,
        exitCode: 7,
        error: null,
        kept: 0,
        dropped: 2,
        sourceChanges: [],
        refusals: [],
        weaker: [],
        doors: NO_DOORS,
        durationMs: 10,
        log: DOCUMENT.log,
      }
    },
    doctor: async (directory) => {
      calls.doctor.push(directory)
      return overrides.doctor === undefined ? REPORT : overrides.doctor(directory)
    },
    supervisorEgress: async (directory, operatorFile) => {
      calls.doctor.push(directory, operatorFile ?? '')
      return { needs: [], fragment: '[Service]\nIPAddressDeny=any\n' }
    },
    hardening: async (directory, operatorFile) => {
      calls.doctor.push(directory, operatorFile ?? '')
      return overrides.hardening === undefined ? HOST_REPORT : overrides.hardening(directory, operatorFile)
    },
  }
}

async function play(observer: RunObserver, pace: number, hard: AbortSignal): Promise<void> {
  let seq = 0
  const start = Date.UTC(2026, 10, 22, 20, 15, 1)
  for (const entry of SCRIPT) {
    if ('sleepMs' in entry) {
      if (pace > 0 && !hard.aborted) await sleep(entry.sleepMs * pace, undefined, { signal: hard }).catch(() => null)
    } else if ('output' in entry) observer.output(entry.job, entry.step, Buffer.from(entry.output))
    else {
      seq += 1
      const { event: type, job, step, data = {} } = entry
      const at = new Date(pace > 0 ? Date.now() : start + seq * 100).toISOString()
      const envelope = { seq, run: DOCUMENT.id, at, type, data, ...(job !== undefined && { job }), ...(step !== undefined && { step }) }
      observer.event(envelope satisfies EventEnvelope)
    }
  }
}
