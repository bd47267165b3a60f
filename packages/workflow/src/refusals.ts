// SPDX-License-Identifier: Apache-2.0

import { quote, suggest } from '@sallyport/core'
import type { Findings } from './findings.ts'
import type { TemplateNode } from './plan.ts'
import { field, literalText, literalTexts, namedEntries } from './template-nodes.ts'

/** Keys of a job that GitHub knows and Sallyport refuses today, each with what to do instead. */
const JOB_KEYS: Readonly<Record<string, { readonly message: string; readonly instead: string }>> = {
  services: { message: 'service containers (services) are not supported yet', instead: 'start the service in a step of the job' },
  environment: {
    message: 'deployment environments (environment) are not supported yet',
    instead: 'remove the key; give secrets with --secret',
  },
  snapshot: { message: 'custom runner images (snapshot) are not supported', instead: 'remove the key' },
  uses: {
    message: 'reusable workflows (uses on a job) are not supported yet',
    instead: 'write the steps into this job, or run the other file by itself',
  },
  'cancel-timeout-minutes': { message: 'a time limit for cancelling (cancel-timeout-minutes) is not supported', instead: 'remove the key' },
}

export function refuseJobKeys(job: TemplateNode, findings: Findings): void {
  for (const { name, keyAt } of namedEntries(job)) {
    const refusal = Object.hasOwn(JOB_KEYS, name) ? JOB_KEYS[name] : undefined
    if (refusal !== undefined) findings.unsupported(keyAt, refusal.message, refusal.instead)
  }
}

/** `permissions` and `concurrency`: no effect here, and none needed. `owner` is `the workflow` or `job "x"`. */
export function noticeKeysWithoutEffect(node: TemplateNode, owner: string, findings: Findings): void {
  for (const { name, keyAt } of namedEntries(node)) {
    if (name === 'permissions') findings.notice(keyAt, `permissions of ${owner} have no effect: no run has a token for a forge here`)
    if (name === 'concurrency')
      findings.notice(keyAt, `concurrency of ${owner} has no effect: a run started by hand has nothing to wait for`)
  }
}

/**
 * Why a `runs-on` label cannot be served, or null. The engine asks again for labels that an
 * expression gave.
 */
export function refusedRunnerLabel(label: string): string | null {
  const system = /^(windows|macos)(-|$)/i.exec(label)?.[1]?.toLowerCase()
  if (system === undefined) return null
  return `${quote(label)} asks for ${system === 'macos' ? 'macOS' : 'Windows'}; jobs run on Linux here`
}

export function refuseRunner(runsOn: TemplateNode, findings: Findings): void {
  if (runsOn.kind === 'mapping') {
    findings.unsupported(
      runsOn.at,
      'runner groups (runs-on with group or labels) are not supported',
      'write the label itself, e.g. ubuntu-24.04',
    )
    return
  }
  for (const { text, at } of literalTexts(runsOn)) {
    const reason = refusedRunnerLabel(text)
    if (reason !== null) findings.unsupported(at, reason, 'use a Linux label such as ubuntu-24.04')
  }
}

const SHELLS = ['bash', 'sh', 'python', 'pwsh', 'cmd', 'powershell']

export function checkShell(shell: TemplateNode | null, findings: Findings): void {
  const text = literalText(shell)
  if (shell === null || text === null || text.includes('{0}')) return
  if (/^(cmd|powershell)$/i.test(text)) {
    findings.unsupported(shell.at, `the shell ${quote(text)} exists on Windows only`, 'use bash, sh, python or pwsh')
  } else if (!SHELLS.includes(text)) {
    const known = suggest(text, SHELLS.slice(0, 4), 'known')
    findings.invalid(shell.at, `${quote(text)} is no known shell, and no command with {0} for the script's file`, known)
  }
}

/** Inputs of `actions/checkout` as its own description lists them. */
const CHECKOUT_INPUTS = [
  'repository',
  'ref',
  'token',
  'ssh-key',
  'ssh-known-hosts',
  'ssh-strict',
  'ssh-user',
  'persist-credentials',
  'path',
  'clean',
  'filter',
  'sparse-checkout',
  'sparse-checkout-cone-mode',
  'fetch-depth',
  'fetch-tags',
  'show-progress',
  'lfs',
  'submodules',
  'set-safe-directory',
  'github-server-url',
]

/** Checkout is served from the local repository: what needs a network or another repository is refused where it is written out. */
export function checkCheckoutInputs(inputs: TemplateNode | null, findings: Findings): void {
  for (const { name, keyAt, value } of namedEntries(inputs)) {
    const key = name.toLowerCase()
    const text = literalText(value)
    if (!CHECKOUT_INPUTS.includes(key)) {
      const hint = suggest(name, CHECKOUT_INPUTS, 'known')
      findings.notice(keyAt, `actions/checkout has no input ${quote(name)}${hint === null ? '' : `; ${hint}`}`)
    } else if (key === 'token') {
      findings.notice(keyAt, 'the token of actions/checkout is not used: files come from the local repository')
    } else if (text !== null && needsNetwork(key, text)) {
      findings.unsupported(
        keyAt,
        `${quote(name)}: ${quote(text)} of actions/checkout needs a network or another repository`,
        checkoutHint(key),
      )
    }
  }
}

function needsNetwork(key: string, text: string): boolean {
  if (text === '') return false
  if (key === 'repository' || key === 'github-server-url' || key.startsWith('ssh-')) return key !== 'ssh-strict' && key !== 'ssh-user'
  return (key === 'submodules' || key === 'lfs') && text.toLowerCase() !== 'false'
}

function checkoutHint(key: string): string {
  if (key === 'repository') return 'leave it out for this repository; check the other one out beside it yourself'
  return `leave ${key} out`
}

/** The value of a key, which the plan needs with its structure: one whole `${{ }}` in its place is refused. */
export function fieldOrRefuse(node: TemplateNode | null, key: string, findings: Findings): TemplateNode | null {
  const value = field(node, key)
  if (value?.kind === 'expression') {
    const instead = `write the keys of ${key} and put expressions into their values`
    findings.unsupported(value.at, `one expression for the whole of ${quote(key)} is not supported`, instead)
  }
  return value
}
