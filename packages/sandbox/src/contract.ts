// SPDX-License-Identifier: Apache-2.0
import type { Duplex, Readable } from 'node:stream'
import type { SandboxError } from './sandbox-error.ts'

/** Hard limits of one job. Every one of them is enforced by the kernel, not by us watching. */
export interface Limits {
  /** CPUs, may be fractional. */
  readonly cpu: number
  readonly memoryBytes: number
  /** Memory plus swap; equal to `memoryBytes` means no swap. */
  readonly memorySwapBytes: number
  readonly pids: number
  /** All that the job writes anywhere but the tmpfs mounts. */
  readonly diskBytes: number
  readonly diskInodes: number
  /** RLIMIT_NOFILE of each process. */
  readonly openFiles: number
}

export type Rootfs = 'disposable' | 'read-only'

/** What a sandbox's programs come from. A driver needs nothing of it but a directory that it may read. */
export type SandboxImage =
  /** This machine's own programs; see `prepareHostImage`. */
  | { readonly kind: 'host' }
  | {
      readonly kind: 'tree'
      /**
       * Absolute path of a directory with the whole root file system, owners 0-based. Read-only, and nobody changes it while the sandbox lives. Untrusted: whoever
       * made the image chose every name, link, mode, owner and byte in it.
       */
      readonly root: string
      /** What it is called, for people and records: e.g. `example.org/tools@sha256:…`. */
      readonly description: string
    }

/** Everything in it is validated and absolute; nothing in it was chosen by a job, but what an image's tree holds. */
export interface SandboxSpec {
  /** `[a-z0-9-]{1,48}`, unique on the host while it lives. */
  readonly id: string
  readonly image: SandboxImage
  readonly rootfs: Rootfs
  readonly limits: Limits
  /** Those that somebody asked for: the job is refused where one of them cannot be kept. Default: all. */
  readonly askedLimits?: readonly (keyof Limits)[]
  /** A program of the host, mounted read-only at {@link SANDBOX_PATHS.node}, or null. */
  readonly nodeBinary: string | null
  /** Host directories offered read-only, by name (toolchains under a home directory). */
  readonly readOnlyBinds: readonly { readonly source: string; readonly target: string }[]
  /** Made before the start below the home directory or /tmp, parents first, owned by the job. */
  readonly directories: readonly string[]
  readonly hostname: string
  /** The process that everything which leaves the job has to pass; null: there is no way out at all, and nothing but a loopback inside. */
  readonly gate: GateLaunch | null
}

/**
 * How the job's gate is started (native/src/keeper-gate.c): by the keeper, with a uid of its own, its descriptors as in `GATE_DESCRIPTORS` of packages/gate, and of the
 * host's files only those named here, read-only, until the sandbox starts: then none.
 */
export interface GateLaunch {
  /** Absolute path of the program first. */
  readonly argv: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** Host directories or files that the program needs until it says that it is ready. */
  readonly files: readonly string[]
  /** Where sockets that it makes may lead: the first that contains a destination decides, and what none contains is refused. In force before anything of the job runs. */
  readonly reach: Promise<readonly GateReach[]>
  /** Called at once, before `prepare` waits for anything: the supervisor's end of the gate's control socket. */
  readonly attach: (control: Duplex) => void
  /** The sandbox is not started before this resolves; its rejection is the end of the preparation. */
  readonly ready: Promise<unknown>
}

export interface GateReach {
  readonly allowed: boolean
  /** `address/bits`. */
  readonly network: string
  /** Null: every port. */
  readonly port: number | null
}

/** Fixed places inside every sandbox. */
export const SANDBOX_PATHS = {
  home: '/home/runner',
  work: '/home/runner/work',
  temp: '/home/runner/work/_temp',
  toolCache: '/opt/hostedtoolcache',
  event: '/home/runner/work/_temp/_github_workflow/event.json',
  /** Everything of ours in the sandbox: a read-only mount. */
  own: '/run/sallyport',
  /** Mount point of each step's private tmpfs. */
  step: '/run/sallyport/step',
  node: '/run/sallyport/node',
  helper: '/run/sallyport/helper',
} as const

