// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { createEmbeddedStore, type EmbeddedStore, type NewStore } from './embedded-store.ts'
import { withVersion } from './store-changes.ts'
import { findSecret, findVersion, ONLY_FIELD } from './store-content.ts'
import { type StorePlaces, storePlaces } from './store-places.ts'

/** Of whatever the tests date. */
export const NOW_MS: number = Date.UTC(2026, 10, 29, 12)

/** Removed at the end of the test. */
export function makeTemporaryDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-secrets-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

export const PLAIN: NewStore = { passphrase: null, identity: null, recipients: [] }

/** A store with its own identity, and some values. */
export async function makeStore(
  t: TestContext,
  values: Readonly<Record<string, string>> = {},
): Promise<{ readonly store: EmbeddedStore; readonly places: StorePlaces }> {
  const places = storePlaces(join(makeTemporaryDirectory(t), 'secrets'))
  const store = await createEmbeddedStore(places.directory, PLAIN, { nowMs: () => NOW_MS })
  for (const [name, value] of Object.entries(values)) await setValue(store, name, value)
  return { store, places }
}

export function setValue(store: EmbeddedStore, name: string, value: string): Promise<void> {
  const fields = new Map([[ONLY_FIELD, Buffer.from(value)]])
  return store.change((content) => withVersion(content, { name, fields, origin: 'set', nowMs: store.nowMs() }))
}

export function getValue(store: EmbeddedStore, name: string, version: string | null = null): Promise<string> {
  return store.look((content) => Buffer.from(findVersion(findSecret(content, name), version).fields.get(ONLY_FIELD) ?? '').toString())
}
