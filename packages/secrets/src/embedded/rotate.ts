// SPDX-License-Identifier: Apache-2.0
// A rotation in two phases: the new value is made, put in place and seen to work before it becomes the current one, and only then the old one ends. Each
// phase is in the store before it begins, so that whoever comes after a crash goes on where it stopped, with the same value and the same id.
import { randomUUID } from 'node:crypto'
import { SECRET_BYTES_MAX } from '../contract.ts'
import { SecretsError } from '../secrets-error.ts'
import type { EmbeddedStore } from './embedded-store.ts'
import { generateValue } from './generate-value.ts'
import type { HookCall, HookResult } from './rotation-hook.spawn.ts'
import type { WrittenStore } from './seen.ts'
import { withNextVersion, withSecret } from './store-changes.ts'
import {
  checkFields,
  type Fields,
  findField,
  findSecret,
  findVersion,
  type PendingRotation,
  type RotationPhase,
  type RotationRecipe,
  type StoredSecret,
} from './store-content.ts'

export interface RotationPorts {
  readonly runHook: (call: HookCall) => Promise<HookResult>
  /** What a hook has said; may hold the values, which are wiped afterwards. */
  readonly report: (call: HookCall, result: HookResult) => Promise<void>
  /** Before a phase is in the store. Null: the last one has ended. */
  readonly announce: (phase: RotationPhase | null, written: WrittenStore) => Promise<void>
  /** Where the current value is elsewhere: makes the new one the current one there. Called once more after a crash. */
  readonly publish?: (values: { readonly old: Uint8Array; readonly candidate: Uint8Array; readonly rotation: string }) => Promise<void>
  /** What the secret is called by whoever rotates it; absent: by its name. */
  readonly title?: string
}

export interface Rotated {
  readonly version: number
  /** It had begun earlier. */
  readonly isResumed: boolean
}

/**
 * Rotates a secret, or ends the rotation of it that has begun. `recipe` null: as the last time.
 *
 * @throws SecretsError SECRET_NOT_FOUND, ROTATION_FAILED, ROTATION_PENDING, SECRET_STORE_LOCKED, SECRET_FIELD_MISSING. What worked before still works.
 */
export async function rotateSecret(
  store: EmbeddedStore,
  name: string,
  recipe: RotationRecipe | null,
  ports: RotationPorts,
): Promise<Rotated> {
  await using _lock = await store.lockRotation()
  const isResumed = await store.look((content) => findSecret(content, name).rotation !== null)
  if (isResumed) await refuseOtherRecipe(store, name, recipe, ports.title ?? name)
  else await begin(store, name, recipe, ports)
  for (;;) {
    const { rotation, version } = await store.look((content) => stateOf(findSecret(content, name)))
    if (rotation === null) return { version, isResumed }
    await PHASES[rotation.phase](new Step(store, name, rotation, ports))
  }
}

/** The rotation is forgotten with its new value; the current value stays. What a hook has made for it, nobody ends. @throws SecretsError SECRET_NOT_FOUND */
export async function abandonRotation(
  store: EmbeddedStore,
  name: string,
  announce: (written: WrittenStore) => Promise<void>,
): Promise<boolean> {
  await using _lock = await store.lockRotation()
  let wasPending = false
  await store.change((content) => {
    const secret = findSecret(content, name)
    wasPending = secret.rotation !== null
    return wasPending ? withSecret(content, { ...secret, rotation: null }) : null
  }, announce)
  return wasPending
}

/** Without what is wiped. */
function stateOf({ rotation, lastNumber }: StoredSecret): {
  readonly rotation: Omit<PendingRotation, 'candidate'> | null
  readonly version: number
} {
  if (rotation === null) return { rotation, version: lastNumber }
  const { candidate: _wiped, ...rest } = rotation
  return { rotation: rest, version: lastNumber }
}

async function refuseOtherRecipe(store: EmbeddedStore, name: string, recipe: RotationRecipe | null, title: string): Promise<void> {
  const pending = await store.look((content) => findSecret(content, name).rotation)
  if (recipe === null || pending === null || isSame(recipe, pending.recipe)) return
  throw new SecretsError(
    'ROTATION_PENDING',
    `Cannot rotate "${title}" in another way: a rotation of ${new Date(pending.startedAtMs).toISOString()} has not ended`,
    {
      hint: `End it first, sallyport secrets rotate ${title}, or give it up: sallyport secrets rotate ${title} --abandon`,
    },
  )
}

function isSame(left: RotationRecipe, right: RotationRecipe): boolean {
  return left.generate === right.generate && left.hook === right.hook && left.field === right.field
}

async function begin(
  store: EmbeddedStore,
  name: string,
  given: RotationRecipe | null,
  { announce, publish, title }: RotationPorts,
): Promise<void> {
  let phase: RotationPhase | null = null
  let generated: Buffer | null = null
  const change = store.change(
    (content) => {
      const secret = findSecret(content, name)
      const recipe = given ?? secret.recipe
      if (recipe === null || (recipe.generate === null && recipe.hook === null)) throw noRecipe(title ?? name)
      const current = findVersion(secret, null).fields
      findField(name, current, recipe.field)
      generated = recipe.generate === null ? null : generateValue(recipe.generate)
      const candidate = generated === null ? null : replaceField(name, current, recipe.field, generated)
      if (recipe.hook === null && candidate !== null && publish === undefined)
        return withSecret(content, withNextVersion({ ...secret, recipe }, { fields: candidate, origin: 'rotated', nowMs: store.nowMs() }))
      phase = candidate === null ? 'create' : recipe.hook === null ? 'test' : 'install'
      const rotation = { id: randomUUID(), startedAtMs: store.nowMs(), phase, recipe, candidate }
      return withSecret(content, { ...secret, recipe, rotation })
    },
    (written) => announce(phase, written),
  )
  await change.finally(() => generated?.fill(0))
}

