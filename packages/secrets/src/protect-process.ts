// SPDX-License-Identifier: Apache-2.0
import { forbidCoreDumps, makeUndumpable } from '@sallyport/linux'

/** Before this process decrypts anything: nobody without CAP_SYS_PTRACE reads its memory, and nothing writes it to a disk. @throws Error when the kernel refuses */
export function protectProcess(): void {
  makeUndumpable()
  forbidCoreDumps()
}
