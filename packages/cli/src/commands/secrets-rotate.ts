// SPDX-License-Identifier: Apache-2.0
import { resolve } from 'node:path'
import {
  abandonRotation,
  type HookCall,
  type HookResult,
  type RotationRecipe,
  rotateSecret,
  runHook,
  withSchedule,
} from '@sallyport/secrets'
import type { Command } from 'commander'
import type { Context } from '../context.ts'
import { parseGenerate } from '../options/secret-generate.ts'
import { parseEvery, parseField, parseSecretName } from '../options/secret-name.ts'
import { accessStore, addStoreOptions, openStore, type StoreFlags } from '../options/secret-store.ts'
import { recordingSecrets, type SecretEvents } from '../secret-events.ts'
import { Sanitizer } from '../terminal/sanitize.ts'
import { UsageError } from '../usage-error.ts'

const EXAMPLES = `
Examples:
  sallyport secrets rotate SIGNING_SALT --generate 32          a new value, where nobody else has to know it
  sallyport secrets rotate DB_PASSWORD --generate 32 --hook ./set-password.sh
  sallyport secrets rotate NPM_TOKEN --hook ./npm-token.sh --every 30d
  sallyport secrets rotate NPM_TOKEN                           as the last time; or end what was cut off

The hook is called with a phase, the name, and an id that stays the same for one rotation. It reads the old value from descriptor 3 and
the new one from descriptor 4:
  create   make a new value and print it (without --generate)
  install  put the new value in place (with --generate)
  test     succeed only if the new value works; then it becomes the current one
  retire   end the old value
A phase that fails, or is cut off, is called again by the next rotate: the old value works until the new one does.`

interface RotateFlags extends StoreFlags {
  readonly generate?: number
  readonly hook?: string
  readonly field?: string
  readonly every?: number | null
  readonly abandon?: true
}

export function registerRotate(secrets: Command, context: Context): void {
  const command = secrets
    .command('rotate')
    .argument('<name>')
    .description('Replace a value: the new one works before the old one ends.')
    .option('--generate <length>', 'make a value of so many letters and digits', parseGenerate)
    .option('--hook <program>', 'who makes, installs, tests and retires values')
    .option('--field <key>', 'the field that gets the new value', parseField)
    .option('--every <time>', 'when the value is overdue: 30d, 12h, 4w or never', parseEvery)
    .option('--abandon', 'give up a rotation that has not ended')
    .option('--json', 'one JSON document')
  addStoreOptions(command)
  command.addHelpText('after', EXAMPLES).action((name: string, flags: RotateFlags) => rotate(parseSecretName([name]), flags, context))
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
    return rotateSecret(store, name, recipe, {
      runHook,
      report: (call, result) => report(call, result, context),
      announce: (phase, written) => recordPhase(events, name, phase ?? 'ended', written),
    })
  })
  if (flags.json === true) return stdout.write(`${JSON.stringify({ name, ...outcome })}\n`)
  if ('version' in outcome) stderr.write(`sallyport: ${name} is version ${outcome.version}\n`)
  else stderr.write(`sallyport: ${outcome.abandoned ? 'the rotation is given up; the current value stays' : 'no rotation was pending'}\n`)
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
async function report({ old, candidate }: HookCall, { stderr: said }: HookResult, { stderr }: Context): Promise<void> {
  if (said.byteLength === 0) return
  const { createSecretSet } = await import('@sallyport/redaction')
  const secrets = createSecretSet()
  for (const value of [old, candidate]) if (value !== null) secrets.add(Buffer.from(value).toString())
  const sanitizer = new Sanitizer(false)
  stderr.write(sanitizer.write(secrets.redact(said.toString())) + sanitizer.end())
}
