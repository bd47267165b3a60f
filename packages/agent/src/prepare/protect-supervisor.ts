// SPDX-License-Identifier: Apache-2.0

/** Before the first secret goes anywhere: this process holds them in its memory. Without one there is nothing to protect, and koffi costs 10 ms. */
export async function protectSupervisor(secrets: Readonly<Record<string, string>>): Promise<void> {
  if (Object.keys(secrets).length === 0) return
  const { makeUndumpable } = await import('@sallyport/linux')
  makeUndumpable()
}
