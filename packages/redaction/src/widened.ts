// SPDX-License-Identifier: Apache-2.0

/** A longer copy, filled up with zeros. */
export function widened<A extends Int32Array | Uint16Array | Uint8Array>(array: A, type: new (length: number) => A, length: number): A {
  const wider = new type(length)
  wider.set(array)
  return wider
}
