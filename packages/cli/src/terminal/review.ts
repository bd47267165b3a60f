// SPDX-License-Identifier: Apache-2.0
import type { AccessReview } from '@sallyport/agent'
import { oneLine } from './sanitize.ts'
import type { Style } from './style.ts'

const NOTICE_CHARACTERS_MAX = 1000

/** What an access file asks for; with `diff`, what is new and what is gone since it was last approved. The file is a repository's: hostile text. */
export function renderReview(review: AccessReview, style: Style, { diff }: { readonly diff: boolean }): string {
  const file = style.bold(oneLine(review.file))
  const notices = review.notices.map((notice) => `${style.warn('notice')}: ${oneLine(notice, NOTICE_CHARACTERS_MAX)}\n`).join('')
  if (review.asks.length === 0) return `${file} asks for nothing\n${notices}`
  const head = `${file} asks for ${review.asks.length} thing${review.asks.length === 1 ? '' : 's'} that jobs do not get without it\n`
  return head + (diff ? renderChanges(review, style) : review.asks.map((ask) => `  ${renderAsk(ask)}\n`).join('')) + notices
}

function renderChanges({ changes }: AccessReview, style: Style): string {
  const signs = { added: style.good('+'), removed: style.bad('-'), kept: ' ' } as const
  return changes.map(({ kind, ask }) => `${signs[kind]} ${renderAsk(ask)}\n`).join('')
}

/** Whole, however long: a hundred narrow paths must not hide the wide one at the end. What an access file may hold bounds it. */
export function renderAsk(ask: string): string {
  return oneLine(ask, Number.POSITIVE_INFINITY)
}
