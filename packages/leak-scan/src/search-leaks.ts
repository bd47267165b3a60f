// SPDX-License-Identifier: Apache-2.0
import { Buffer } from 'node:buffer'
import { pipeline } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { messageOf } from '@sallyport/core'
import { ByteReader } from './byte-reader.ts'
import type { LeakSinks } from './contract.ts'
import type { KnownValues } from './known-values.ts'
import { isTar, TAR_BLOCK, tarMembers } from './tar.ts'
import { TextSearch } from './text-search.ts'
import { isZip, zipEntries } from './zip.ts'

/** A compressed archive in a compressed archive. */
const LAYERS_MAX = 4
/** Its directory is at its end: an archive of this kind is read whole. */
const ZIP_BYTES_MAX = 64 << 20
const MEMBER_BYTES_MAX = 64 << 20
/** Of one file, once it is unpacked, over all its layers: a small archive can stand for any number of bytes. */
const UNPACKED_BYTES_MAX = 1 << 30
const MEMBERS_MAX = 100_000
const NAME_MAX = 300

/** Searches files, and what archives among them hold. */
export class LeakSearch {
  readonly #known: KnownValues
  readonly #sinks: LeakSinks
  readonly #unpackedBytesMax: number

  /** `unpackedBytesMax`: of one file, over all its layers. */
  constructor(known: KnownValues, sinks: LeakSinks, unpackedBytesMax: number = UNPACKED_BYTES_MAX) {
    this.#known = known
    this.#sinks = sinks
    this.#unpackedBytesMax = unpackedBytesMax
  }

  /** Untrusted: the content of a file, of any length. What cannot be unpacked is told. @throws what `source` throws. */
  async search(place: string, source: AsyncIterable<Uint8Array>): Promise<void> {
    await this.#searchLayer(place, new ByteReader(source), {
      layers: LAYERS_MAX,
      budget: { bytes: this.#unpackedBytesMax, members: MEMBERS_MAX },
    })
  }

  async #searchLayer(place: string, reader: ByteReader, limits: Limits): Promise<void> {
    const head = await reader.peek(TAR_BLOCK)
    const kind = isGzip(head) ? 'gzip' : isZip(head) ? 'zip' : isTar(head) ? 'tar' : null
    if (kind === null) return this.#searchText(place, reader)
    if (limits.layers === 0) {
      this.#sinks.unsearched({ place, reason: 'too many archives in one another' })
      return this.#searchText(place, reader)
    }
    const inner = { ...limits, layers: limits.layers - 1 }
    try {
      if (kind === 'gzip') await this.#searchGzip(place, reader, inner)
      else if (kind === 'tar') await this.#searchTar(place, reader, inner)
      else await this.#searchZip(place, reader, inner)
    } catch (error) {
      if (!isDamage(error)) throw error
      this.#sinks.unsearched({ place, reason: `it could not be unpacked: ${messageOf(error)}` })
    }
  }

  async #searchText(place: string, reader: ByteReader): Promise<void> {
    const search = new TextSearch(place, this.#known, this.#sinks.found)
    for await (const bytes of reader.take(Number.POSITIVE_INFINITY)) search.write(bytes)
    search.end()
  }

  async #searchGzip(place: string, reader: ByteReader, limits: Limits): Promise<void> {
    // Its error is that of the iteration.
    const unpacked = pipeline(reader.take(Number.POSITIVE_INFINITY), createGunzip(), () => undefined)
    await this.#searchLayer(place, new ByteReader(counted(unpacked, limits)), limits)
  }

  async #searchTar(place: string, reader: ByteReader, limits: Limits): Promise<void> {
    for await (const { name, content } of tarMembers(reader)) {
      takeMember(limits)
      await this.#searchLayer(placeIn(place, name), new ByteReader(content), limits)
    }
  }

  async #searchZip(place: string, reader: ByteReader, limits: Limits): Promise<void> {
    const archive = await reader.read(ZIP_BYTES_MAX + 1)
    if (archive.length > ZIP_BYTES_MAX) throw new RangeError(`it has more than ${ZIP_BYTES_MAX} bytes`)
    for (const entry of zipEntries(archive)) {
      takeMember(limits)
      const inside = placeIn(place, entry.name)
      try {
        const content = entry.content(MEMBER_BYTES_MAX)
        await this.#searchLayer(inside, new ByteReader(counted([content], limits)), limits)
      } catch (error) {
        if (!isDamage(error)) throw error
        this.#sinks.unsearched({ place: inside, reason: `it could not be unpacked: ${messageOf(error)}` })
      }
    }
  }
}

interface Limits {
  readonly layers: number
  /** Shared by all layers of a file. */
  readonly budget: { bytes: number; members: number }
}

async function* counted(source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, { budget }: Limits): AsyncGenerator<Uint8Array> {
  for await (const bytes of source) {
    budget.bytes -= bytes.length
    if (budget.bytes < 0) throw new RangeError('unpacked it has more bytes than are searched')
    yield bytes
  }
}

function takeMember({ budget }: Limits): void {
  budget.members -= 1
  if (budget.members < 0) throw new RangeError(`it has more than ${MEMBERS_MAX} members`)
}

function isGzip(head: Buffer): boolean {
  return head.length >= 3 && head.subarray(0, 3).equals(Buffer.from([0x1f, 0x8b, 8]))
}

function placeIn(place: string, name: string): string {
  return `${place}!${name.slice(0, NAME_MAX)}`
}

/** Of the archive, rather than of the disk that it comes from: ours, and those of zlib. */
function isDamage(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  return error instanceof RangeError || code.startsWith('Z_') || code === 'ERR_BUFFER_TOO_LARGE' || code === 'ERR_OUT_OF_RANGE'
}
