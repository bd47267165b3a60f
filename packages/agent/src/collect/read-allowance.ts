// SPDX-License-Identifier: Apache-2.0
import { formatSize } from '@sallyport/core'
import { AgentError } from '../agent-error.ts'

/**
 * How much of a job's files is read in one go. A sparse file says that it is 16 TiB, and costs its job nothing: whoever reads it on would be busy for hours, and
 * whoever keeps it would fill the host's disk. Files that are not sparse have no more bytes than the disk of their job.
 */
export class ReadAllowance {
  readonly #bytesMax: number
  #left: number

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
    this.#left = bytesMax
  }

  /** @throws AgentError FILES_TOO_LARGE once more is read than the disk holds. */
  async *of(content: AsyncIterable<Uint8Array>, path: string): AsyncGenerator<Uint8Array> {
    for await (const part of content) {
      this.#left -= part.length
      if (this.#left < 0)
        throw new AgentError(
          'FILES_TOO_LARGE',
          `Cannot read "${path}": the files have more bytes than the job's disk (${formatSize(this.#bytesMax)})`,
          {
            hint: 'A sparse file is larger than what it takes on the disk: make it smaller, or raise --limit disk=',
          },
        )
      yield part
    }
  }
}
