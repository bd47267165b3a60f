// SPDX-License-Identifier: Apache-2.0
import type { HostFinding } from '../../contract.ts'
import { found } from './finding.ts'
import type { HostView } from './host-view.ts'

const GROUP = 'network'

/** From the kernel's tables: nothing is sent. */
export function networkExposure(view: HostView): readonly HostFinding[] {
  return [listeners(view), metadata(view)]
}

/** `0A` is LISTEN (include/net/tcp_states.h). */
const LISTEN = '0A'
const EVERY_ADDRESS = /^0+$/

/**
 * Services that listen on every address of the host. The kernel keeps a job's gate from the host's own addresses; that wall is one, and not to offer a service is
 * another.
 */
function listeners(view: HostView): HostFinding {
  const named = { group: GROUP, name: 'services that listen on every address' } as const
  const tables = ['/proc/net/tcp', '/proc/net/tcp6'].map((path) => view.text(path))
  if (tables.every((table) => table === null))
    return found('listeners', named, { state: 'unknown', text: 'the kernel does not tell', fix: null })
  const ports = new Set(tables.flatMap((table) => (table ?? '').split('\n').slice(1)).flatMap(listeningPort))
  if (ports.size === 0) return found('listeners', named, { state: 'ok', text: 'none', fix: null })
  const list = [...ports].sort((left, right) => left - right)
  const text = `TCP ${list.slice(0, 30).join(', ')}${list.length > 30 ? ` and ${list.length - 30} more` : ''}`
  return found('listeners', named, {
    state: 'warning',
    text,
    fix: 'bind them to 127.0.0.1, or let a firewall keep the user ids from 2147418112 on from them (docs/operating.md)',
  })
}

/** `sl local_address rem_address st …`, address and port in hexadecimal (Documentation/networking/proc_net_tcp.rst). */
function listeningPort(line: string): number[] {
  const [, local = '', , state] = line.trim().split(/\s+/)
  const [address = '', port = ''] = local.split(':')
  return state === LISTEN && EVERY_ADDRESS.test(address) ? [Number.parseInt(port, 16)] : []
}

const CLOUDS = /Amazon|Google|Microsoft|DigitalOcean|Alibaba|OpenStack|Oracle|Hetzner/
/** 169.254.169.254, in the order of its bytes in /proc/net/route on a little-endian machine. */
const METADATA = 0xfe_a9_fe_a9

/** The metadata service of a cloud gives credentials of the machine to whoever asks. The kernel keeps gates from it, unless an operator names it; other programs of the host reach it. */
function metadata(view: HostView): HostFinding {
  const named = { group: GROUP, name: "the cloud's metadata service" } as const
  const vendor = ['sys_vendor', 'bios_vendor', 'chassis_asset_tag'].map((name) => view.text(`/sys/class/dmi/id/${name}`) ?? '').join(' ')
  const cloud = CLOUDS.exec(vendor)?.[0]
  const route = (view.text('/proc/net/route') ?? '').split('\n').slice(1).find(leadsToMetadata)
  if (route === undefined) return found('metadata', named, { state: 'ok', text: 'no route leads to 169.254.169.254', fix: null })
  const device = route.trim().split(/\s+/)[0] ?? ''
  if (cloud === undefined)
    return found('metadata', named, { state: 'ok', text: `a route by ${device}; the machine does not say that it is a cloud's`, fix: null })
  const fix =
    'ask for session tokens with a hop limit of 1 (IMDSv2), give the machine no role, and drop 169.254.169.254 for all users but root in the firewall'
  return found('metadata', named, { state: 'warning', text: `${cloud}: a route by ${device} leads to 169.254.169.254`, fix })
}

/** `Iface Destination Gateway Flags RefCnt Use Metric Mask …`. */
function leadsToMetadata(line: string): boolean {
  const [, destination, , flags, , , , mask] = line.trim().split(/\s+/)
  if (destination === undefined || mask === undefined) return false
  const isUp = (Number.parseInt(flags ?? '0', 16) & 1) === 1
  return isUp && (METADATA & Number.parseInt(mask, 16)) >>> 0 === Number.parseInt(destination, 16)
}
