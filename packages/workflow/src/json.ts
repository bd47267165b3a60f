// SPDX-License-Identifier: Apache-2.0

/** JSON data as contexts hold it. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json }

/** Sets an own property even when its name is `__proto__`: names come out of hostile files. */
export function setOwn<T>(target: Record<string, T>, name: string, value: T): void {
  Object.defineProperty(target, name, { value, enumerable: true, configurable: true, writable: true })
}