/** What a job is promised. Each is proven by the self-check before the first step, or the job does not start. */
export const GUARANTEES = [
  'user-namespace',
  'pid-namespace',
  'mount-namespace',
  'network',
  'ipc-namespace',
  'uts-namespace',
  'cgroup-namespace',
  'capabilities',
  'no-new-privileges',
  'seccomp',
  'masked-paths',
  'read-only-kernel',
  'host-files-hidden',
  'devices',
  'nosuid-nodev',
  'memory-limit',
  'pids-limit',
  'cpu-limit',
  'disk-limit',
  'inode-limit',
  'open-files-limit',
  'no-core-dumps',
  'init-protected',
  'step-memory-isolation',
  'step-signal-isolation',
  'step-private-files',
] as const

export type Guarantee = (typeof GUARANTEES)[number]

/** What a job without root is promised less; a guarantee of that name is not proven then, and the job starts all the same. */
export interface Weakness {
  readonly name:
    | Guarantee
    | 'gate-memory'
    | 'gate-reach'
    | 'disk-in-memory'
    | 'image-owners'
    | 'secrets-in-swap'
    | 'same-user'
    | 'step-cgroups'
  readonly text: string
  readonly fix: string
}

export interface SelfCheckResult {
  readonly guarantee: Guarantee
  readonly holds: boolean
  /** What was tried and what the kernel answered. */
  readonly evidence: string
  /** Whose answer it is: the host's kernel, or a kernel that the sandbox has for itself. What neither keeps does not hold. */
  readonly by: 'kernel' | 'sentry'
}

/** What the walls look like, in an order that does not change. Texts mean nothing but that they are the same. */
export type Standing = readonly { readonly guarantee: Guarantee; readonly text: string }[]

/**
 * What a driver can tell and how its sandboxes behave, where drivers differ. Who asks for more than a driver has is refused, by name, before anything
 * is started: see `traitMissing`.
 */
export interface SandboxTraits {
  /** `shared`: system calls of the job are the host kernel's. `own`: they are answered by a kernel of the sandbox's, and the host's is behind that. */
  readonly kernel: 'shared' | 'own'
  /**
   * How a packet is known to be a step's. `each-packet`: by the socket that sent it, whatever else runs. `by-turn`: one step has the network at a time, and
   * another is refused meanwhile.
   */
  readonly attributesSteps: 'each-packet' | 'by-turn'
  /** Whether {@link Sandbox.executableOf} can answer: what rules with `executables` need. */
  readonly attributesPrograms: boolean
  /** Whether steps have process ids of the host ({@link HostIdentity.pids}), by which the host's own logs can be told to be the job's. */
  readonly hasHostPids: boolean
  /** Whether what a step left running runs on, unseen by later steps, until the job's end; or ends with the step. */
  readonly leftovers: 'run-on' | 'end-with-step'
  /** What the kernel ends when the memory limit is reached: a process of the job; or the whole sandbox, and with it the job. */
  readonly memoryLimitEnds: 'process' | 'sandbox'
  /** Whether a step's end tells that a fork was refused at the limit ({@link StepExit.limitHit}); it is refused either way. */
  readonly tellsPidsLimit: boolean
}

/** What this host can really enforce, measured by starting something. */
export interface SandboxCapabilities {
  readonly driver: string
  readonly version: string | null
  readonly usable: boolean
  /** Why it is not, and how to get it; null when usable. */
  readonly reason: string | null
  readonly hint: string | null
  readonly traits: SandboxTraits
  /** Of drivers that have several: those that were started here to see, and how that went. The first that works is used. */
  readonly platforms: readonly { readonly name: string; readonly works: boolean; readonly reason: string | null }[]
  /** Points of the sandbox's own kernel that a sensor could hear of; null where there is no such kernel. */
  readonly tracePoints: number | null
}

