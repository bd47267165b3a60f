// SPDX-License-Identifier: Apache-2.0
import { ImagesError } from '../images-error.ts'
import { PAX_BYTES_MAX, parsePax, paxNumber } from './pax.ts'
import { BLOCK_BYTES, parseHeader, type TarHeader } from './tar-header.ts'

/** One entry, its long names and extended header applied. */
export interface TarEntry extends TarHeader {
  /** From 0; extended headers are none. */
  readonly ordinal: number
  /** Names of extended attributes that it would have. */
  readonly attributes: readonly string[]
}

interface Pending {
  readonly pax: ReadonlyMap<string, string>
  readonly longName: string | null
  readonly longLink: string | null
}

const NOTHING: Pending = { pax: new Map(), longName: null, longLink: null }
const ATTRIBUTE_PREFIXES: readonly string[] = ['SCHILY.xattr.', 'LIBARCHIVE.xattr.', 'SCHILY.acl.']

/**
 * Reads a tar archive as a stream. Untrusted: where two readers of an archive could see two things (a length that is said twice, a name that is said twice, bytes behind the
 * end), it is refused rather than read.
 */
export class TarReader {
  readonly #chunks: AsyncIterator<Buffer>
  #buffer: Buffer = Buffer.alloc(0)
  #ordinal = 0
  /** Of the content of the entry that was read last, padding included. */
  #leftBytes = 0
  #contentBytes = 0

  constructor(chunks: AsyncIterable<Buffer>) {
    this.#chunks = chunks[Symbol.asyncIterator]()
  }

  /** The next entry, or null at the end, which has been read to its last byte then. @throws ImagesError IMAGE_REFUSED */
  async next(): Promise<TarEntry | null> {
    let pending = NOTHING
    for (;;) {
      await this.#skipContent()
      const block = await this.#take(BLOCK_BYTES)
      if (block === null || block.every((byte) => byte === 0)) {
        if (pending !== NOTHING) throw ImagesError.refused('malformed', 'a layer ends behind an extended header')
        if (block !== null) await this.#expectEnd()
        return null
      }
      const header = parseHeader(block)
      if (header.size < 0) throw ImagesError.refused('malformed', 'a layer has a size below zero')
      const extended = await this.#extended(header, pending)
      if (extended === null) return this.#entry(header, pending)
      pending = extended
    }
  }

  /** The content of the entry that was read last, to be read to its end or not at all. */
  async *content(): AsyncGenerator<Buffer> {
    while (this.#contentBytes > 0) {
      if (this.#buffer.length === 0 && !(await this.#fill())) throw ImagesError.refused('malformed', 'a layer ends within a file')
      const part = this.#buffer.subarray(0, Math.min(this.#buffer.length, this.#contentBytes))
      this.#advance(part.length)
      yield part
    }
  }

  async #extended(header: TarHeader, pending: Pending): Promise<Pending | null> {
    const { type } = header
    if (type === 'g') throw ImagesError.refused('long-names', 'a layer has a global extended header, which readers understand differently')
    if (type !== 'x' && type !== 'L' && type !== 'K') return null
    if (header.size > PAX_BYTES_MAX) throw ImagesError.refused('malformed', `an extended header has more than ${PAX_BYTES_MAX} bytes`)
    this.#begin(header.size)
    const bytes = (await this.#take(header.size)) ?? missing()
    this.#contentBytes = 0
    this.#leftBytes -= header.size
    if (type === 'x') {
      if (pending.pax.size > 0) throw ImagesError.refused('long-names', 'an entry has two extended headers')
      return { ...pending, pax: parsePax(bytes) }
    }
    const text = bytes.toString('latin1').replace(/\0+$/, '')
    if ((type === 'L' ? pending.longName : pending.longLink) !== null)
      throw ImagesError.refused('long-names', 'an entry has two long names')
    return type === 'L' ? { ...pending, longName: text } : { ...pending, longLink: text }
  }

  #entry(header: TarHeader, { pax, longName, longLink }: Pending): TarEntry {
    for (const key of pax.keys())
      if (key.startsWith('GNU.sparse.'))
        throw ImagesError.refused('sparse', 'a layer has a sparse file: its length is not that of what it holds')
    const size = pax.has('size') ? paxNumber(pax.get('size') ?? '') : header.size
    if (size < 0 || (header.size !== 0 && header.size !== size)) throw ImagesError.refused('long-names', 'an entry has two sizes')
    // Links and directories have no content, whatever their size says: readers differ, so that there must be none.
    if (size > 0 && !['0', '\0', '7'].includes(header.type) && header.type !== 'S')
      throw ImagesError.refused('malformed', 'an entry that is no file has content')
    this.#begin(size)
    this.#ordinal += 1
    return {
      ...header,
      name: oneName(pax.get('path'), longName, header.name),
      link: oneName(pax.get('linkpath'), longLink, header.link),
      uid: numberIn(pax, 'uid') ?? header.uid,
      gid: numberIn(pax, 'gid') ?? header.gid,
      mtime: numberIn(pax, 'mtime') ?? header.mtime,
      size,
      ordinal: this.#ordinal - 1,
      attributes: [...pax.keys()].filter((key) => ATTRIBUTE_PREFIXES.some((prefix) => key.startsWith(prefix))),
    }
  }

  #begin(size: number): void {
    this.#contentBytes = size
    this.#leftBytes = Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES
  }

  #advance(bytes: number): void {
    this.#buffer = this.#buffer.subarray(bytes)
    this.#contentBytes -= bytes
    this.#leftBytes -= bytes
  }

  async #skipContent(): Promise<void> {
    while (this.#leftBytes > 0) {
      if (this.#buffer.length === 0 && !(await this.#fill())) throw ImagesError.refused('malformed', 'a layer ends within a file')
      this.#advance(Math.min(this.#buffer.length, this.#leftBytes))
    }
    this.#contentBytes = 0
  }

  /** Some readers go on behind the end, some do not. */
  async #expectEnd(): Promise<void> {
    do {
      if (this.#buffer.some((byte) => byte !== 0)) throw ImagesError.refused('malformed', 'a layer goes on behind its end')
      this.#buffer = this.#buffer.subarray(this.#buffer.length)
    } while (await this.#fill())
  }

  /** Null at the end of the stream. */
  async #take(bytes: number): Promise<Buffer | null> {
    if (this.#buffer.length < bytes) {
      const parts: Buffer[] = [this.#buffer]
      let length = this.#buffer.length
      while (length < bytes) {
        const { done, value } = await this.#chunks.next()
        if (done === true) return length === 0 ? null : missing()
        parts.push(value)
        length += value.length
      }
      this.#buffer = Buffer.concat(parts)
    }
    const taken = this.#buffer.subarray(0, bytes)
    this.#buffer = this.#buffer.subarray(bytes)
    return taken
  }

  async #fill(): Promise<boolean> {
    const { done, value } = await this.#chunks.next()
    if (done === true) return false
    this.#buffer = value
    return true
  }
}

function missing(): never {
  throw ImagesError.refused('malformed', 'a layer ends too early')
}

function numberIn(pax: ReadonlyMap<string, string>, key: string): number | null {
  const text = pax.get(key)
  return text === undefined ? null : paxNumber(text)
}

/** POSIX and GNU each have a way to write a long name. An archive that uses both must mean one. */
function oneName(pax: string | undefined, long: string | null, short: string): string {
  if (pax !== undefined && long !== null && pax !== long)
    throw ImagesError.refused('long-names', 'an entry has two long names, which disagree')
  return pax ?? long ?? short
}
