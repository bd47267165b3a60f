// SPDX-License-Identifier: Apache-2.0
import { createHash, randomUUID } from 'node:crypto'
import { lstat, mkdir, open, realpath, rename, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { messageOf } from '@sallyport/core'
import { AgentError } from '../agent-error.ts'
import { readPlainFile } from './plain-file.ts'

/** What a person agreed to once. */
export interface Approval {
  /** Of the canonical form of what was asked for. */
  readonly digest: string
  readonly approvedAt: string
  /** What was shown, a line each: to show later what has changed. */
  readonly asks: readonly string[]
}

const FILE_BYTES_MAX = 2 ** 20
/** Branches that ask for different things are approved beside each other; the oldest is forgotten first. */
const APPROVALS_MAX = 32

/**
 * Approvals by repository, under `STATE/trust/`: a file each, named by a hash of the repository's real path, replaced as a whole.
 * Whoever can write there decides what leaves a job: a directory that another user owns or may write to is refused.
 */
export class TrustStore {
  readonly #state: string

  constructor(stateDirectory: string) {
    this.#state = resolve(stateDirectory)
  }

  /** Newest first. @throws AgentError TRUST_UNREADABLE. */
  async approvals(repository: string): Promise<readonly Approval[]> {
    const path = await this.#fileOf(repository)
    try {
      if (!(await assertPrivate(this.#state)) || !(await assertPrivate(join(this.#state, 'trust')))) return []
      const file = await readPlainFile(path, { bytesMax: FILE_BYTES_MAX, followsLinks: false })
      return file === null ? [] : parseApprovals(file.text)
    } catch (error) {
      throw unreadable(path, error)
    }
  }

  /** The newest from now on. */
  async approve(repository: string, approval: Approval): Promise<void> {
    const others = (await this.approvals(repository)).filter(({ digest }) => digest !== approval.digest)
    await this.#write(repository, [approval, ...others].slice(0, APPROVALS_MAX))
  }

  /** Takes back every approval; how many there were. */
  async revoke(repository: string): Promise<number> {
    const { length } = await this.approvals(repository)
    await rm(await this.#fileOf(repository), { force: true })
    return length
  }

  async #write(repository: string, approvals: readonly Approval[]): Promise<void> {
    const path = await this.#fileOf(repository)
    const temporary = `${path}.${randomUUID()}`
    try {
      await mkdir(join(this.#state, 'trust'), { recursive: true, mode: 0o700 })
      for (const directory of [this.#state, join(this.#state, 'trust')]) await assertPrivate(directory)
      await writeDurably(temporary, fileText(await realpath(repository), approvals))
      await rename(temporary, path)
    } catch (error) {
      await rm(temporary, { force: true })
      throw unreadable(path, error)
    }
  }

  async #fileOf(repository: string): Promise<string> {
    const name = createHash('sha256')
      .update(await realpath(repository))
      .digest('hex')
    return join(this.#state, 'trust', `${name}.json`)
  }
}

/** Never more than is read back: what was shown is forgotten before an approval is, and of both the oldest first. */
function fileText(repository: string, approvals: readonly Approval[]): string {
  for (let shown = approvals.length; ; shown -= 1) {
    const kept = approvals.map((approval, index) => (index < shown ? approval : { ...approval, asks: [] }))
    const text = `${JSON.stringify({ version: 1, repository, approvals: kept }, null, 2)}\n`
    if (shown === 0 || Buffer.byteLength(text) <= FILE_BYTES_MAX) return text
  }
}

async function writeDurably(path: string, text: string): Promise<void> {
  await using file = await open(path, 'wx', 0o600)
  await file.writeFile(text)
  await file.datasync()
}

/** False when there is no such directory. */
async function assertPrivate(directory: string): Promise<boolean> {
  const stats = await lstat(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null
    throw error
  })
  if (stats === null) return false
  if (!stats.isDirectory()) throw new Error(`"${directory}" is not a directory`)
  const isOurs = stats.uid === (process.geteuid?.() ?? stats.uid)
  if (!isOurs || (stats.mode & 0o022) !== 0) throw new Error(`another user owns "${directory}" or may write to it`)
  return true
}

function parseApprovals(text: string): readonly Approval[] {
  const { approvals } = JSON.parse(text) as { approvals?: unknown }
  if (!Array.isArray(approvals) || !approvals.every(isApproval)) throw new Error('it is not what Sallyport wrote')
  return approvals
}

function isApproval(value: unknown): value is Approval {
  if (typeof value !== 'object' || value === null) return false
  const { digest, approvedAt, asks } = value as Record<string, unknown>
  return typeof digest === 'string' && typeof approvedAt === 'string' && Array.isArray(asks) && asks.every((ask) => typeof ask === 'string')
}

function unreadable(path: string, error: unknown): AgentError {
  return new AgentError('TRUST_UNREADABLE', `Cannot use the record of what was trusted, "${path}": ${messageOf(error)}`, {
    cause: error,
    hint: 'Give the state directory to this user with mode 0700, or name another one with --state DIR',
  })
}