export interface StepSpec {
  /** Unique within the sandbox; `[A-Za-z0-9._-]{1,64}`. */
  readonly id: string
  readonly argv: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly workingDirectory: string
  /** Written into {@link SANDBOX_PATHS.step} before the start, with these names; never on a disk. */
  readonly files: readonly StepFile[]
  /** Files of {@link SANDBOX_PATHS.step} that `readFile` may be asked for after the end. */
  readonly collect: readonly string[]
  /** Most bytes collected of each such file. */
  readonly collectBytesMax: number
  /** Null for a step that reaches nothing outside its sandbox, not even the gate. */
  readonly network: StepNetwork | null
}

export interface StepFile {
  readonly name: string
  readonly content: Uint8Array
  readonly mode: number
  /** From {@link FIRST_DESCRIPTOR} on: the step has it open for reading there, and it has no name any more. */
  readonly descriptor?: number
}

/** Shells keep what they open themselves at 10 and above, bash its script at 255. */
export const FIRST_DESCRIPTOR = 20

export interface StepNetwork {
  /** Where its packets come from, at the gate: `stepSource(number)` of packages/core, never used before in this sandbox. */
  readonly source: string
  /** UDP that the gate relays: what the job sends to `relayAddress(index)` and `port`. */
  readonly relays: readonly { readonly index: number; readonly port: number }[]
}

/** A datagram or connection that the kernel refused before the gate saw it: UDP without a relay, other protocols, a step that has ended. */
export interface RefusedPacket {
  /** Null for what belonged to no running step. */
  readonly source: string | null
  readonly address: string
  readonly protocol: 'tcp' | 'udp' | 'other'
  readonly port: number
}

export interface StepExit {
  readonly kind: 'exited' | 'signalled' | 'failed-to-start'
  /** Exit code, or signal number, or errno. */
  readonly code: number
  /** For `failed-to-start`: what failed; e.g. `execve "foo": No such file or directory`. */
  readonly message: string | null
  /** Untrusted content by file name; null when over the limit or no regular file. */
  readonly files: Readonly<Record<string, Uint8Array | null>>
  /** A limit of the sandbox that the step ran into. */
  readonly limitHit: CountedLimit | FoundLimit | null
  /** How the limit of processor time held the job back while the step ran. */
  readonly throttling: Throttling
  /** Told apart by destination, at most 128 a step. Empty without a network. */
  readonly refusedPackets: readonly RefusedPacket[]
}

/** As the kernel counted it. */
export type CountedLimit = 'memory' | 'pids'

/** As it was seen, by looking twice a second and at the end: what was met for a shorter time may stay unseen. `shm` and `run` are the tmpfs mounts `/dev/shm` and `/run`. */
export type FoundLimit = 'disk' | 'inodes' | 'files' | 'shm' | 'run'

/** Periods (a tenth of a second each) in which the job wanted to run, and those in which it used up its processor time before their end. */
export interface Throttling {
  readonly periods: number
  readonly throttled: number
}

export interface LimitCounts {
  /** Processes ended because the job's memory limit was reached. */
  readonly oomKills: number
  /** Forks refused because the job's pids limit was reached. */
  readonly pidsRefused: number
}

/** One running step. Its output is hostile bytes, stdout and stderr in the order written. */
export interface RunningStep {
  readonly output: Readable
  /** Resolves when its first process runs; rejects when none ever will. */
  readonly begun: Promise<unknown>
  readonly exit: Promise<StepExit>
  /** Kills every process of the step's cgroup, also those that detached. Idempotent. */
  kill(): Promise<void>
}

/** One entry of the workspace, as the pump reports it: hostile names and numbers. */
export interface FileEntry {
  /** UTF-8; an entry whose name is not is left out. */
  readonly path: string
  readonly type: 'file' | 'directory' | 'symlink' | 'other'
  readonly mode: number
  readonly size: number
  /** When the inode last changed, by the kernel's clock (ctime): the one time that a job cannot set. */
  readonly changedAtNs: bigint
}

