// SPDX-License-Identifier: Apache-2.0

/** Before the first secret goes anywhere: this process holds them in its memory. Loaded late, since koffi costs 10 ms. */
export async function protectSupervisor(): Promise<void> {
  const { makeUndumpable } = await import('@sallyport/linux')
  makeUndumpable()
}
