// SPDX-License-Identifier: Apache-2.0
import type { Readable, Writable } from 'node:stream'
import { FIRST_DESCRIPTOR, type StepExit, type StepFile } from '../contract.ts'
import { SandboxError } from '../sandbox-error.ts'
import { ByteReader } from './byte-reader.ts'
import { readFileAnswer } from './file-frames.ts'
import type { Warden } from './warden-pool.spawn.ts'

/** As many files as a step can have, below bash's own. */
const DESCRIPTOR_MAX = 200

/** What native/src/enter.c needs to start one process inside a sandbox. */
export interface EnterRequest {
  /** Host pid of PID 1; the keeper keeps it from being reused. */
  readonly init: number
  readonly uid: number
  readonly capabilities: bigint
  /** Compiled `struct sock_filter` array. */
  readonly seccomp: Uint8Array
  readonly openFiles: number
  /** RLIMIT_NPROC; 0: what we have. */
  readonly processes: number
  /** `cgroup.procs` files to write to, on the host. */
  readonly cgroups: readonly string[]
  readonly argv: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly workingDirectory: string
  /** Size and place of the private tmpfs, or null for none. */
  readonly privateDirectory: { readonly path: string; readonly bytes: number } | null
  readonly files: readonly StepFile[]
  readonly collect: readonly string[]
  readonly collectBytesMax: number
  /** The process reads our stream instead of /dev/null, and its stderr does not go into its output. For our own helper only. */
  readonly pump: boolean
  /** Only where steps are started from inside of the sandbox: the process has no network but a loopback of its own. */
  readonly noNetwork?: boolean
  /** The same: how many processes all steps of the sandbox may have together. */
  readonly pids?: number
  /** Told the host pid of the first process, before it can have ended. */
  readonly begun: (pid: number) => void
}

export interface Entered {
  readonly output: Readable
  /** Only with `pump`. */
  readonly input: Writable | null
  /** Only with `pump`: what our helper says about itself. */
  readonly errors: Readable
  /** Resolves when its first process is there, and what started it is gone; rejects when it never was. */
  readonly begun: Promise<number>
  /** Resolves once, also when the warden itself ends. */
  readonly exit: Promise<EnteredExit>
  /** Where steps are started from inside of the sandbox (native/src/inside.c): ends the step, and everything that it started. */
  readonly hangUp: () => void
}

/** What the warden knows of the end. */
export type EnteredExit = Omit<StepExit, 'limitHit' | 'throttling' | 'refusedPackets'>

/**
 * Values go over a socket to the warden, never by argument, environment or file. `take` gives a waiting warden.
 *
 * @throws SandboxError SANDBOX_INPUT before one is taken: what cannot be passed is refused, and leaves no process that waits for the rest.
 */
export function enterSandbox(take: () => Warden, request: EnterRequest): Entered {
  const encoded = encodeRequest(request)
  const warden = take()
  if (warden.place === 'inside') warden.control.write(encoded)
  else warden.control.end(encoded)
  if (!request.pump) {
    warden.errors.on('data', ignoreErrors)
    warden.input.destroy()
  }
  const begun = Promise.withResolvers<number>()
  begun.promise.catch(ignoreUnasked)
  const exit = readResults(warden, (pid) => {
    request.begun(pid)
    begun.resolve(pid)
  })
  const never = (end?: EnteredExit): void =>
    begun.reject(new SandboxError('SANDBOX_FAILED', `Cannot start in the sandbox: ${end?.message ?? 'its warden is lost'}`))
  exit.then(never, () => never())
  return {
    output: warden.output,
    input: request.pump ? warden.input : null,
    errors: warden.errors,
    begun: begun.promise,
    exit,
    hangUp: () => warden.control.destroy(),
  }
}

function ignoreUnasked(): void {
  // Its end says the same.
}

function ignoreErrors(): void {
  // A step's own errors go into its output; what the warden has to say stands on the result channel.
}

