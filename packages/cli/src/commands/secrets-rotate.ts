// SPDX-License-Identifier: Apache-2.0
import { resolve } from 'node:path'
import type { ManagedSecret } from '@sallyport/agent'
import { ExitCode } from '@sallyport/core'
import {
  abandonRotation,
  type EmbeddedStore,
  type HookCall,
  type HookResult,
  type Rotated,
  type RotationPorts,
  type RotationRecipe,
  rotateSecret,
  runHook,
  SecretsError,
  withSchedule,
} from '@sallyport/secrets'
import type { Command } from 'commander'
import type { Context } from '../context.ts'
import { type DueOutcome, parseManaged, rotateManaged, rotateScheduled, scheduledDue } from '../managed-secret.ts'
import { addOperatorOption } from '../options/egress.ts'
import { parseGenerate } from '../options/secret-generate.ts'
import { parseEvery, parseField, parseSecretName } from '../options/secret-name.ts'
import { accessStore, addStoreOptions, openStore, type StoreAccess, type StoreFlags } from '../options/secret-store.ts'
import { recordingSecrets, type SecretEvents } from '../secret-events.ts'
import { oneLine, Sanitizer } from '../terminal/sanitize.ts'
import { describeSecret } from '../terminal/secret-tables.ts'
import { UsageError } from '../usage-error.ts'

const EXAMPLES = `
Examples:
  sallyport secrets rotate SIGNING_SALT --generate 32          a new value, where nobody else has to know it
  sallyport secrets rotate DB_PASSWORD --generate 32 --hook ./set-password.sh
  sallyport secrets rotate NPM_TOKEN --hook ./npm-token.sh --every 30d
  sallyport secrets rotate NPM_TOKEN                           as the last time; or end what was cut off
  sallyport secrets rotate --due                               what is overdue, each as the last time
  sallyport secrets rotate openbao:database/static-creds/app   at a manager: by what it has for it
  sallyport secrets rotate openbao:kv/ci/packages#token --hook ./npm-token.sh

The hook is called with a phase, the name, and an id that stays the same for one rotation. It reads the old value from descriptor 3 and
the new one from descriptor 4:
  create   make a new value and print it (without --generate)
  install  put the new value in place (with --generate)
  test     succeed only if the new value works; then it becomes the current one
  retire   end the old value
Of a secret at a manager, the new value becomes the current version there between test and retire; when such are due, and how they are
rotated, stands in the operator's file, under rotation.
A phase that fails, or is cut off, is called again by the next rotate: the old value works until the new one does.`

interface RotateFlags extends StoreFlags {
  readonly generate?: number
  readonly hook?: string
  readonly field?: string
  readonly every?: number | null
  readonly due?: true
  readonly abandon?: true
  readonly config?: string
}

export function registerRotate(secrets: Command, context: Context): void {
  const command = secrets
    .command('rotate')
    .argument('[name]')
    .description('Replace a value: the new one works before the old one ends.')
    .option('--generate <length>', 'make a value of so many letters and digits', parseGenerate)
    .option('--hook <program>', 'who makes, installs, tests and retires values')
    .option('--field <key>', 'the field that gets the new value', parseField)
    .option('--every <time>', 'when the value is overdue: 30d, 12h, 4w or never', parseEvery)
    .option('--due', 'all that are overdue and have a way to be rotated, and all rotations that have not ended; fit for a timer')
    .option('--abandon', 'give up a rotation that has not ended')
    .option('--json', 'one JSON document')
  addOperatorOption(command)
  addStoreOptions(command)
  command.addHelpText('after', EXAMPLES).action((name: string | undefined, flags: RotateFlags) => {
    if (flags.due === true) return rotateDue(name, flags, context)
    const managed = name === undefined ? null : parseManaged(name)
    if (managed !== null) return rotateAtManager(name ?? '', managed, flags, context)
    return rotate(parseSecretName(name === undefined ? [] : [name]), flags, context)
  })
}

async function rotateAtManager(name: string, secret: ManagedSecret, flags: RotateFlags, context: Context): Promise<void> {
  const { stdout, stderr } = context
  const recipe = recipeOf(flags, context)
  const abandon = flags.abandon === true
  if (flags.every !== undefined || flags.field !== undefined || (abandon && recipe !== null))
    throw new UsageError('USAGE', 'Of a secret at a manager the field stands in its name, and its schedule in the operator’s file', {
      hint: 'Write PROVIDER:PATH#FIELD; --abandon goes with nothing else',
    })
  const report = (call: HookCall, result: HookResult): Promise<void> => reportHook(call, result, context)
  const outcome = await rotateManaged(flags, context, { secret, recipe, abandon, report })
  if (flags.json === true) return stdout.write(`${JSON.stringify({ name, ...outcome })}\n`)
  if ('version' in outcome) stderr.write(`sallyport: ${oneLine(name, 600)} is version ${oneLine(outcome.version ?? 'unknown', 100)}\n`)
  else stderr.write(abandonedText(outcome.abandoned))
}

function abandonedText(abandoned: boolean): string {
  return `sallyport: ${abandoned ? 'the rotation is given up; the current value stays' : 'no rotation was pending'}\n`
}

