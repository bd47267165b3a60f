// SPDX-License-Identifier: Apache-2.0
// A file system of its own, on a loop device, whose every byte can be searched afterwards: files that were deleted, journal and slack, too.
import { execFileSync } from 'node:child_process'
import { closeSync, mkdirSync, mkdtempSync, openSync, readSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Mostly holes: what is never written takes no space. */
const IMAGE_BYTES = 6 * 2 ** 30
const CHUNK_BYTES = 4 * 2 ** 20
/** Longer than any form that is looked for. */
const OVERLAP_BYTES = 4096

export class RawDisk implements Disposable {
  readonly #directory: string
  readonly #image: string
  readonly mountPoint: string
  #isMounted = false

  constructor() {
    this.#directory = mkdtempSync(join(tmpdir(), 'sallyport-raw-disk-'))
    this.#image = join(this.#directory, 'image.ext4')
    this.mountPoint = join(this.#directory, 'mounted')
    mkdirSync(this.mountPoint)
    writeFileSync(this.#image, '')
    truncateSync(this.#image, IMAGE_BYTES)
    execFileSync('mkfs.ext4', ['-q', '-F', this.#image], { stdio: ['ignore', 'ignore', 'pipe'] })
    this.mount()
  }

  mount(): void {
    // Without discard: what was deleted stays where it was, as on most disks.
    execFileSync('mount', ['-o', 'loop,nodiscard', this.#image, this.mountPoint], { stdio: ['ignore', 'ignore', 'pipe'] })
    this.#isMounted = true
  }

  /** All that was written is in the image then. */
  unmount(): void {
    execFileSync('umount', [this.mountPoint], { stdio: ['ignore', 'ignore', 'pipe'] })
    this.#isMounted = false
  }

  /** Which of the texts stand anywhere on the disk; a name may have several forms. */
  find(forms: ReadonlyMap<string, Buffer>): readonly string[] {
    if (this.#isMounted) throw new TypeError('a disk that is still mounted is not whole')
    const found = new Set<string>()
    const zeros = Buffer.alloc(CHUNK_BYTES)
    const chunk = Buffer.alloc(CHUNK_BYTES)
    const file = openSync(this.#image, 'r')
    try {
      for (let at = 0; at < IMAGE_BYTES; at += CHUNK_BYTES - OVERLAP_BYTES) {
        const bytes = chunk.subarray(0, readSync(file, chunk, 0, CHUNK_BYTES, at))
        if (bytes.equals(zeros.subarray(0, bytes.length))) continue
        for (const [name, form] of forms) if (bytes.includes(form)) found.add(name)
      }
    } finally {
      closeSync(file)
    }
    return [...found].sort()
  }

  [Symbol.dispose](): void {
    if (this.#isMounted) execFileSync('umount', ['--lazy', this.mountPoint], { stdio: 'ignore' })
    rmSync(this.#directory, { recursive: true, force: true })
  }
}

/** The forms in which a value could lie on a disk, by `label form`. Of base64 the part that no neighbouring byte changes, in each phase. */
export function tracesOf(label: string, value: string): Map<string, Buffer> {
  const bytes = Buffer.from(value)
  const hex = bytes.toString('hex')
  const percent = [...bytes].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('')
  const forms: Record<string, Buffer> = {
    plain: bytes,
    reversed: Buffer.from(bytes).reverse(),
    hex: Buffer.from(hex),
    'upper-case hex': Buffer.from(hex.toUpperCase()),
    'UTF-16, little end first': Buffer.from(value, 'utf16le'),
    'UTF-16, big end first': Buffer.from(value, 'utf16le').swap16(),
    percent: Buffer.from(percent),
    'lower-case percent': Buffer.from(percent.toLowerCase()),
  }
  for (const phase of [0, 1, 2]) {
    const shifted = Buffer.concat([Buffer.alloc(phase), bytes])
    const whole = shifted.subarray(0, shifted.length - (shifted.length % 3))
    // The first group holds bits of what stands before it.
    const inner = (text: string): Buffer => Buffer.from(phase === 0 ? text : text.slice(4))
    forms[`base64, phase ${phase}`] = inner(whole.toString('base64'))
    forms[`base64url, phase ${phase}`] = inner(whole.toString('base64url'))
  }
  return new Map(Object.entries(forms).map(([form, found]) => [`${label} ${form}`, found]))
}
