// SPDX-License-Identifier: Apache-2.0
import { Buffer } from 'node:buffer'

/** What masking means, by brute force: every byte of every form is covered, and each covered run becomes one mask. */
export function maskNaively(text: Buffer, forms: readonly Buffer[]): Buffer {
  const ends = new Array<number>(text.length).fill(0)
  for (const form of forms) {
    for (let at = text.indexOf(form); at >= 0; at = text.indexOf(form, at + 1)) ends[at] = Math.max(ends[at] ?? 0, at + form.length)
  }
  const parts: Buffer[] = []
  let maskEnd = -1
  for (let at = 0; at < text.length; at += 1) {
    const end = ends[at] as number
    if (end > at && at > maskEnd) parts.push(Buffer.from('***'))
    maskEnd = Math.max(maskEnd, end > at ? end : -1)
    if (at >= maskEnd) parts.push(text.subarray(at, at + 1))
  }
  return Buffer.concat(parts)
}

/** Length of the longest end of `text` that is the start, but not the whole, of a form. */
export function longestStart(text: Buffer, forms: readonly Buffer[]): number {
  const longest = Math.max(0, ...forms.map((form) => form.length - 1))
  for (let length = Math.min(text.length, longest); length > 0; length -= 1) {
    const end = text.subarray(text.length - length)
    if (forms.some((form) => form.length > length && form.subarray(0, length).equals(end))) return length
  }
  return 0
}

/** The numbers of a linear congruential generator, below `limit`. */
export function createRandom(seed: number): (limit: number) => number {
  let state = seed >>> 0
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * limit)
  }
}
