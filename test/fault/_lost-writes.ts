// SPDX-License-Identifier: Apache-2.0
// What may stand on a disk after the power failed: rebuilt from the system calls of a process. Whatever no fsync has covered is there, or not, or in part.
import { mkdirSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'

/** One system call of the trace, with paths relative to the directory that the process worked in. */
export type Operation =
  | { readonly type: 'create' | 'mkdir' | 'unlink' | 'sync'; readonly path: string }
  | { readonly type: 'write'; readonly path: string; readonly bytes: Buffer; readonly offset: number }
  | { readonly type: 'rename'; readonly path: string; readonly to: string }
  /** A line on its standard output. */
  | { readonly type: 'said'; readonly line: string }

/** Reads the output of `strace -y -xx`, for one thread. Calls that failed have changed nothing. */
export function parseTrace(trace: string, directory: string): Operation[] {
  return trace.split('\n').flatMap((line) => parseLine(line, directory))
}

const CALL = /^(\w+)\((.*)\) += (-?[0-9]+)/

function parseLine(line: string, directory: string): Operation[] {
  const [, call = '', args = '', result = ''] = CALL.exec(line) ?? []
  if (call === '' || result.startsWith('-')) return []
  const texts = [...args.matchAll(/"((?:\\x[0-9a-f]{2})*)"/g)].map(([, hex = '']) => fromHex(hex))
  const [path = '', to = ''] = texts.map((text) => relative(directory, text.toString()))
  const [, descriptor = '', target = ''] = /^([0-9]+)<([^>]*)>/.exec(args) ?? []
  const opened = relative(directory, fromHex(target).toString())
  switch (call) {
    case 'openat':
      return args.includes('O_CREAT') ? [{ type: 'create', path }] : []
    case 'mkdir':
    case 'unlink':
      return [{ type: call, path }]
    case 'rmdir':
      return [{ type: 'unlink', path }]
    case 'rename':
      return [{ type: 'rename', path, to }]
    case 'fsync':
    case 'fdatasync':
      return [{ type: 'sync', path: opened }]
    case 'pwrite64':
      return [
        {
          type: 'write',
          path: opened,
          bytes: (texts[0] ?? Buffer.alloc(0)).subarray(0, Number(result)),
          offset: Number(/, ([0-9]+)$/.exec(args)?.[1]),
        },
      ]
    case 'write':
      return descriptor === '1' ? [{ type: 'said', line: (texts[0] ?? '').toString() }] : []
    default:
      return []
  }
}

function fromHex(text: string): Buffer {
  return Buffer.from(text.replaceAll('\\x', ''), 'hex')
}

interface FileNode {
  readonly kind: 'file'
  durable: Buffer
  /** Written since the last fsync. */
  pending: { readonly bytes: Buffer; readonly offset: number }[]
}

interface DirectoryNode {
  readonly kind: 'directory'
  /** As the process sees it. */
  readonly now: Map<string, Node>
  durable: Map<string, Node>
  /** Names that came or (null) went since the last fsync. */
  pending: { readonly name: string; readonly node: Node | null }[]
}

type Node = FileNode | DirectoryNode

/** What becomes of a change that was not durable; of a write perhaps only a part. */
export type Fate = 'lost' | 'kept' | 'torn'

/**
 * A disk that remembers which of its changes are durable. It is worse than real ones: of changes that no fsync has covered, each has a fate of its
 * own, whatever their order was, and a rename is two of them.
 */
export class LossyDisk {
  readonly #root: DirectoryNode = directoryNode()

  apply(operation: Operation): void {
    switch (operation.type) {
      case 'create':
        // Without O_EXCL it may be there
        if (this.#has(operation.path)) return
        return this.#change(operation.path, { kind: 'file', durable: Buffer.alloc(0), pending: [] })
      case 'mkdir':
        return this.#change(operation.path, directoryNode())
      case 'write':
        return this.#write(operation)
      case 'unlink':
        return this.#change(operation.path, null)
      case 'rename':
        this.#change(operation.to, this.#find(operation.path))
        return this.#change(operation.path, null)
      case 'sync':
        return this.#sync(this.#find(operation.path))
      case 'said':
    }
  }

  /** Writes what the disk holds after a power failure to `target`, an empty directory. */
  restore(target: string, fate: () => Fate): void {
    restoreDirectory(this.#root, target, fate)
  }

  #change(path: string, node: Node | null): void {
    const directory = this.#find(dirname(path))
    if (directory.kind !== 'directory') throw new TypeError(`"${dirname(path)}" is no directory`)
    const name = basename(path)
    if (node === null) directory.now.delete(name)
    else directory.now.set(name, node)
    directory.pending.push({ name, node })
  }

  #write({ path, bytes, offset }: Extract<Operation, { type: 'write' }>): void {
    const node = this.#find(path)
    if (node.kind !== 'file') throw new TypeError(`"${path}" is no file`)
    node.pending.push({ bytes, offset })
  }

  #sync(node: Node): void {
    if (node.kind === 'file') node.durable = contentOf(node, () => 'kept')
    else node.durable = namesOf(node, () => 'kept')
    node.pending = []
  }

  #has(path: string): boolean {
    const directory = this.#find(dirname(path))
    return directory.kind === 'directory' && directory.now.has(basename(path))
  }

  #find(path: string): Node {
    let node: Node = this.#root
    for (const name of path.split('/').filter((part) => part !== '' && part !== '.')) {
      const child: Node | undefined = node.kind === 'directory' ? node.now.get(name) : undefined
      if (child === undefined) throw new TypeError(`"${path}" is not on the disk`)
      node = child
    }
    return node
  }
}

function directoryNode(): DirectoryNode {
  return { kind: 'directory', now: new Map(), durable: new Map(), pending: [] }
}

function restoreDirectory(directory: DirectoryNode, target: string, fate: () => Fate): void {
  for (const [name, node] of namesOf(directory, fate)) {
    const path = join(target, name)
    if (node.kind === 'file') writeFileSync(path, contentOf(node, fate), { mode: 0o600 })
    else {
      mkdirSync(path, { mode: 0o700 })
      restoreDirectory(node, path, fate)
    }
  }
}

function namesOf({ durable, pending }: DirectoryNode, fate: () => Fate): Map<string, Node> {
  const names = new Map(durable)
  for (const { name, node } of pending) {
    if (fate() === 'lost') continue
    if (node === null) names.delete(name)
    else names.set(name, node)
  }
  return names
}

/** A torn write has made the file as long as it would be, and half of it is zeros. */
function contentOf({ durable, pending }: FileNode, fate: () => Fate): Buffer {
  let content = durable
  for (const { bytes, offset } of pending) {
    const end = fate()
    if (end === 'lost') continue
    const longer = Buffer.alloc(Math.max(content.byteLength, offset + bytes.byteLength))
    content.copy(longer)
    bytes.copy(longer, offset, 0, end === 'torn' ? bytes.byteLength / 2 : bytes.byteLength)
    content = longer
  }
  return content
}
