// SPDX-License-Identifier: Apache-2.0
// What the supervisor and a process that holds keys say to each other: one JSON document a line, over the process's descriptor 3.

/** Descriptor that the process is started with: a stream socket to the supervisor. Its end is the process's end. */
export const KEY_PROCESS_DESCRIPTOR = 3

/** What is asked, or answered: each kind of process has its own union of them. */
export interface Typed {
  readonly type: string
}

/** Why a process cannot start or go on. */
export interface Failure {
  readonly code: string
  readonly message: string
  readonly hint: string | null
}

/** `id` 0: the first thing that it says, once it can answer, or why it cannot. Then one answer to each question, in their order. */
export type FromKeyProcess =
  | { readonly id: number; readonly answer: Readonly<Record<string, unknown>> }
  | { readonly id: 0; readonly type: 'ready' }
  | ({ readonly id: 0; readonly type: 'failed' } & Failure)
