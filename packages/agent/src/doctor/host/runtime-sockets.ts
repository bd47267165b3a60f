// SPDX-License-Identifier: Apache-2.0
import type { HostFinding } from '../../contract.ts'
import { found } from './finding.ts'
import type { HostView } from './host-view.ts'

/** Whoever may write to one of these is root of the host. */
const SOCKETS: readonly string[] = [
  '/run/docker.sock',
  '/run/podman/podman.sock',
  '/run/containerd/containerd.sock',
  '/run/crio/crio.sock',
  '/run/buildkit/buildkitd.sock',
  '/run/libvirt/libvirt-sock',
  '/var/lib/incus/unix.socket',
  '/var/lib/lxd/unix.socket',
  '/var/snap/lxd/common/lxd/unix.socket',
]

const NAMED = { group: 'services', name: 'sockets of container managers' } as const
const WRITE = 0o002

/** No job sees them (G4). What is told is who else on the host is root by them. */
export function runtimeSockets(view: HostView): HostFinding {
  const present = SOCKETS.filter((path) => view.stat(path)?.isSocket() === true)
  if (present.length === 0) return found('runtime-sockets', NAMED, { state: 'ok', text: 'none', fix: null })
  const open = present.filter((path) => view.isOpenToOthers(path, WRITE))
  if (open.length > 0)
    return found('runtime-sockets', NAMED, {
      state: 'missing',
      text: `${open.join(', ')}: everybody may use it, and be root by it`,
      fix: `chmod o= ${open.join(' ')}`,
    })
  const users = present.map((path) => ({ path, names: membersOf(view, path) }))
  const shared = users.filter(({ names }) => names.length > 0)
  const text = users.map(({ path, names }) => `${path}: root${names.map((name) => `, ${name}`).join('')}`).join('; ')
  const fix = `they are root by it: remove who need not be (gpasswd -d USER GROUP), or run no other container manager on a worker`
  return found('runtime-sockets', NAMED, { state: shared.length > 0 ? 'warning' : 'ok', text, fix })
}

/** Users beside root who are in the group of a socket that the group may write to. */
function membersOf(view: HostView, path: string): readonly string[] {
  const stats = view.stat(path)
  if (stats === null || (stats.mode & 0o020) === 0 || stats.gid === 0) return []
  const group = (view.text('/etc/group') ?? '')
    .split('\n')
    .map((line) => line.split(':'))
    .find(([, , gid]) => Number(gid) === stats.gid)
  const members = (group?.[3] ?? '').split(',').filter((name) => name !== '')
  const primary = (view.text('/etc/passwd') ?? '')
    .split('\n')
    .map((line) => line.split(':'))
    .filter(([, , , gid]) => gid !== undefined && gid !== '' && Number(gid) === stats.gid)
  return [...new Set([...members, ...primary.map(([name]) => name ?? '')])]
}
