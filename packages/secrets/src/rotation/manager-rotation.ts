// SPDX-License-Identifier: Apache-2.0
// The rotation of a secret that lives at a manager. Where the manager does it, what was there before is noted first; where a hook does, it is the
// rotation of the embedded store, in a store of its own that ends with it, and what becomes the current version is written at the manager.
import { createHash, randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { quote } from '@sallyport/core'
import { lockExclusively, makePrivateDirectory, readWhole, syncDirectory, writeFileDurably } from '@sallyport/store'
import type { BrokerClient, Read } from '../broker/client.ts'
import type { AddressAt } from '../broker/messages.ts'
import type { VersionFacts } from '../contract.ts'
import { createEmbeddedStore, type EmbeddedStore, openEmbeddedStore } from '../embedded/embedded-store.ts'
import { rotateSecret } from '../embedded/rotate.ts'
import type { HookCall, HookResult } from '../embedded/rotation-hook.spawn.ts'
import { withVersion } from '../embedded/store-changes.ts'
import { findField, findVersion, ONLY_FIELD, type RotationRecipe, type StoredSecret } from '../embedded/store-content.ts'
import { SecretsError } from '../secrets-error.ts'

export interface ManagerRotationParts {
  /** Of all rotations that have not ended. */
  readonly directory: string
  readonly place: AddressAt
  readonly broker: Pick<BrokerClient, 'look' | 'rotate' | 'replace'>
  /** Reads the value as a job would; on record before. @throws SecretsError */
  readonly read: () => Promise<Read>
  readonly runHook: (call: HookCall) => Promise<HookResult>
  readonly report: (call: HookCall, result: HookResult) => Promise<void>
  /** On record, for good, when it resolves; asked before each phase. Null: the last one has ended. */
  readonly announce: (phase: string | null) => Promise<void>
  /** How long the manager's own rotation is waited for. */
  readonly waitMs: number
}

export interface RotatedAtManager {
  /** As the provider names it; null where it does not. */
  readonly version: string | null
  readonly isResumed: boolean
}

/** The one secret of a store that is there for one rotation. */
const ENTRY = 'secret'
const NOTE_BYTES_MAX = 4096
const LOOK_EVERY_MS = 500

/** What a user calls it, and an operator's file: `openbao:kv/ci/packages#token`. */
export function titleOf({ provider, address }: AddressAt): string {
  return `${provider}:${address.path}${address.field === null ? '' : `#${address.field}`}`
}

/**
 * Rotates it, or ends the rotation that has begun. `recipe` null: as it began, or as the manager does.
 *
 * @throws SecretsError ROTATION_FAILED, ROTATION_PENDING, SECRET_STORE_LOCKED, and what the provider refuses. What worked before still works.
 */
export async function rotateAtManager(parts: ManagerRotationParts, recipe: RotationRecipe | null): Promise<RotatedAtManager> {
  await using pending = await lockPending(parts)
  const note = await readNote(pending.note)
  const store = await openPending(pending.store)
  if (note === null && store === null) {
    const facts = await parts.broker.look(parts.place)
    if (facts.way === 'native' && recipe === null) return await rotateNatively(parts, pending, { note: null, facts })
    return await rotateByHook(parts, pending, recipe)
  }
  if (note !== null) return await rotateNatively(parts, pending, { note, facts: await parts.broker.look(parts.place) })
  return await rotateByHook(parts, pending, recipe)
}

/** It is forgotten; what is current at the manager stays so. What a hook has made, nobody ends. */
export async function abandonAtManager(parts: Pick<ManagerRotationParts, 'directory' | 'place' | 'announce'>): Promise<boolean> {
  await using pending = await lockPending(parts)
  if ((await readNote(pending.note)) === null && (await openPending(pending.store)) === null) return false
  await parts.announce('abandoned')
  await forget(pending)
  return true
}

/** A rotation of it has begun here, and was not seen to end. */
export function isRotationPending(directory: string, place: AddressAt): boolean {
  const base = baseOf(directory, place)
  return existsSync(`${base}.json`) || existsSync(base)
}

interface Pending extends AsyncDisposable {
  readonly directory: string
  /** What was there before the manager was asked. */
  readonly note: string
  readonly store: string
}

/** One rotation of a secret at a time. @throws SecretsError SECRET_STORE_LOCKED */
async function lockPending({ directory, place }: Pick<ManagerRotationParts, 'directory' | 'place'>): Promise<Pending> {
  await makePrivateDirectory(directory)
  const title = titleOf(place)
  const base = baseOf(directory, place)
  const lock = await lockExclusively(`${base}.lock`, 0)
  if (lock === null) throw new SecretsError('SECRET_STORE_LOCKED', `Cannot rotate "${title}": somebody else does so now`)
  return { directory, note: `${base}.json`, store: base, [Symbol.asyncDispose]: () => lock.close() }
}

function baseOf(directory: string, place: AddressAt): string {
  return join(directory, createHash('sha256').update(titleOf(place)).digest('hex').slice(0, 32))
}

async function forget({ directory, note, store }: Pending): Promise<void> {
  await rm(store, { recursive: true, force: true })
  await rm(note, { force: true })
  await syncDirectory(directory)
}

interface Note {
  readonly id: string
  readonly before: string | null
}

async function rotateNatively(
  { broker, place, announce, waitMs }: ManagerRotationParts,
  pending: Pending,
  { note, facts }: { note: Note | null; facts: VersionFacts },
): Promise<RotatedAtManager> {
  const { id, before } = note ?? { id: randomUUID(), before: facts.version }
  if (note === null) {
    await announce('manager')
    await writeFileDurably(pending.note, `${JSON.stringify({ id, before })}\n`)
  }
  if (facts.version === before && !facts.isRotating) await broker.rotate(place, id)
  const version = await untilRotated({ broker, place, waitMs }, before)
  await announce(null)
  await forget(pending)
  return { version, isResumed: note !== null }
}

/** New works before old dies: that is the manager's own business; that it is done is seen by its versions. */
async function untilRotated(
  { broker, place, waitMs }: Pick<ManagerRotationParts, 'broker' | 'place' | 'waitMs'>,
  before: string | null,
): Promise<string | null> {
  const endMs = performance.now() + waitMs
  for (;;) {
    const { version, isRotating } = await broker.look(place)
    if (version !== before && !isRotating) return version
    if (performance.now() >= endMs) break
    await sleep(Math.min(LOOK_EVERY_MS, waitMs))
  }
  const title = titleOf(place)
  throw new SecretsError('ROTATION_PENDING', `Cannot tell yet that "${title}" is rotated: the manager has not ended within ${waitMs} ms`, {
    hint: `Look at its function there, then take it up again: sallyport secrets rotate ${title}`,
  })
}

async function rotateByHook(parts: ManagerRotationParts, pending: Pending, recipe: RotationRecipe | null): Promise<RotatedAtManager> {
  const { broker, place, announce } = parts
  const { state, isNew } = await openRotation(parts, pending, recipe)
  if (state === null) {
    // It was over, and only not forgotten
    await forget(pending)
    const { version } = await broker.look(place)
    return { version, isResumed: true }
  }
  const { isResumed } = await rotateSecret(state, ENTRY, isNew ? required(recipe, place) : withOnlyField(recipe), {
    title: titleOf(place),
    runHook: parts.runHook,
    report: parts.report,
    announce,
    publish: async ({ old, candidate, rotation }) => {
      await announce('publish')
      await broker.replace(place, { old, value: candidate, id: rotation })
    },
  })
  const { version } = await broker.look(place)
  await forget(pending)
  return { version, isResumed }
}

/** A store with the value that is to be replaced; null: its rotation is over. */
async function openRotation(
  { read, place }: ManagerRotationParts,
  pending: Pending,
  recipe: RotationRecipe | null,
): Promise<{ readonly state: EmbeddedStore | null; readonly isNew: boolean }> {
  const left = await openPending(pending.store)
  if (left !== null) {
    const { secret } = await left.look(({ secrets }) => ({ secret: stateOf(secrets.get(ENTRY)) }))
    if (secret === 'rotating') return { state: left, isNew: false }
    if (secret === 'rotated') return { state: null, isNew: false }
  }
  // Nothing of it was asked yet
  required(recipe, place)
  await forget(pending)
  const { fields } = await read()
  try {
    const store = await createEmbeddedStore(pending.store, { passphrase: null, identity: null, recipients: [] })
    const [, value] = findField(titleOf(place), fields, place.address.field)
    await store.change((content) =>
      withVersion(content, { name: ENTRY, fields: new Map([[ONLY_FIELD, value]]), origin: 'set', nowMs: store.nowMs() }),
    )
    return { state: store, isNew: true }
  } catch (error) {
    await forget(pending)
    throw error
  } finally {
    for (const bytes of fields.values()) bytes.fill(0)
  }
}

function stateOf(secret: StoredSecret | undefined): 'none' | 'rotating' | 'rotated' {
  if (secret === undefined) return 'none'
  if (secret.rotation !== null) return 'rotating'
  return findVersion(secret, null).origin === 'rotated' ? 'rotated' : 'none'
}

/** Null: there is none, or none that was whole when whoever made it was killed. */
async function openPending(directory: string): Promise<EmbeddedStore | null> {
  try {
    return await openEmbeddedStore(directory, { kind: 'own' })
  } catch (error) {
    if (error instanceof SecretsError && error.code === 'SECRET_STORE_MISSING') return null
    throw error
  }
}

/** The field is the manager's; here there is one alone. */
function withOnlyField(recipe: RotationRecipe | null): RotationRecipe | null {
  return recipe === null ? null : { ...recipe, field: null }
}

function required(recipe: RotationRecipe | null, place: AddressAt): RotationRecipe {
  if (recipe !== null && (recipe.generate !== null || recipe.hook !== null)) return { ...recipe, field: null }
  const title = titleOf(place)
  throw new SecretsError(
    'ROTATION_FAILED',
    `Cannot rotate ${quote(title)}: the manager does not, and nothing says where a new value comes from`,
    {
      hint: `Let one be made, and say who has to know it: sallyport secrets rotate ${title} --generate 32 --hook PROGRAM`,
    },
  )
}

async function readNote(path: string): Promise<Note | null> {
  const bytes = await readWhole(path, NOTE_BYTES_MAX)
  if (bytes === null) return null
  const { id, before } = JSON.parse(bytes.toString()) as Note
  return { id, before }
}
