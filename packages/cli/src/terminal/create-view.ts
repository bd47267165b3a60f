// SPDX-License-Identifier: Apache-2.0
import type { Context } from '../context.ts'
import { SHOW_CURSOR } from './cursor.ts'
import { JsonView } from './json-view.ts'
import { LiveView } from './live-view.ts'
import { PlainView } from './plain-view.ts'
import { createStyle } from './style.ts'
import type { View } from './view.ts'

/** The live tree needs both streams on a terminal: it repaints one below what the other prints. */
export function createView(context: Context, isJson: boolean): View {
  const { stdout, stderr, config, now } = context
  const { allowsColor, allowsRepaint } = config
  if (isJson) return new JsonView(stdout, stderr)
  if (!stdout.isTerminal || !stderr.isTerminal || !allowsRepaint) return new PlainView({ stdout, stderr, allowsColor })
  context.restoreAtExit(SHOW_CURSOR)
  return new LiveView({ stdout, stderr, allowsColor, now, style: createStyle(allowsColor) })
}
