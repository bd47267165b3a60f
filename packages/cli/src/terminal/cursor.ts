// SPDX-License-Identifier: Apache-2.0

export const HIDE_CURSOR = '\x1b[?25l'
export const SHOW_CURSOR = '\x1b[?25h'
