// SPDX-License-Identifier: Apache-2.0
// How each peer starts one `true`. Each is given the host's /usr read-only, so that all do the same.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import type { Command, Contender } from './samples.ts'

const usrLinks: readonly string[] = ['bin', 'sbin', 'lib', 'lib64']

/** Beside `root`, an empty directory for bundles and root file systems. */
export function peers(scratch: string): Contender[] {
  const rootfs = makeRootfs(join(scratch, 'rootfs'))
  return [
    { name: 'fork + exec', command: { argv: ['/usr/bin/true'] } },
    { name: 'node -e 0', command: { argv: [process.execPath, '-e', '0'] } },
    { name: 'bubblewrap, all namespaces', command: bubblewrap() },
    { name: 'runc run', command: runc(join(scratch, 'bundle'), rootfs) },
    { name: 'podman run, no network', command: podman(rootfs, 'none') },
    { name: 'podman run, with network', command: podman(rootfs, 'bridge') },
    {
      name: 'srt',
      command: programOr('srt', ['true'], 'npm package @anthropic-ai/sandbox-runtime'),
      note: `on the node in PATH, ${nodeInPath()}`,
    },
  ]
}

/** A program of Node's starts as quickly as the Node that it finds. */
function nodeInPath(): string {
  return spawnSync('node', ['--version'], { encoding: 'utf8' }).stdout?.trim() || 'none'
}

function makeRootfs(rootfs: string): string {
  for (const directory of ['usr', 'proc', 'dev', 'sys', 'tmp', 'etc', 'run']) mkdirSync(join(rootfs, directory), { recursive: true })
  for (const link of usrLinks) symlinkSync(`usr/${link}`, join(rootfs, link))
  return rootfs
}

function bubblewrap(): Command {
  const links = usrLinks.filter((link) => existsSync(`/usr/${link}`)).flatMap((link) => ['--symlink', `usr/${link}`, `/${link}`])
  return programOr(
    'bwrap',
    ['--unshare-all', '--ro-bind', '/usr', '/usr', ...links, '--proc', '/proc', '--dev', '/dev', '/usr/bin/true'],
    'package bubblewrap',
  )
}

/** The smallest bundle: all namespaces but user and network, the default capabilities of none. */
function runc(bundle: string, rootfs: string): Command {
  mkdirSync(bundle)
  const namespaces = ['pid', 'ipc', 'uts', 'mount', 'network'].map((type) => ({ type }))
  const mounts = [
    { destination: '/proc', type: 'proc', source: 'proc' },
    { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'size=64k'] },
    { destination: '/usr', type: 'none', source: '/usr', options: ['rbind', 'ro'] },
  ]
  const config = {
    ociVersion: '1.0.2',
    process: { user: { uid: 0, gid: 0 }, args: ['/usr/bin/true'], cwd: '/', noNewPrivileges: true },
    root: { path: rootfs, readonly: true },
    mounts,
    linux: { namespaces },
  }
  writeFileSync(join(bundle, 'config.json'), JSON.stringify(config))
  return programOr('runc', ['run', '--bundle', bundle, `sallyport-bench-${process.pid}`], 'package runc')
}

function podman(rootfs: string, network: string): Command {
  // The runtime that we use too; and limits that a root without CAP_SYS_RESOURCE may set.
  const limits = ['--ulimit=nofile=1024:1024', '--ulimit=nproc=1024:1024']
  const flags = ['--rm', '--quiet', '--runtime=runc', ...limits, `--network=${network}`, '--volume=/usr:/usr:ro', '--read-only']
  return programOr('podman', ['run', ...flags, '--rootfs', rootfs, '/usr/bin/true'], 'package podman')
}

function programOr(program: string, rest: readonly string[], from: string): Command {
  const local = join(import.meta.dirname, '../node_modules/.bin')
  const directories = [local, ...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin']
  const found = directories.map((directory) => join(directory, program)).find((path) => existsSync(path))
  return found === undefined ? { missing: `not installed (${from})` } : { argv: [found, ...rest] }
}
