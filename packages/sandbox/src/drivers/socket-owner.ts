// SPDX-License-Identifier: Apache-2.0
import { closeSync, opendirSync, openSync, readlinkSync, readSync } from 'node:fs'

/** More connections than a job is let have. */
const TABLE_BYTES_MAX = 1 << 20
const PROCESSES_MAX = 512
const DESCRIPTORS_MAX = 8192

export interface SocketQuestion {
  /** /proc of a process in the network namespace. */
  readonly namespace: string
  /** The job's own address. */
  readonly address: string
  readonly port: number
  /** Ids on the host of the processes that may have it. */
  readonly processes: readonly number[]
}

/**
 * The program of the one process that has a TCP socket with this local address and port, as its path in the mount namespace of that process;
 * null when none or more than one has it, or when there is too much to look through. Only the kernel's own files are read: no path of a job is followed.
 */
export function programWithSocket(question: SocketQuestion, proc = '/proc'): string | null {
  const sockets = new Set(socketInodes(question))
  if (sockets.size === 0 || question.processes.length > PROCESSES_MAX) return null
  const owners = new Set<string>()
  let looked = 0
  for (const process of question.processes) {
    for (const target of descriptorTargets(`${proc}/${process}/fd`)) {
      looked += 1
      if (looked > DESCRIPTORS_MAX) return null
      if (sockets.has(target)) owners.add(`${proc}/${process}/exe`)
    }
  }
  const [owner, ...others] = owners
  if (owner === undefined || others.length > 0) return null
  const path = readLink(owner)
  // A file that is no more says nothing about what runs.
  return path?.endsWith(' (deleted)') === true ? null : path
}

/** `socket:[INODE]` of every socket of that address and port; also of those that speak IPv4 over an IPv6 socket. */
function socketInodes({ namespace, address, port }: SocketQuestion): string[] {
  const own = [...address.split('.')].reverse().map((part) => hex(Number(part), 2))
  const local = [own.join(''), `0000000000000000FFFF0000${own.join('')}`].map((text) => `${text}:${hex(port, 4)}`)
  return ['tcp', 'tcp6'].flatMap((table) => {
    const rows = readStart(`${namespace}/net/${table}`).split('\n').slice(1)
    return rows.flatMap((row) => {
      const fields = row.trim().split(/\s+/)
      const inode = fields[9]
      return local.includes(fields[1] ?? '') && inode !== undefined && inode !== '0' ? [`socket:[${inode}]`] : []
    })
  })
}

function hex(value: number, width: number): string {
  return value.toString(16).toUpperCase().padStart(width, '0')
}

function readStart(path: string): string {
  const buffer = Buffer.alloc(TABLE_BYTES_MAX)
  let size = 0
  let file: number
  try {
    file = openSync(path, 'r')
  } catch (error) {
    return ifGone(error, '')
  }
  try {
    for (let got = -1; got !== 0 && size < buffer.length; size += got) got = readSync(file, buffer, size, buffer.length - size, null)
  } finally {
    closeSync(file)
  }
  return buffer.toString('latin1', 0, size)
}

function* descriptorTargets(directory: string): Generator<string> {
  let entries: ReturnType<typeof opendirSync>
  try {
    entries = opendirSync(directory)
  } catch (error) {
    return ifGone(error, undefined)
  }
  try {
    for (let entry = entries.readSync(); entry !== null; entry = entries.readSync()) yield readLink(`${directory}/${entry.name}`) ?? ''
  } catch (error) {
    ifGone(error, undefined)
  } finally {
    entries.closeSync()
  }
}

function readLink(path: string): string | null {
  try {
    return readlinkSync(path)
  } catch (error) {
    return ifGone(error, null)
  }
}

/** The process ended meanwhile. */
function ifGone<T>(error: unknown, value: T): T {
  const { code } = error as NodeJS.ErrnoException
  if (code === 'ENOENT' || code === 'ESRCH' || code === 'EINVAL') return value
  throw error
}
