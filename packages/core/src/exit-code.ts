// SPDX-License-Identifier: Apache-2.0

/** Exit codes of `sallyport run`; `exec` puts the reason's code into its message and `--json`. */
export const ExitCode = {
  success: 0,
  jobFailed: 1,
  badInput: 2,
  refused: 3,
  contained: 4,
  guaranteeMissing: 5,
  internal: 6,
  /** `exec` only: any reason of Sallyport's own. */
  execRefused: 125,
  interrupted: 130,
} as const

export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode]
