// SPDX-License-Identifier: Apache-2.0
import { SANDBOX_PATHS } from '@sallyport/sandbox'

/** Where the copy of the directory lies inside. */
export const EXEC_WORKSPACE: string = `${SANDBOX_PATHS.work}/exec`