/** One phase of one rotation. */
class Step {
  readonly store: EmbeddedStore
  readonly name: string
  readonly rotation: Omit<PendingRotation, 'candidate'>
  readonly #ports: RotationPorts

  constructor(store: EmbeddedStore, name: string, rotation: Omit<PendingRotation, 'candidate'>, ports: RotationPorts) {
    this.store = store
    this.name = name
    this.rotation = rotation
    this.#ports = ports
  }

  /** What the hook has printed. @throws SecretsError ROTATION_FAILED */
  async callHook(): Promise<Buffer> {
    const { id, phase, recipe } = this.rotation
    // Nobody else has to know the value
    if (recipe.hook === null) return Buffer.alloc(0)
    const values = await this.store.look((content) => this.#valuesOf(findSecret(content, this.name)))
    const call = { ...values, program: recipe.hook, phase, name: this.#title, rotation: id }
    try {
      const result = await this.#ports.runHook(call)
      await this.#ports.report(call, result)
      if (result.failure === null) return result.stdout
      throw this.failed(`"${recipe.hook} ${phase}" ${result.failure}`)
    } finally {
      for (const value of Object.values(values)) value?.fill(0)
    }
  }

  /** It is the current one wherever jobs read it, afterwards. */
  async publish(): Promise<void> {
    const { publish } = this.#ports
    if (publish === undefined) return
    const { old, candidate } = await this.store.look((content) => this.#valuesOf(findSecret(content, this.name)))
    try {
      if (candidate === null) throw new TypeError('what was tested is there')
      await publish({ old, candidate, rotation: this.rotation.id })
    } finally {
      old.fill(0)
      candidate?.fill(0)
    }
  }

  get #title(): string {
    return this.#ports.title ?? this.name
  }

  /** `next` is given the secret as it is now; null: the rotation has ended. */
  async moveOn(phase: RotationPhase | null, next: (secret: StoredSecret, rotation: PendingRotation) => StoredSecret): Promise<void> {
    await this.store.change(
      (content) => {
        const secret = findSecret(content, this.name)
        if (secret.rotation?.id !== this.rotation.id) throw this.failed('it was given up meanwhile')
        const moved = next(secret, secret.rotation)
        return withSecret(content, { ...moved, rotation: phase === null ? null : { ...secret.rotation, ...moved.rotation, phase } })
      },
      (written) => this.#ports.announce(phase, written),
    )
  }

  failed(what: string): SecretsError {
    const { phase } = this.rotation
    const which =
      phase === 'retire' ? 'the new value is the current one, and the old one may still work' : 'the old value is still the current one'
    return new SecretsError('ROTATION_FAILED', `Cannot rotate "${this.#title}": ${what}; ${which}`, {
      hint: `Take it up again with sallyport secrets rotate ${this.#title}, or give it up: sallyport secrets rotate ${this.#title} --abandon`,
      details: { phase },
    })
  }

  #valuesOf(secret: StoredSecret): { readonly old: Uint8Array; readonly candidate: Uint8Array | null } {
    const { field } = this.rotation.recipe
    const one = (fields: Fields | undefined): Uint8Array => Uint8Array.from(findField(this.name, fields ?? new Map(), field)[1])
    if (this.rotation.phase === 'retire')
      return { old: one(secret.versions.at(-2)?.fields), candidate: one(secret.versions.at(-1)?.fields) }
    const candidate = secret.rotation?.candidate ?? null
    return { old: one(secret.versions.at(-1)?.fields), candidate: candidate === null ? null : one(candidate) }
  }
}

const PHASES: Readonly<Record<RotationPhase, (step: Step) => Promise<void>>> = {
  create: async (step) => {
    const value = trimLine(await step.callHook())
    try {
      if (value.byteLength === 0) throw step.failed('the hook has printed no new value')
      if (value.byteLength > SECRET_BYTES_MAX) throw step.failed(`the hook has printed more than ${SECRET_BYTES_MAX} bytes`)
      await step.moveOn('test', (secret, { recipe }) => {
        const candidate = replaceField(secret.name, findVersion(secret, null).fields, recipe.field, value)
        return { ...secret, rotation: { ...step.rotation, candidate } }
      })
    } finally {
      value.fill(0)
    }
  },
  install: async (step) => {
    await step.callHook()
    await step.moveOn('test', (secret) => secret)
  },
  test: async (step) => {
    await step.callHook()
    await step.publish()
    await step.moveOn('retire', (secret, rotation) => {
      const fields = rotation.candidate
      if (fields === null) throw new TypeError('what was tested is there')
      const moved = withNextVersion(secret, { fields, origin: 'rotated', nowMs: step.store.nowMs() })
      return { ...moved, rotation: { ...rotation, candidate: null } }
    })
  },
  retire: async (step) => {
    await step.callHook()
    await step.moveOn(null, (secret) => secret)
  },
}

function replaceField(name: string, fields: Fields, field: string | null, value: Uint8Array): Fields {
  const replaced = new Map(fields).set(findField(name, fields, field)[0], value)
  checkFields(name, replaced)
  return replaced
}

/** The newline that `echo` ends with. */
function trimLine(printed: Buffer): Buffer {
  const end = printed.indexOf(10)
  return end === printed.byteLength - 1 && end > 0 ? printed.subarray(0, printed[end - 1] === 13 ? end - 1 : end) : printed
}

function noRecipe(name: string): SecretsError {
  return new SecretsError('ROTATION_FAILED', `Cannot rotate "${name}": nothing says where a new value comes from`, {
    hint: `Let one be made, and say who has to know it: sallyport secrets rotate ${name} --generate 32 --hook PROGRAM`,
  })
}