async function rotate(name: string, flags: RotateFlags, context: Context): Promise<void> {
  const { stdout, stderr } = context
  const recipe = recipeOf(flags, context)
  if (flags.abandon === true && (recipe !== null || flags.every !== undefined))
    throw new UsageError('USAGE', '--abandon gives up a rotation: it goes with no other option of one')
  await using access = await accessStore(flags, context)
  const store = await openStore(access, context)
  const outcome = await recordingSecrets(access.stateDirectory, context, async (events) => {
    if (flags.abandon === true)
      return { abandoned: await abandonRotation(store, name, (written) => recordPhase(events, name, 'abandoned', written)) }
    if (flags.every !== undefined) {
      const { every: everyMs } = flags
      await store.change(
        (content) => withSchedule(content, name, { everyMs }),
        (written) => events.record({ type: 'secret.scheduled', secrets: [name], data: { everyMs } }, written),
      )
    }
    return rotateSecret(store, name, recipe, portsOf(name, events, context))
  })
  if (flags.json === true) return stdout.write(`${JSON.stringify({ name, ...outcome })}\n`)
  if ('version' in outcome) stderr.write(`sallyport: ${name} is version ${outcome.version}\n`)
  else stderr.write(abandonedText(outcome.abandoned))
}

/** One after the other: that one of them fails keeps none of the others. */
async function rotateDue(name: string | undefined, flags: RotateFlags, context: Context): Promise<void> {
  if (name !== undefined || flags.abandon === true || flags.every !== undefined || recipeOf(flags, context) !== null)
    throw new UsageError('USAGE', '--due rotates what is overdue as the last time: it goes with no name and no other option of a rotation')
  const { stdout, stderr } = context
  const scheduled = await scheduledDue(flags, context)
  const report = (call: HookCall, result: HookResult): Promise<void> => reportHook(call, result, context)
  const managed = await rotateScheduled(scheduled, flags, context, report)
  const outcomes = [...(await rotateStored(flags, context, scheduled.length > 0)), ...managed]
  if (outcomes.some((outcome) => 'error' in outcome)) context.exitCode = ExitCode.jobFailed
  if (flags.json === true) return stdout.write(`${JSON.stringify(outcomes)}\n`)
  for (const outcome of outcomes)
    if ('error' in outcome)
      stderr.write(`sallyport: ${oneLine(outcome.name, 600)}: error[${outcome.error}]: ${oneLine(outcome.message, 4000)}\n`)
    else stderr.write(`sallyport: ${oneLine(outcome.name, 600)} is version ${oneLine(String(outcome.version), 100)}\n`)
  if (outcomes.length === 0) stderr.write('sallyport: nothing is due\n')
}

/** `mayBeMissing`: secrets at managers need no store. */
async function rotateStored(flags: RotateFlags, context: Context, mayBeMissing: boolean): Promise<readonly DueOutcome[]> {
  await using access = await accessStore(flags, context)
  const store = await openDue(access, context, mayBeMissing)
  if (store === null) return []
  const described = await store.look(({ secrets }) => [...secrets.values()].map((secret) => describeSecret(secret, context.now())))
  const due = described.filter(({ overdue, rotation, removedAt }) => removedAt === null && (overdue || rotation !== null))
  return await recordingSecrets(access.stateDirectory, context, async (events) => {
    const done: DueOutcome[] = []
    for (const secret of due) done.push({ name: secret.name, ...(await tryToRotate(store, secret.name, events, context)) })
    return done
  })
}

async function openDue(access: StoreAccess, context: Context, mayBeMissing: boolean): Promise<EmbeddedStore | null> {
  try {
    return await openStore(access, context)
  } catch (error) {
    if (mayBeMissing && error instanceof SecretsError && error.code === 'SECRET_STORE_MISSING') return null
    throw error
  }
}

async function tryToRotate(
  store: EmbeddedStore,
  name: string,
  events: SecretEvents,
  context: Context,
): Promise<Rotated | { error: string; message: string }> {
  try {
    return await rotateSecret(store, name, null, portsOf(name, events, context))
  } catch (error) {
    if (!(error instanceof SecretsError)) throw error
    await events.record({ type: 'secret.failed', secrets: [name], data: { code: error.code } })
    return { error: error.code, message: error.message }
  }
}

function portsOf(name: string, events: SecretEvents, context: Context): RotationPorts {
  return {
    runHook,
    report: (call, result) => reportHook(call, result, context),
    announce: (phase, written) => recordPhase(events, name, phase ?? 'ended', written),
  }
}

function recordPhase(events: SecretEvents, name: string, phase: string, written: Parameters<SecretEvents['record']>[1]): Promise<void> {
  return events.record({ type: 'secret.rotation', secrets: [name], data: { phase } }, written)
}

/** Null: as the last time. */
function recipeOf({ generate, hook, field }: RotateFlags, { workingDirectory }: Context): RotationRecipe | null {
  if (generate === undefined && hook === undefined) {
    if (field === undefined) return null
    throw new UsageError('USAGE', '--field says where a new value goes, and nothing says where it comes from', {
      hint: 'Add --generate or --hook',
    })
  }
  return { generate: generate ?? null, hook: hook === undefined ? null : resolve(workingDirectory, hook), field: field ?? null }
}

/** A program that fails says why, perhaps with a value in it. */
async function reportHook({ old, candidate }: HookCall, { stderr: said }: HookResult, { stderr }: Context): Promise<void> {
  if (said.byteLength === 0) return
  const { createSecretSet } = await import('@sallyport/redaction')
  const secrets = createSecretSet()
  for (const value of [old, candidate]) if (value !== null) secrets.add(Buffer.from(value).toString())
  const sanitizer = new Sanitizer(false)
  stderr.write(sanitizer.write(secrets.redact(said.toString())) + sanitizer.end())
}