function encodeRequest(request: EnterRequest): Buffer {
  const records: Buffer[] = []
  const add = (type: string, data: Uint8Array): void => {
    const head = Buffer.alloc(5)
    head.write(type, 0, 'latin1')
    head.writeUInt32LE(data.length, 1)
    records.push(head, Buffer.from(data.buffer, data.byteOffset, data.length))
  }
  const addText = (type: string, text: string): void => add(type, encodeText(text))
  const addNumber = (type: string, number: number | bigint): void => add(type, u64(number))

  addNumber('i', request.init)
  addNumber('u', request.uid)
  addNumber('C', request.capabilities)
  addNumber('n', request.openFiles)
  if (request.processes > 0) addNumber('P', request.processes)
  addNumber('K', request.collectBytesMax)
  add('b', request.seccomp)
  addText('w', request.workingDirectory)
  if (request.privateDirectory !== null) {
    addText('d', request.privateDirectory.path)
    addNumber('t', request.privateDirectory.bytes)
  }
  for (const path of request.cgroups) addText('g', path)
  for (const argument of request.argv) addText('a', argument)
  for (const [name, value] of Object.entries(request.env)) addText('e', `${name}=${value}`)
  for (const name of request.collect) addText('k', name)
  for (const file of request.files) add('f', encodeFile(file))
  for (const { name, descriptor } of request.files) if (descriptor !== undefined) add('D', encodeDescriptor(name, descriptor))
  if (request.pids !== undefined) addNumber('p', request.pids)
  if (request.noNetwork === true) add('N', Buffer.alloc(0))
  if (request.pump) {
    add('s', Buffer.alloc(0))
    add('E', Buffer.alloc(0))
  }
  add('.', Buffer.alloc(0))
  return Buffer.concat(records)
}

function encodeDescriptor(name: string, descriptor: number): Buffer {
  if (!Number.isInteger(descriptor) || descriptor < FIRST_DESCRIPTOR || descriptor > DESCRIPTOR_MAX)
    throw new SandboxError('SANDBOX_INPUT', `Cannot open "${name}" as descriptor ${descriptor}`)
  return Buffer.concat([u64(descriptor), encodeText(name)])
}

function u64(number: number | bigint): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(number))
  return bytes
}

/** The kernel ends arguments, variables and paths at a NUL: a text with one would silently become another text. */
function encodeText(text: string): Buffer {
  if (text.includes('\0')) throw new SandboxError('SANDBOX_INPUT', 'Cannot pass a NUL byte in an argument, variable or path of a step')
  return Buffer.from(text)
}

function encodeFile(file: { readonly name: string; readonly content: Uint8Array; readonly mode: number }): Buffer {
  const name = encodeText(file.name)
  const head = Buffer.alloc(8)
  head.writeUInt32LE(file.mode, 0)
  head.writeUInt32LE(name.length, 4)
  return Buffer.concat([head, name, file.content])
}

const MESSAGE_MAX_BYTES = 65_536

async function readResults({ results, ended, place }: Warden, begun: EnterRequest['begun']): Promise<EnteredExit> {
  let hasBegun = false
  const note = (pid: number): void => {
    hasBegun = true
    begun(pid)
  }
  // A warden inside that ends without a word has ended with the sandbox, which took the step along.
  const ending = async (): Promise<EnteredExit> =>
    place === 'inside' && hasBegun ? { kind: 'signalled', code: SIGKILL, message: null, files: {} } : notStarted(await ended)
  try {
    return (await readExit(new ByteReader(results), note)) ?? (await ending())
  } catch (error) {
    if (error instanceof SandboxError && error.code === 'SANDBOX_PROTOCOL') return ending()
    throw error
  }
}

const SIGKILL = 9

function notStarted(message: string): EnteredExit {
  return { kind: 'failed-to-start', code: 0, message, files: {} }
}

async function readExit(reader: ByteReader, begun: EnterRequest['begun']): Promise<EnteredExit | null> {
  const files: Record<string, Uint8Array | null> = {}
  let exit: Omit<EnteredExit, 'files'> | null = null
  for (;;) {
    const head = await reader.read(5)
    if (head === null) return exit === null ? null : { ...exit, files }
    const size = head.readUInt32LE(1)
    if (size > MESSAGE_MAX_BYTES) throw new SandboxError('SANDBOX_PROTOCOL', 'Malformed result of a step')
    const data = size === 0 ? Buffer.alloc(0) : await reader.demand(size)
    const type = head.toString('latin1', 0, 1)
    if (type === 'M') return { kind: 'failed-to-start', code: 0, message: data.toString(), files }
    if (type === 'S') begun(data.readUInt32LE(0))
    if (type === 'X') exit = { kind: data.readUInt32LE(0) === 1 ? 'signalled' : 'exited', code: data.readUInt32LE(4), message: null }
    if (type === 'F') files[data.toString()] = await collectFile(reader)
    if (type === 'Z' && exit !== null) return { ...exit, files }
  }
}

/** At most `collectBytesMax` by the warden's own limit; null when the file is over it or is none. */
async function collectFile(reader: ByteReader): Promise<Uint8Array | null> {
  const content = await readFileAnswer(reader)
  if (content === null) return null
  const parts: Uint8Array[] = []
  try {
    for await (const part of content) parts.push(part)
  } catch (error) {
    if (error instanceof SandboxError && error.code === 'SANDBOX_INPUT') return null
    throw error
  }
  return Buffer.concat(parts)
}