/** A process of the job, as it was when it changed something. Paths and command lines are hostile text, cut. */
export interface SourceProcess {
  /** On the host, and inside its pid namespace. */
  readonly pid: number
  readonly innerPid: number
  readonly startedAt: string
  /** Path of the program; `[name]`, as the process called itself, and an empty command where it had ended already. */
  readonly program: string
  readonly command: string
}

export type SourceChangeKind =
  | 'written'
  | 'attributes'
  /** Opened for writing, and closed again. */
  | 'opened'
  | 'created'
  | 'removed'
  | 'moved'
  /** It got a second name. */
  | 'linked'
  /** Seen in the layers at the end of a step, without an event. */
  | 'changed'
  | 'replaced'
  | 'unreadable'

/** What one process did to one file of the source. */
export interface SourceChange {
  /** In the source, hostile text, cut. */
  readonly path: string
  readonly kinds: readonly SourceChangeKind[]
  readonly count: number
  /** When the first was seen. */
  readonly at: string
  /** The step whose process it was; null when that is not known. */
  readonly step: string | null
  /** `event`: while it happened. `layers`: at the end of the step, by what lies in the scratch layer. */
  readonly witness: 'event' | 'layers'
  /** From that process up to the first of its step; empty when it had ended before it could be looked at, or nobody knows. */
  readonly processes: readonly SourceProcess[]
}

export interface SourceChanges {
  readonly changes: readonly SourceChange[]
  /** How often the kernel had more to tell than it keeps. */
  readonly overflows: number
  /** Changes beyond those that are told one by one. */
  readonly more: number
}

/** How the host's kernel names what belongs to a sandbox, while that lives. */
export interface HostIdentity {
  /** The last name in the paths of its cgroups; no other sandbox ever has the same at the same time. */
  readonly cgroup: string
  /** The ids of its processes. */
  readonly uids: { readonly first: number; readonly count: number }
  /** Host pids of the first process of each step that has begun; it grows. Null where steps have none. */
  readonly pids: ReadonlySet<number> | null
}

/**
 * A prepared sandbox. Everything that comes out of it is chosen by an attacker.
 * All methods may be called concurrently.
 */
