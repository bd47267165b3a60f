// SPDX-License-Identifier: Apache-2.0

/** An attack that happened, and that works by processes, files or the kernel of the machine that runs jobs. */
export interface AttackRow {
  /** Its number in the project's list of attacks. */
  readonly row: number
  readonly attack: string
  /** What no test of this suite covers, and where it is or will be covered; null when nothing is left. */
  readonly gap: string | null
}

export const ATTACK_ROWS: readonly AttackRow[] = [
  {
    row: 1,
    attack: "a changed action reads the memory of the runner's worker with sudo and prints the secrets",
    gap: 'pinning of actions: the issue of actions and their lock',
  },
  {
    row: 3,
    attack: 'the same, and the loot is sent to a look-alike domain',
    gap: 'pinning of actions: the issue of actions and their lock',
  },
  {
    row: 4,
    attack: 'a package or action of a known name turns hostile, fetches a program and publishes itself on',
    gap: 'pinning and least age: the issue of actions and their lock',
  },
  {
    row: 5,
    attack: 'a script from the network posts the whole environment to an address',
    gap: 'digests of fetched scripts: the issue of actions and their lock',
  },
  { row: 8, attack: 'a token is used to make a public repository for the loot', gap: null },
  { row: 9, attack: 'the same, by a worm in an install script', gap: 'scripts of installations: a matter of the package manager' },
  {
    row: 10,
    attack: 'an install script fetches a runtime, and registers a runner of its own',
    gap: 'noticing it: the issue of detections',
  },
  {
    row: 12,
    attack: 'a release of a common package opens a channel to a new host',
    gap: 'least age of releases: the issue of actions and their lock',
  },
  {
    row: 13,
    attack: 'a process replaces a source file for the moment of its compilation',
    gap: 'only where `source: read-only` is asked for (docs/isolation.md); without, what an earlier step left behind may write the workspace of a later one (published as such)',
  },
  {
    row: 14,
    attack: 'a package decrypts its payload in one build only, and sends what it finds',
    gap: 'noticing it: the issue of detections',
  },
  { row: 15, attack: 'an install script fetches and runs a program', gap: 'noticing it: the issue of detections' },
  {
    row: 16,
    attack: 'an internal name is taken on a public registry; data leaves in DNS questions',
    gap: 'which registry a name comes from: the package manager’s configuration',
  },
  { row: 17, attack: 'a job of a fork leaves a process on the runner, which waits for a job with secrets', gap: null },
  { row: 18, attack: "a job starts a runner of the attacker's own", gap: null },
  { row: 24, attack: 'a job with root removes the firewall rules and the agent that watch it', gap: null },
  {
    row: 25,
    attack: 'a variable of the loader, planted through the environment file, runs code in a later step',
    gap: 'which names are refused: packages/engine/src/env-file.test.ts',
  },
  {
    row: 28,
    attack: 'data leaves in the labels of DNS questions',
    gap: 'names below an allowed wildcard that are connected to: a known gap, see below',
  },
  { row: 29, attack: 'several DNS questions in one TCP segment, of which only the first is judged', gap: null },
  {
    row: 30,
    attack: 'raw and packet sockets, io_uring and bare addresses pass a filter by name',
    gap: 'DNS over HTTPS with a host that a rule without paths allows: that host’s business',
  },
  {
    row: 31,
    attack: 'the server name is an allowed one, and the request is for another host at the same address',
    gap: 'doors without conditions: a known gap, see below',
  },
  {
    row: 32,
    attack: 'a relay in the sandbox, or a proxy outside, reaches what its client may not',
    gap: 'servers that forward: a known gap, see below',
  },
  {
    row: 33,
    attack: 'data goes to the attacker’s account on an allowed host',
    gap: 'rules without a path: a known gap, see below',
  },
  { row: 34, attack: "the container daemon's socket, or a mount of the host's root, is a way to root", gap: null },
  { row: 35, attack: "the host's runtime binary is overwritten through /proc/self/exe", gap: null },
  { row: 36, attack: "a directory that a runtime left open becomes a step's working directory", gap: null },
  { row: 37, attack: 'races around masked paths and consoles make a runtime write into /proc', gap: null },
  { row: 38, attack: "the release_agent of a mounted cgroup hierarchy runs as the host's root", gap: null },
  {
    row: 39,
    attack: 'a hole in the kernel is used from within a container',
    gap: 'a hole in what every build needs (files, pipes, TCP): a kernel of its own, the issue of micro virtual machines and gVisor',
  },
  {
    row: 41,
    attack: "a token in the checkout's configuration is uploaded with an artifact",
    gap: 'artifacts: the issue of job services; the checkout keeps no credentials',
  },
  {
    row: 44,
    attack: 'somebody attaches to a container that is kept after a failure',
    gap: 'nothing is kept and nothing can be attached to: outlive-the-job covers row 17',
  },
  { row: 45, attack: 'a shell whose streams are a socket', gap: 'noticing the attempt: the issue of detections' },
  { row: 46, attack: 'a job mines coins', gap: 'noticing it: the issue of detections' },
  {
    row: 49,
    attack: 'what a build writes into .git or a tool’s configuration runs later, outside',
    gap: 'git on the host never reads a workspace of a job: packages/agent',
  },
  {
    row: 50,
    attack: 'text in a log is taken for a command to the runner',
    gap: 'which commands are obeyed: packages/engine/src/output-scanner.test.ts',
  },
]
