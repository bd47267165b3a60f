// SPDX-License-Identifier: Apache-2.0
// What a claim may say. Untrusted: names of branches, workflows, jobs and environments are chosen by whoever can push.
import { isAudience } from '@sallyport/access'
import { printable } from '@sallyport/core'

/** Null where `text` is what the claim may say; otherwise what it is not, to stand after `is not`. */
export type ClaimRule = (text: string) => string | null

/** Words of people: one line, nothing invisible, nothing that a terminal or a log would act upon. */
export function text(lengthMax: number): ClaimRule {
  return (value) => (isPlain(value, lengthMax) ? null : `one line of 1 to ${lengthMax} visible characters`)
}

function matching(pattern: RegExp, what: string): ClaimRule {
  return (value) => (pattern.test(value) && isPlain(value, 1024) ? null : what)
}

function isPlain(value: string, lengthMax: number): boolean {
  return value.length > 0 && value.length <= lengthMax && value.trim() === value && value.isWellFormed() && printable(value) === value
}

const REPOSITORY = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}\/(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}$/

/** `owner/name`, with nothing in it that means something in a subject. */
export const repository: ClaimRule = matching(REPOSITORY, 'the name of a repository, OWNER/NAME')

const REF_LENGTH_MAX = 500

/** A whole git ref, by the rules of git check-ref-format: so it holds no colon, no wildcard, no white space. */
export const gitRef: ClaimRule = (value) => (isGitRef(value) ? null : 'a git ref, such as refs/heads/main')

function isGitRef(value: string): boolean {
  if (!value.startsWith('refs/') || !isPlain(value, REF_LENGTH_MAX) || /[\s~^:?*[\\]|\.\.|@\{/.test(value)) return false
  const parts = value.split('/')
  return parts.length >= 3 && parts.every((part) => part !== '' && !part.startsWith('.') && !part.endsWith('.lock')) && !value.endsWith('.')
}

/** `OWNER/NAME/PATH@REF`, cut at its first `@`: none before it, so that no file name can pretend to be a ref. */
export const workflowRef: ClaimRule = (value) => (isWorkflowRef(value) ? null : 'OWNER/NAME/PATH.yml@REF')

function isWorkflowRef(value: string): boolean {
  const at = value.indexOf('@')
  const [owner = '', name = '', ...path] = value.slice(0, at).split('/')
  const ref = value.slice(at + 1)
  if (at === -1 || repository(`${owner}/${name}`) !== null || !(isGitRef(ref) || COMMIT.test(ref))) return false
  return path.length > 0 && path.every((part) => isPathPart(part)) && /\.ya?ml$/.test(path.at(-1) ?? '') && isPlain(value, 1024)
}

function isPathPart(part: string): boolean {
  return !['', '.', '..'].includes(part) && !/[\s:*?\\]/.test(part)
}

const COMMIT = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/
export const commit: ClaimRule = matching(COMMIT, 'a commit, 40 or 64 hexadecimal digits')
export const digest: ClaimRule = matching(/^sha256:[0-9a-f]{64}$/, 'a digest, sha256: and 64 hexadecimal digits')
/** A name of GitHub's, such as `pull_request`. */
export const eventName: ClaimRule = matching(/^[a-z][a-z_]{0,49}$/, 'the name of an event')
export const word: ClaimRule = matching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/, 'a word of letters, digits, dots, hyphens and underscores')
/** One URL or name, with no wildcard: an audience is compared as a whole. */
export const audience: ClaimRule = (value) => (isAudience(value) ? null : 'an audience: 1 to 255 visible ASCII characters, no *')