export interface Sandbox extends AsyncDisposable {
  readonly id: string
  readonly hostIdentity: HostIdentity
  /** What the image became on this host, e.g. `host (Debian GNU/Linux 12)`. */
  readonly imageDescription: string
  /** Declared, not found out: empty for root. */
  readonly weaknesses: readonly Weakness[]
  /** How often the job ran into its limits so far, as the kernel counted it. */
  limitCounts(): LimitCounts
  /** Packets of the job that had nowhere to go, as the kernel counted them. */
  refusedPackets(): number
  /**
   * The program (path inside the sandbox) that holds a TCP connection from this local port, among the step's processes; null when none or more
   * than one does, or when looking for programs takes too much of the supervisor's time. Only fit to narrow: it can be another program by the time that it is used.
   */
  executableOf(step: string, localPort: number): string | null
  /** Runs the canaries; the caller refuses the job when one does not hold. */
  selfCheck(signal: AbortSignal): Promise<readonly SelfCheckResult[]>
  /**
   * What its walls look like from outside now, to be compared later with `fallen`, while nothing of a job has run in it. Null where too little of them can be seen
   * from there: then the self-check has to be run again.
   */
  standing(): Promise<Standing | null>
  /**
   * It is to wait for its job, so long at most: what its first step would have to wait for is done meanwhile. `root`: where files are put first.
   * Its walls stand as they did.
   */
  wait(root: string, ms: number): Promise<void>
  /** @throws SandboxError SANDBOX_LOST when PID 1 is gone. */
  startStep(step: StepSpec): Promise<RunningStep>
  /** Writes files and directories at the job's own uid. Sources are host paths that no job can change. */
  putFiles(root: string, files: AsyncIterable<PutEntry> | Iterable<PutEntry>): Promise<{ files: number; bytes: number }>
  /** Lists a tree at the job's own uid, symlinks not followed, at most `entriesMax`. */
  listFiles(root: string, entriesMax: number): Promise<readonly FileEntry[]>
  /** Streams regular files (no symlinks in any component below `root`); order as asked; null content for what is not one. */
  readFiles(
    root: string,
    paths: readonly string[],
    each: (path: string, content: AsyncIterable<Uint8Array> | null) => Promise<void>,
  ): Promise<void>
  /**
   * Tries on this sandbox what {@link freezeSource} needs of the kernel.
   * @throws SandboxError SANDBOX_UNSUPPORTED naming `source-read-only`.
   */
  probeSource(): Promise<void>
  /** Kills what steps that have ended left running, and waits until it is dead; how many processes that were. */
  endLeftovers(): Promise<number>
  /**
   * Makes the directory a read-only source: what is written there from now on goes to a scratch layer of its own, and each change of a file that is there now is
   * seen. Once; no step runs, and what earlier ones left running is ended first. It has been proven when this resolves: the layer below refuses a write,
   * and a change in place was seen.
   * @throws SandboxError SANDBOX_UNSUPPORTED; no step may start after that.
   */
  freezeSource(root: string): Promise<{ readonly files: number; readonly ended: number }>
  /** What changed in it since the last call; after each step. @throws SandboxError when the watch is gone. */
  takeSourceChanges(): Promise<SourceChanges>
  /** Rejects or resolves when PID 1 ends before disposal: the job is lost. */
  readonly lost: Promise<string>
  /**
   * Starts the disposal and resolves when every process of the job is dead and its cgroups are gone. What is left is the kernel's own
   * release of mounts and a disk that nobody can reach any more; it needs nobody to wait for it, and keeps our process from nothing.
   */
  disposeInBackground(): Promise<void>
  /** Idempotent; after it resolves no process, mount, cgroup, id range or file of the job remains. */
  [Symbol.asyncDispose](): Promise<void>
}

export type PutEntry =
  | {
      readonly type: 'file'
      readonly path: string
      readonly mode: number
      readonly size: number
      readonly content: Uint8Array | AsyncIterable<Uint8Array>
    }
  | { readonly type: 'directory'; readonly path: string; readonly mode: number }
  | { readonly type: 'symlink'; readonly path: string; readonly target: string }

/**
 * Builds sandboxes. All methods may be called concurrently for different sandboxes.
 */
export interface SandboxDriver {
  readonly name: string
  readonly traits: SandboxTraits
  /** What `prepare` would throw here, as far as that is known without building; null when nothing is. Quick, or remembered. */
  obstacle(): Promise<SandboxError | null>
  /** What this host can really enforce, measured now, not assumed. */
  probe(signal: AbortSignal): Promise<SandboxCapabilities>
  /**
   * Allocates everything that the job needs and starts its PID 1, but nothing of the job. `onWaiting` is called when all that is left is to wait
   * for the kernel and the runtime: the caller's time to load what it needs next.
   * @throws SandboxError SANDBOX_UNSUPPORTED naming the guarantee when one cannot be enforced.
   */
  prepare(spec: SandboxSpec, signal: AbortSignal, onWaiting?: () => void): Promise<Sandbox>
  /**
   * The first half of `prepare`, for who has to find out the rest of the specification: starts the gate, which takes longest, and what depends on
   * nothing else. An abort of `signal` ends both halves.
   * @throws SandboxError as `prepare`.
   */
  begin(gate: GateLaunch | null, signal: AbortSignal): SandboxBeginning
}

/** Disposing of it is not needed, and does nothing, once `build` was called: whatever comes of that owns everything. */
export interface SandboxBeginning extends AsyncDisposable {
  /** Once; `spec.gate` is the gate that has begun. Otherwise as `prepare`. */
  build(spec: SandboxSpec, onWaiting?: () => void): Promise<Sandbox>
}
